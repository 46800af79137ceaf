//! Texts that fit: what people wrote at Toggl is taken as far as the contract takes it, and marked where it was cut.

use crate::model::TimeLog;

/// The longest description that is taken, in bytes. Toggl's own limit is 3,000 characters.
pub(crate) const MAX_DESCRIPTION: usize = 16 << 10;

/// The longest name of a client, project, task or tag, in bytes. Toggl's own limit is 255 characters.
pub(crate) const MAX_NAME: usize = 1 << 10;

/// The most tags of one entry, and the most bytes of all of them.
pub(crate) const MAX_TAGS: usize = 200;
pub(crate) const MAX_TAG_BYTES: usize = 16 << 10;

/// What a text ends with that was cut.
const MARK: &str = "…";

/// The text, cut at a character so that it has at most so many bytes with its mark; whether it was cut.
pub(crate) fn cut(text: &mut String, most: usize) -> bool {
    if text.len() <= most {
        return false;
    }
    let mut end = most.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text.push_str(MARK);
    true
}

/// A name that fits.
pub(crate) fn name(mut name: String) -> String {
    cut(&mut name, MAX_NAME);
    name
}

/// Makes an entry fit, and says in a sentence what was cut.
pub(crate) fn fit(id: &str, log: &mut TimeLog) -> Option<String> {
    let is_text_cut = cut(&mut log.description, MAX_DESCRIPTION);
    let mut are_tags_cut = false;
    let mut left = MAX_TAG_BYTES;
    let mut fitting = 0;
    for tag in &mut log.tags {
        are_tags_cut |= cut(tag, MAX_NAME);
        if tag.len() > left || fitting >= MAX_TAGS {
            break;
        }
        left = left.saturating_sub(tag.len());
        fitting = fitting.saturating_add(1);
    }
    if fitting < log.tags.len() {
        are_tags_cut = true;
        log.tags.truncate(fitting);
        log.tags.push(MARK.into());
    }
    let what = match (is_text_cut, are_tags_cut) {
        (false, false) => return None,
        (true, false) => "description was",
        (false, true) => "tags were",
        (true, true) => "description and tags were",
    };
    Some(format!(
        "The time entry {id} is longer than can be kept: its {what} cut, and end with “{MARK}”."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_marked() {
        let mut text = "ä".repeat(100);
        assert!(!cut(&mut text, 200));
        assert!(cut(&mut text, 100));
        assert!(text.len() <= 100 && text.ends_with("ä…"), "{text}");
        let mut tiny = "abc".to_owned();
        assert!(cut(&mut tiny, 0));
        assert_eq!(tiny, MARK);
    }

    #[test]
    fn tags_are_cut_in_length_number_and_all_together() {
        let log = |tags: Vec<String>| TimeLog {
            remote_user_id: "1".into(),
            subject: None,
            description: String::new(),
            start: crate::time::Timestamp::UNIX_EPOCH,
            stop: None,
            billable: false,
            tags,
        };
        let mut fine = log(vec!["a".into(), String::new(), "b".into()]);
        assert_eq!(fit("1", &mut fine), None);
        assert_eq!(fine.tags.len(), 3);
        let mut many = log(vec!["a".into(); 50_000]);
        assert!(fit("1", &mut many).is_some_and(|note| note.contains("tags were cut")));
        assert_eq!(many.tags.len(), MAX_TAGS + 1);
        let mut long = log(vec!["a".repeat(5_000); 100]);
        assert!(fit("1", &mut long).is_some());
        let bytes: usize = long.tags.iter().map(String::len).sum();
        assert!(bytes <= MAX_TAG_BYTES + MARK.len(), "{bytes}");
    }
}
