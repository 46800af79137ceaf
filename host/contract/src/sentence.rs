//! Sentences for people that repeat what somebody wrote, in which anything may stand.

use std::borrow::Cow;
use std::time::Duration;

/// As much of a wrong value as is worth repeating.
pub fn shorten(text: &str) -> String {
    cut(text, 60).into_owned()
}

/// A text of at most so many characters; what was cut off shows as an ellipsis after them.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => cut_at(text, end),
        None => text.into(),
    }
}

/// [`cut`], by bytes.
pub fn cut_bytes(text: &str, most: usize) -> Cow<'_, str> {
    match text.len() > most {
        true => cut_at(text, text.floor_char_boundary(most)),
        false => text.into(),
    }
}

fn cut_at(text: &str, end: usize) -> Cow<'_, str> {
    format!("{}…", text.get(..end).unwrap_or_default()).into()
}

/// Text from elsewhere with spaces for its control characters, which could end a line or take over a terminal.
pub fn printable(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => text.replace(char::is_control, " ").into(),
        false => text.into(),
    }
}

/// A wrong value between quotation marks, as much of it as is worth repeating. One that may hold a password is not repeated.
pub fn quoted(text: &str) -> String {
    match may_hold_credential(text) {
        true => "not repeated here, as it may hold a password".to_owned(),
        false => format!("“{}”", shorten(text)),
    }
}

/// Names under which connection strings carry what nobody may read.
const CREDENTIALS: [&str; 5] = ["password", "passwd", "pwd", "secret", "token"];

/// Whether a text looks like an address or a connection string with a password in it.
pub fn may_hold_credential(text: &str) -> bool {
    text.contains(['@', '＠']) || has_name_before(text, &['=', ':'])
}

/// Whether a text has a password under its name, as connection strings do. What stands before an `@` is not looked at:
/// there names and passwords may be any.
pub fn names_credential(text: &str) -> bool {
    let place = text.rsplit('@').next().unwrap_or_default();
    has_name_before(place, &['='])
}

fn has_name_before(text: &str, signs: &[char]) -> bool {
    let text = text.to_lowercase();
    let is_named = |name: &&str| {
        text.match_indices(*name).any(|(start, name)| {
            let rest = text.get(start + name.len()..).unwrap_or_default();
            rest.trim_start_matches(['"', '\'', ' ', '\t'])
                .starts_with(signs)
        })
    };
    CREDENTIALS.iter().any(is_named)
}

/// Whether what is to be a path looks like an address with a password in it instead. Paths may contain an `@`.
pub fn is_address_instead_of_path(text: &str) -> bool {
    may_hold_credential(text) && (text.contains([':', '=']) || text.starts_with("//"))
}

/// Whether what is to be a path of the host's own certainly is an address or a connection string with a password in it. A
/// path that only looks like one can be written with `./` before it.
pub fn is_credential_instead_of_path(text: &str) -> bool {
    // `scheme://…` begins like `user:password@…`.
    let is_address = text
        .split_once(':')
        .is_some_and(|(name, rest)| !name.contains(['/', '\\']) && rest.contains('@'));
    is_address || names_credential(text)
}

/// The text on one line: what would end the line, or would do something to a terminal, becomes an
/// escape such as `\n`.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.into()
}

/// The text as a sentence: with a capital at its beginning and a full stop at its end.
pub fn sentence(text: &str) -> String {
    let mut sentence = capitalised(text.trim());
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}

/// The text with a capital at its beginning.
pub fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}

/// What is given as people say that it is one of them: “client, project or task”.
pub fn one_of(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [several @ .., last] => format!("{} or {last}", several.join(", ")),
    }
}

/// A time to wait, as people say it: rounded up, in the largest unit that is exact enough.
pub fn duration_in_words(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    let (unit, name) = match seconds {
        0..=90 => (1, "second"),
        91..=5400 => (MINUTE, "minute"),
        5401..=129_600 => (HOUR, "hour"),
        _ => (DAY, "day"),
    };
    let count = seconds.div_ceil(unit).max(1);
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_as_people_say_it() {
        let waits = [0, 1, 90, 91, 1247, 5400, 5401, 86_400, 129_601].map(Duration::from_secs);
        assert_eq!(
            waits.map(duration_in_words),
            [
                "1 second",
                "1 second",
                "90 seconds",
                "2 minutes",
                "21 minutes",
                "90 minutes",
                "2 hours",
                "24 hours",
                "2 days"
            ]
        );
        assert_eq!(
            duration_in_words(Duration::from_millis(29_001)),
            "30 seconds"
        );
    }

    #[test]
    fn choices_are_named_as_people_say_it() {
        assert_eq!(
            one_of(&["client", "project", "task"]),
            "client, project or task"
        );
        assert_eq!(one_of(&["board", "card"]), "board or card");
        assert_eq!(one_of(&["card"]), "card");
        assert_eq!(capitalised("über uns"), "Über uns");
    }

    #[test]
    fn what_is_cut_off_shows() {
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".into(), "äö…".into()));
        assert_eq!(
            (cut_bytes("äöü", 6), cut_bytes("äöü", 5)),
            ("äöü".into(), "äö…".into())
        );
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn a_value_cannot_end_the_line_or_ring_the_bell() {
        assert_eq!(on_one_line("plain “text”"), "plain “text”");
        assert_eq!(printable("a\nb\u{1b}[31mü"), "a b [31mü");
        assert_eq!(on_one_line("a\r\nb\u{7}\u{85}ü"), r"a\r\nb\u{7}\u{85}ü");
    }
}
