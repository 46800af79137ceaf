//! Results that are too large. `return-text` has one long text, `return-items` many small things, and
//! `return-flood` so many that the host's copy would be far larger than this component.

use crate::exports::worksights::integration::integration::{
    Activity, Changes, MemberState, Quota, Scope, Subject, TeamMember, TimeLog, UserMatch,
};

const LONG_TEXT: usize = 1 << 20;
const MANY: usize = 60_000;
const FLOOD: usize = 1_000_000;

pub fn is_known(name: &str) -> bool {
    name.starts_with("return-")
}

/// Pretends to be several lines of the host's log, and is long.
pub fn forged_line() -> String {
    format!(
        "failed\n2026-01-01 ERROR forged=true\u{1b}[2J{}",
        "x".repeat(LONG_TEXT)
    )
}

pub fn text(name: &str) -> String {
    match name {
        "return-text" => "x".repeat(LONG_TEXT),
        "return-forged" => forged_line(),
        _ => "1".into(),
    }
}

fn count(name: &str) -> usize {
    match name {
        "return-items" => MANY,
        "return-flood" => FLOOD,
        "return-text" => 1,
        _ => 0,
    }
}

pub fn texts(name: &str) -> Vec<String> {
    vec![String::new(); count(name)]
}

pub fn answer(name: &str) -> Vec<u8> {
    match name {
        "return-answer" => vec![b'x'; LONG_TEXT],
        _ => Vec::new(),
    }
}

pub fn scopes(name: &str) -> Vec<Scope> {
    (0..count(name)).map(|_| crate::scope(text(name))).collect()
}

pub fn quotas(name: &str) -> Vec<Quota> {
    let quota = Quota {
        name: text(name),
        remaining: 0,
        total: 0,
        resets_in_seconds: 0,
    };
    vec![quota; count(name)]
}

pub fn members(name: &str) -> Vec<TeamMember> {
    let member = |_| TeamMember {
        id: String::new(),
        name: text(name),
        email: None,
        state: MemberState::Active,
        match_: UserMatch::Unmatched,
    };
    (0..count(name).min(MANY)).map(member).collect()
}

pub fn changes(name: &str) -> Changes {
    let tags = match name {
        "return-text" => vec![text(name)],
        _ => texts(name),
    };
    let log = TimeLog {
        remote_user_id: "1".into(),
        subject: None,
        description: String::new(),
        start: i64::MIN,
        stop: Some(i64::MAX),
        billable: false,
        tags,
    };
    let activity = Activity {
        id: "1".into(),
        revision: "1".into(),
        event_id: None,
        deleted: false,
        content: Some(log),
    };
    let subject = Subject {
        id: "project/1".into(),
        revision: String::new(),
        name: Some(text(name)),
        parent: None,
    };
    Changes {
        activities: if is_known(name) {
            vec![activity]
        } else {
            Vec::new()
        },
        subjects: vec![subject; count(name).min(MANY)],
    }
}
