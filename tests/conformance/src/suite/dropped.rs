//! Calls that are not waited for.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::poll_immediate;

/// Begins a call and drops it after it was looked at so often, or when it has ended. The greater the number,
/// the longer between looks, so that it is dropped at every stage: before it began, while it waits, and after it ended.
pub(crate) async fn begin_and_drop<T>(call: impl Future<Output = T>, looks: u32) {
    let mut call = pin!(call);
    for look in 0..looks {
        if poll_immediate(&mut call).await.is_some() {
            return;
        }
        match look {
            0..4 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}
