//! A Toggl client, a webhook receiver and a schema checker.

mod receiver;
mod schema;
mod toggl;

pub use self::{
    receiver::Receiver,
    schema::assert_shape,
    toggl::{Toggl, subscription as toggl_body},
};

/// The built-in scenario's main workspace, where the token's owner is an administrator.
pub const STUDIO: i64 = 7_400_001;
/// The workspace on the Free plan.
pub const SIDE_PROJECTS: i64 = 7_400_002;
/// The workspace where the token's owner is an ordinary member.
pub const SUPPLIERS: i64 = 7_400_003;
/// The suspended workspace.
pub const SUSPENDED: i64 = 7_400_004;
/// The owner of the token.
pub const MARA: i64 = 9_500_001;
/// An ordinary member of the studio and of the suppliers' workspace.
pub const JONAS: i64 = 9_500_004;

/// A recorded or documented file beside the tests.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
