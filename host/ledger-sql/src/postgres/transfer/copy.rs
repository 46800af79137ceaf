//! Activities of an export, copied into their table: `COPY` takes half as long as the statement that applies arrivals,
//! which also has to find what is there already.

use std::pin::pin;

use deadpool_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use crate::failure::Result;
use crate::postgres::activities::MappedUsers;
use integration_host_ledger::merge::activity::{ActivityState, Content};

const COPY: &str = "COPY activities (connection, entry_id, content_revision, remote_user, subject, description, start,
        stop, billable, tags, content_event, deleted_revision, deleted_event, user_number, change)
    FROM STDIN (FORMAT binary)";

const TYPES: [Type; 15] = [
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
    Type::BOOL,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
];

/// An activity that is not there yet.
pub(super) struct New<'a> {
    pub(super) connection: i64,
    pub(super) entry_id: &'a str,
    pub(super) known: &'a ActivityState,
    /// Its place in the change feed.
    pub(super) place: i64,
    /// Whose it is, if that is not the user its member is mapped to.
    pub(super) user: Option<i64>,
}

/// Adds activities of connections.
pub(super) async fn copy(transaction: &Transaction<'_>, activities: &[New<'_>]) -> Result<()> {
    let known = activities.iter().map(|new| (new.connection, new.known));
    let users = MappedUsers::read(transaction, known).await?;
    let statement = transaction.prepare_cached(COPY).await?;
    let sink = transaction.copy_in(&statement).await?;
    let mut rows = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for new in activities {
        let ActivityState { content, deletion } = new.known;
        let (content, deletion) = (content.as_ref(), deletion.as_ref());
        let text = |of: fn(&Content) -> &str| content.map(of);
        let mapped = content.and_then(|content| users.of(new.connection, &content.remote_user));
        let user = new.user.or(mapped);
        rows.as_mut()
            .write(&[
                &new.connection,
                &new.entry_id,
                &text(|content| &content.revision),
                &text(|content| &content.remote_user),
                &content.and_then(|content| content.subject.as_deref()),
                &text(|content| &content.description),
                &content.map(|content| content.start),
                &content.and_then(|content| content.stop),
                &content.is_some_and(|content| content.billable),
                &text(|content| &content.tags),
                &content.and_then(|content| content.event.as_deref()),
                &deletion.map(|deletion| deletion.revision.as_str()),
                &deletion.and_then(|deletion| deletion.event.as_deref()),
                &user,
                &new.place,
            ])
            .await?;
    }
    rows.finish().await?;
    Ok(())
}
