//! A project's, client's or task's event, made into a name.

use crate::time::Timestamp;

use crate::model::{Error, Subject};
use crate::names::{Kind, KnownName, NameCache};
use crate::revision;
use crate::text;

use super::Event;
use crate::json::Json;

/// What a name's event tells.
pub(super) enum NameEvent {
    /// A name, with whether names are missing, and what was done to it: "renamed".
    Told(Subject, bool, &'static str),
    /// Nothing, and why; with whether a name is missing.
    Nothing(&'static str, bool),
}

/// Takes the event into the cache.
pub(super) fn read(
    cache: &mut NameCache<'_>,
    kind: Kind,
    event: &Event,
    metadata: &Json<'_>,
    entity: &Json<'_>,
) -> Result<NameEvent, Error> {
    if metadata.get("action").text() == Some("deleted")
        || entity.get("server_deleted_at").time().is_some()
    {
        return Ok(NameEvent::Nothing(
            "Something was deleted; activities keep its name.",
            false,
        ));
    }
    let named_in_metadata = match kind {
        Kind::Task => metadata.get("task_id"),
        Kind::Project => metadata.get("project_id"),
        Kind::Client => metadata.get("client_id"),
    };
    let Some(id) = entity.get("id").id().or_else(|| named_in_metadata.id()) else {
        return Ok(NameEvent::Nothing(
            "Something without an id was reported.",
            false,
        ));
    };
    let (Some(name), Some(at)) = (
        entity.get("name").text(),
        entity.get("at").time().or(event.created_at),
    ) else {
        let missing = cache.note_missing(
            kind,
            id,
            super::project(entity).filter(|_| kind == Kind::Task),
        )?;
        return Ok(NameEvent::Nothing(
            "A change came without the name; it is looked up.",
            missing,
        ));
    };
    let (parent, is_parent_told) = match kind {
        Kind::Task => (
            super::project(entity),
            !entity.get("project_id").is_absent() || !entity.get("pid").is_absent(),
        ),
        Kind::Project => (
            entity
                .get("client_id")
                .id()
                .or_else(|| entity.get("cid").id()),
            !entity.get("client_id").is_absent() || !entity.get("cid").is_absent(),
        ),
        Kind::Client => (None, true),
    };
    let known = cache.get(kind, id)?;
    let change = match (&known, metadata.get("action").text()) {
        (_, Some("created")) => "created",
        (Some(known), _) if known.name != text::name(name.to_owned()) => "renamed",
        _ => "updated",
    };
    let parent = if is_parent_told {
        parent
    } else {
        known.and_then(|known| known.parent)
    };
    let name = KnownName {
        name: text::name(name.to_owned()),
        parent,
        revision: revision::told(
            at,
            event.created_at.unwrap_or(Timestamp::UNIX_EPOCH),
            event.id.unwrap_or_default(),
        ),
    };
    let subject = name.to_subject(kind, id);
    cache.learn(kind, id, name)?;
    let names_missing = match kind.parent().zip(parent) {
        Some((kind, id)) if cache.get(kind, id)?.is_none() => cache.note_missing(kind, id, None)?,
        _ => false,
    };
    Ok(NameEvent::Told(subject, names_missing, change))
}
