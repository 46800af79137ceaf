//! Sentences for people that repeat what somebody wrote, in which anything may stand.

use std::borrow::Cow;

/// As much of a wrong value as is worth repeating.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

/// The text on one line: what would end the line, or would do something to a terminal, becomes an
/// escape such as `\n`.
pub(crate) fn on_one_line(text: &str) -> Cow<'_, str> {
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
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    let mut sentence: String = first.into_iter().flatten().chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_the_line_or_ring_the_bell() {
        assert_eq!(on_one_line("plain “text”"), "plain “text”");
        assert_eq!(on_one_line("a\r\nb\u{7}\u{85}ü"), r"a\r\nb\u{7}\u{85}ü");
    }
}
