//! Between records and the registers that providers keep.

use jiff::Timestamp;

use super::{ExportContent, ExportDeletion, ExportHint, ExportName};
use crate::LedgerError;
use crate::merge::activity::{ActivityState, Content, Deletion};
use crate::merge::subject::{Hint, Named, SubjectState};
use crate::stored;

/// The registers of an activity, as records have them.
pub fn activity_registers(
    known: ActivityState,
) -> Result<(Option<ExportContent>, Option<ExportDeletion>), LedgerError> {
    let content = known.content.map(content).transpose()?;
    let deletion = known.deletion.map(|deletion| ExportDeletion {
        revision: deletion.revision,
        event: deletion.event,
    });
    Ok((content, deletion))
}

fn content(content: Content) -> Result<ExportContent, LedgerError> {
    Ok(ExportContent {
        tags: stored::texts(Some(&content.tags)).map_err(stored::damaged)?,
        revision: content.revision,
        remote_user: content.remote_user,
        subject: content.subject,
        description: content.description,
        start: time(content.start)?,
        stop: content.stop.map(time).transpose()?,
        billable: content.billable,
        event: content.event,
    })
}

fn time(milliseconds: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|error| LedgerError::Unavailable(format!("a stored time is damaged: {error}")))
}

/// An activity, as providers keep it.
pub fn known_activity(
    content: Option<ExportContent>,
    deletion: Option<ExportDeletion>,
) -> ActivityState {
    let content = content.map(|content| Content {
        tags: stored::to_json(&content.tags),
        revision: content.revision,
        remote_user: content.remote_user,
        subject: content.subject,
        description: content.description,
        start: content.start.as_millisecond(),
        stop: content.stop.map(Timestamp::as_millisecond),
        billable: content.billable,
        event: content.event,
    });
    let deletion = deletion.map(|deletion| Deletion {
        revision: deletion.revision,
        event: deletion.event,
    });
    ActivityState { content, deletion }
}

/// The registers of a subject, as records have them.
pub fn subject_registers(known: SubjectState) -> (Option<ExportName>, Option<ExportHint>) {
    let named = known.named.map(|named| ExportName {
        revision: named.revision,
        name: named.name,
        parent: named.parent,
    });
    let hint = known.hint.map(|hint| ExportHint {
        revision: hint.revision,
        parent: hint.parent,
    });
    (named, hint)
}

/// A subject, as providers keep it.
pub fn known_subject(named: Option<ExportName>, hint: Option<ExportHint>) -> SubjectState {
    SubjectState {
        named: named.map(|named| Named {
            revision: named.revision,
            name: named.name,
            parent: named.parent,
        }),
        hint: hint.map(|hint| Hint {
            revision: hint.revision,
            parent: hint.parent,
        }),
    }
}
