//! Filters (RFC 7644, section 3.4.2.2).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The longest filter, in bytes as an address has it. Servers and proxies take addresses of 8,000 at least.
const MAX_BYTES: usize = 4_000;
/// No e-mail address is longer (RFC 5321, section 4.5.3.1).
const MAX_EMAIL_BYTES: usize = 320;

/// As few filters as find the users with these addresses.
pub(super) fn by_email(emails: &[String]) -> Vec<String> {
    let mut filters: Vec<String> = Vec::new();
    let mut bytes = 0;
    let plausible = |email: &&String| {
        !email.is_empty() && email.len() <= MAX_EMAIL_BYTES && !email.contains(char::is_control)
    };
    for email in emails.iter().filter(plausible) {
        let term = with_email(email);
        let length = utf8_percent_encode(&term, NON_ALPHANUMERIC)
            .map(str::len)
            .sum::<usize>();
        match filters.last_mut() {
            Some(filter) if bytes + length + OR_BYTES <= MAX_BYTES => {
                filter.push_str(OR);
                filter.push_str(&term);
                bytes += length + OR_BYTES;
            }
            _ => {
                filters.push(term);
                bytes = length;
            }
        }
    }
    filters
}

const OR: &str = " or ";
/// The length of [`OR`] in an address.
const OR_BYTES: usize = 8;

/// Finds users with an address: many services have it as the user name only.
fn with_email(email: &str) -> String {
    let email = quoted(email);
    format!("emails.value eq {email} or userName eq {email}")
}

/// Finds users whose name, address or id has a part.
pub(super) fn by_part(part: &str) -> String {
    let part = quoted(part);
    [
        "displayName",
        "name.formatted",
        "userName",
        "emails.value",
        "id",
    ]
    .map(|attribute| format!("{attribute} co {part}"))
    .join(OR)
}

/// A text as a filter has it: in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_cannot_become_part_of_the_filter() {
        let emails = [r#"a" or userName pr or userName eq "b\"#.to_owned()];
        let value = r#""a\" or userName pr or userName eq \"b\\""#;
        assert_eq!(
            by_email(&emails),
            [format!("emails.value eq {value} or userName eq {value}")]
        );
    }

    #[test]
    fn many_addresses_make_few_filters_of_bounded_length() {
        let emails: Vec<String> = (0..1_000)
            .map(|number| format!("somebody.number{number}@example.com"))
            .collect();
        let filters = by_email(&emails);
        assert!(filters.len() < 60, "{} requests", filters.len());
        for filter in &filters {
            let length = utf8_percent_encode(filter, NON_ALPHANUMERIC)
                .to_string()
                .len();
            assert!(length <= MAX_BYTES, "{length} bytes");
        }
        let asked: usize = filters
            .iter()
            .map(|filter| filter.matches("emails.value").count())
            .sum();
        assert_eq!(asked, emails.len());
        let none = ["".to_owned(), "x".repeat(400), "a\nb@c".to_owned()];
        assert!(by_email(&none).is_empty());
    }
}
