//! Waiting for what must come to be.

use std::error::Error;
use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::time::{sleep, timeout};

/// How long anything may take on a machine that is busy with other tests. No promise is about how long it really takes.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Looks again and again until something is there, and returns it: often at first, ever more rarely later, and never for
/// more than half of the time.
///
/// # Errors
/// It is not there within [`PATIENCE`]: what that means, which the caller says, and why the last look was not enough.
pub async fn eventually<L: Look>(
    failure: impl Display,
    look: impl AsyncFnMut() -> L,
) -> Result<L::Found> {
    eventually_within(PATIENCE, failure, look).await
}

/// The same, within another time.
pub async fn eventually_within<L: Look>(
    patience: Duration,
    failure: impl Display,
    mut look: impl AsyncFnMut() -> L,
) -> Result<L::Found> {
    let began = Instant::now();
    let mut reason = None;
    let looks = async {
        loop {
            let looked = Instant::now();
            match look().await.found() {
                Ok(found) => return found,
                Err(why) => reason = why,
            }
            let pause = looked.elapsed().max(began.elapsed() / 20);
            sleep(pause.clamp(Duration::from_millis(1), LONGEST_PAUSE)).await;
        }
    };
    timeout(patience, looks).await.map_err(|_| {
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        anyhow!("{failure} (within {patience:?}){reason}")
    })
}

/// What a look may return: whether something is so, what was found, or why it was not found.
pub trait Look {
    /// What was looked for.
    type Found;

    /// What was found; otherwise why not, if that is known.
    fn found(self) -> Result<Self::Found, Option<String>>;
}

impl Look for bool {
    type Found = ();

    fn found(self) -> Result<(), Option<String>> {
        if self { Ok(()) } else { Err(None) }
    }
}

impl<T> Look for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, Option<String>> {
        self.ok_or(None)
    }
}

impl<T, E: Into<Box<dyn Error>>> Look for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, Option<String>> {
        self.map_err(|error| Some(format!("{:#}", error.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_late_is_found_and_what_never_comes_is_named() {
        let mut looks = 0;
        let found = eventually("it never comes", async || {
            looks += 1;
            (looks == 3).then_some("here")
        });
        assert_eq!(found.await.unwrap(), "here");

        let patience = Duration::from_millis(30);
        let never = async || Err::<(), _>("it is still away");
        let error = eventually_within(patience, "it never comes", never).await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "it never comes (within 30ms): it is still away");
        let hangs = async || std::future::pending::<bool>().await;
        let error = eventually_within(patience, "it never comes", hangs).await;
        assert!(error.is_err(), "a look that hangs has no end");
    }
}
