//! Calls of a provider within their time: one that hangs or panics ends, and is answered as if the provider were
//! unavailable.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::timeout;

/// The moment after a provider's own time-out.
pub const GRACE: Duration = Duration::from_millis(500);

/// An error that can say that a provider did not answer.
pub trait Unanswered {
    /// What did not answer, and why.
    fn unanswered(why: String) -> Self;
}

/// What a provider answers, unless it takes too long or panics.
pub async fn within<T, E: Unanswered>(
    time: Duration,
    call: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match timeout(time, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(E::unanswered(
            "a defect in it ended the call; the log has the details".to_owned(),
        )),
        Err(_) => Err(E::unanswered(format!("it did not answer within {time:?}"))),
    }
}
