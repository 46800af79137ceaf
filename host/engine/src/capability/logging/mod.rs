//! Logging: what an integration says goes to the host's log, marked as its words.

use std::sync::Arc;

use tracing::{debug, error, info, trace, warn};

use crate::bindings::wasi::logging::logging::{Host, Level};
use crate::confidential::Confidential;
use crate::log_budget::LogBudget;
use integration_host_contract::id::ConnectionId;
use integration_host_contract::sentence::{cut_bytes, printable};

/// The longest message that is logged in full, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

/// The log as one call sees it.
pub(crate) struct CallLog {
    connection: ConnectionId,
    lines_left: u32,
    confidential: Arc<Confidential>,
    /// Shared by all calls, so that many calls cannot fill the log either.
    budget: Arc<LogBudget>,
}

impl CallLog {
    /// A log for a call of `connection` that accepts `max_lines` messages, as far as `budget`
    /// allows.
    pub(crate) fn new(
        connection: ConnectionId,
        max_lines: u32,
        budget: Arc<LogBudget>,
        confidential: Arc<Confidential>,
    ) -> Self {
        Self {
            connection,
            confidential,
            lines_left: max_lines,
            budget,
        }
    }
}

impl Host for CallLog {
    async fn log(&mut self, level: Level, context: String, message: String) {
        let connection = &self.connection;
        let Some(lines_left) = self.lines_left.checked_sub(1) else {
            return;
        };
        self.lines_left = lines_left;
        if !self.budget.admits(connection) {
            return;
        }
        if lines_left == 0 {
            warn!(%connection, limit = "log_lines", "the integration logs too much; the rest of this call's messages is dropped");
            return;
        }
        let message = one_line(&self.confidential.blot(message).await);
        let context = one_line(&self.confidential.blot(context).await);
        match level {
            Level::Trace => trace!(%connection, context, "{message}"),
            Level::Debug => debug!(%connection, context, "{message}"),
            Level::Info => info!(%connection, context, "{message}"),
            Level::Warn => warn!(%connection, context, "{message}"),
            Level::Error | Level::Critical => error!(%connection, context, "{message}"),
        }
    }
}

/// The message without control characters, so that it cannot pass for lines of the host, and cut to size.
fn one_line(message: &str) -> String {
    printable(&cut_bytes(message, MAX_MESSAGE_BYTES)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_one_line_of_bounded_length() {
        assert_eq!(one_line("a\nb\u{1b}[31m"), "a b [31m");
        assert!(one_line(&"ü".repeat(5_000)).len() <= MAX_MESSAGE_BYTES + '…'.len_utf8());
    }
}
