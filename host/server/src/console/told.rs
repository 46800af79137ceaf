//! What the host and the integration say, as a page shows it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::elements::moment;

/// How times stand in sentences.
const TIME: &str = "2026-03-01 14:05:00Z";

/// A sentence with its times in the viewer's zone. Its addresses break between their parts where they do not fit.
pub(super) fn told(text: &str, zone: &TimeZone) -> Markup {
    let mut rest = text;
    let mut parts = Vec::new();
    while let Some((before, time, after)) = next_time(rest) {
        parts.push((before, Some(time)));
        rest = after;
    }
    parts.push((rest, None));
    html! {
        @for (words, time) in parts {
            (breaking(words))
            @if let Some(time) = time { (moment(time, zone)) }
        }
    }
}

/// The text before the first time, that time, and the text after it.
fn next_time(text: &str) -> Option<(&str, Timestamp, &str)> {
    text.match_indices('Z').find_map(|(end, _)| {
        let begin = (end + 1).checked_sub(TIME.len())?;
        let time = text.get(begin..=end)?.parse().ok()?;
        Some((text.get(..begin)?, time, text.get(end + 1..)?))
    })
}

fn breaking(text: &str) -> Markup {
    html! {
        @for word in text.split_inclusive(' ') {
            @if word.contains("://") {
                @for part in word.split_inclusive(['/', '.']) { (part) wbr; }
            } @else {
                (word)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let zone = TimeZone::get("Asia/Tokyo").unwrap();
        let markup = told(text, &zone).into_string();
        let mut text = String::new();
        let mut is_tag = false;
        for character in markup.chars() {
            match character {
                '<' => is_tag = true,
                '>' => is_tag = false,
                _ if !is_tag => text.push(character),
                _ => {}
            }
        }
        text
    }

    #[test]
    fn times_in_a_sentence_are_those_of_the_viewer() {
        assert_eq!(
            shown("From 2026-03-01 14:05:00Z to 2026-03-01 16:00:09Z was read: Zürich and Zoë, Z."),
            "From 1 Mar 2026, 23:05 to 2 Mar 2026, 01:00 was read: Zürich and Zoë, Z."
        );
        for other in ["", "Z", "ÄÖÜ 2026-13-01 14:05:00Z", "2026-03-01", "äöü…Z"] {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn an_address_is_what_it_was_and_nothing_of_it_is_markup() {
        let text = "Copy it from https://track.toggl.com/profile, <b>bold</b>.";
        assert_eq!(shown(text).replace("&lt;", "<").replace("&gt;", ">"), text);
    }
}
