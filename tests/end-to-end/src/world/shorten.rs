//! The shortest history that shows a difference.

use anyhow::Error;

use super::history::History;
use super::stores::Kind;
use super::{Common, play};

/// Histories that are tried at most: each takes seconds.
const TRIES: u32 = 40;

/// Leaves steps out, ever fewer at a time, as long as the rest still ends differently.
pub(super) async fn shorten(
    common: &Common,
    kind: Kind,
    mut history: History,
    mut difference: Error,
) -> (History, Error) {
    let mut tries = 0;
    let mut size = history.steps.len().div_ceil(2);
    while size > 0 && tries < TRIES {
        let mut from = 0;
        while from < history.steps.len() && tries < TRIES {
            let mut shorter = history.clone();
            let to = (from + size).min(shorter.steps.len());
            shorter.steps.drain(from..to);
            tries += 1;
            match play::play(common, kind, &shorter).await {
                Err(same) => {
                    history = shorter;
                    difference = same;
                }
                Ok(_) => from += size,
            }
        }
        size /= 2;
    }
    (history, difference)
}
