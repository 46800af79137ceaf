//! Times, as a person or Toggl may write them, compared with a date library.

use integration_host_server::api::time::{parse_from, parse_to};
use jiff::tz::Offset;
use toggl_integration::time::Timestamp;

/// Runs the target. The whole input is a text; its first twelve bytes also are a moment and an offset.
pub fn run(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        check_text(text);
    }
    if let Some((moment, rest)) = input.split_first_chunk::<8>()
        && let Some((offset, _)) = rest.split_first_chunk::<4>()
    {
        check_moment(i64::from_le_bytes(*moment), i32::from_le_bytes(*offset));
    }
}

/// What the integration reads as a time is that time.
fn check_text(text: &str) {
    if let Some(ours) = Timestamp::parse(text) {
        let theirs: jiff::Timestamp = at_most_nanoseconds(text).parse().unwrap_or_else(|error| {
            panic!("“{text}” is no time ({error}), yet was read as {ours:?}")
        });
        assert_eq!(i128::from(ours.nanoseconds()), theirs.as_nanosecond());
    }
    match (parse_from(text), parse_to(text)) {
        (Ok(from), Ok(to)) => assert!(from <= to, "the range of “{text}” ends before it begins"),
        (Err(error), _) | (_, Err(error)) => assert!(error.len() < 500, "{error}"),
    }
}

/// The integration cuts off what is finer than a nanosecond; the library refuses it.
fn at_most_nanoseconds(text: &str) -> String {
    let Some((before, after)) = text.split_once('.') else {
        return text.into();
    };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    format!("{before}.{}{}", &after[..digits.min(9)], &after[digits..])
}

/// However a moment is written, it is read as itself.
fn check_moment(nanoseconds: i64, offset: i32) {
    let nanoseconds = nanoseconds & i64::MAX;
    let theirs = jiff::Timestamp::from_nanosecond(nanoseconds.into()).expect("before 2263");
    let offset = Offset::from_seconds(offset % (24 * 60) * 60).expect("less than a day");
    let text = theirs.display_with_offset(offset).to_string();
    assert_eq!(
        Timestamp::parse(&text),
        Some(Timestamp::from_nanoseconds(nanoseconds)),
        "{text}"
    );
}
