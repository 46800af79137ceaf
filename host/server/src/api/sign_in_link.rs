//! Links that sign in to the console.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link that signs in to the console once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SignInLinkView {
    /// What follows the host's address.
    #[schema(example = "/sign-in?code=0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    pub path: String,
    /// For how long it is good.
    pub expires_in_seconds: u64,
}
