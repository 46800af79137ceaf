//! Making JSON of what is nearly JSON: one damaged text must not cost the whole of a delivery or of an answer.

/// What stands for a character that cannot be read.
const UNKNOWN: char = '\u{fffd}';

/// The same text with what no reader takes replaced: broken UTF-8, lone surrogates and unknown escapes by U+FFFD,
/// control characters in texts by their escapes, and numbers beyond every bound by `null`. What is not JSON for
/// another reason, such as a text that ends half-way, is none afterwards either.
pub(super) fn mend(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut mended = String::with_capacity(rest.len());
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '"' => mend_text(rest, &mut mended),
            '-' | '0'..='9' => mend_number(rest, &mut mended),
            other => {
                mended.push(other);
                after(rest, other.len_utf8())
            }
        };
    }
    mended
}

fn after(text: &str, bytes: usize) -> &str {
    text.get(bytes..).unwrap_or_default()
}

/// Copies a number, and returns what comes after it.
fn mend_number<'a>(text: &'a str, mended: &mut String) -> &'a str {
    let is_part = |character: char| matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let number = text.get(..end).unwrap_or_default();
    let is_finite = number.parse::<f64>().is_ok_and(f64::is_finite);
    mended.push_str(if is_finite { number } else { "null" });
    after(text, end)
}

/// Copies a text with its quotation marks, and returns what comes after it.
fn mend_text<'a>(text: &'a str, mended: &mut String) -> &'a str {
    mended.push('"');
    let mut rest = after(text, 1);
    while let Some(next) = rest.chars().next() {
        let behind = after(rest, next.len_utf8());
        rest = match next {
            '"' => {
                mended.push('"');
                return behind;
            }
            '\\' => mend_escape(behind, mended),
            '\0'..='\u{1f}' => {
                mended.push_str("\\u00");
                let digit = |value: u32| char::from_digit(value, 16).unwrap_or('0');
                mended.push(digit(u32::from(next) >> 4));
                mended.push(digit(u32::from(next) & 0xf));
                behind
            }
            other => {
                mended.push(other);
                behind
            }
        };
    }
    rest
}

/// Copies an escape whose backslash was passed, and returns what comes after it.
fn mend_escape<'a>(text: &'a str, mended: &mut String) -> &'a str {
    let Some(kind) = text.chars().next() else {
        mended.push(UNKNOWN);
        return text;
    };
    let behind = after(text, kind.len_utf8());
    match kind {
        '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {
            mended.push('\\');
            mended.push(kind);
            behind
        }
        'u' => match unit(behind) {
            Some(0xd800..=0xdbff) => {
                let low = after(behind, 4).strip_prefix("\\u").and_then(unit);
                if matches!(low, Some(0xdc00..=0xdfff)) {
                    mended.push_str("\\u");
                    mended.push_str(behind.get(..10).unwrap_or_default());
                    after(behind, 10)
                } else {
                    mended.push(UNKNOWN);
                    after(behind, 4)
                }
            }
            Some(0xdc00..=0xdfff) => {
                mended.push(UNKNOWN);
                after(behind, 4)
            }
            Some(_) => {
                mended.push_str("\\u");
                mended.push_str(behind.get(..4).unwrap_or_default());
                after(behind, 4)
            }
            None => {
                mended.push(UNKNOWN);
                behind
            }
        },
        _ => {
            mended.push(UNKNOWN);
            behind
        }
    }
}

/// The UTF-16 unit that four hexadecimal digits stand for.
fn unit(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hexadecimal.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::mend;
    use proptest::prelude::*;

    #[test]
    fn what_no_reader_takes_is_replaced_and_nothing_else() {
        for (text, expected) in [
            (
                &br#"{"a":"\ud800","b":1}"#[..],
                "{\"a\":\"\u{fffd}\",\"b\":1}",
            ),
            (
                br#"["\udc00x","\ud83d\ude00","\ud83d\ud83d\ude00"]"#,
                "[\"\u{fffd}x\",\"\\ud83d\\ude00\",\"\u{fffd}\\ud83d\\ude00\"]",
            ),
            (b"[\"a\xffb\"]", "[\"a\u{fffd}b\"]"),
            (br#"["\x41\u12"]"#, "[\"\u{fffd}41\u{fffd}12\"]"),
            (b"[\"a\nb\"]", "[\"a\\u000ab\"]"),
            (b"[1e999,-1e999,2]", "[null,null,2]"),
            (b"\xef\xbb\xbf{}", "{}"),
        ] {
            let mended = mend(text);
            assert_eq!(mended, expected);
            serde_json::from_str::<serde_json::Value>(&mended).unwrap();
        }
    }

    proptest! {
        #[test]
        fn json_stays_as_it_is(text in "\\PC*", number in any::<f64>()) {
            let json = serde_json::json!({"text": text, "list": [number, null, true, text]});
            let mended = mend(json.to_string().as_bytes());
            prop_assert_eq!(mended, json.to_string());
        }

        #[test]
        fn ends_with_any_input(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = mend(&bytes);
        }
    }
}
