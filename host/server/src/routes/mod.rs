//! One handler per route, by what it is about.

pub(super) mod activities;
pub(super) mod backup;
pub(super) mod connections;
pub(super) mod deliveries;
pub(super) mod hooks;
pub(super) mod operations;
pub(super) mod sealing_key;
pub(super) mod users;

pub(super) use self::operations::Readiness;
use super::error::ApiError;
use integration_host_contract::sentence::shorten;

/// Rows of a page nobody asked a number for.
const DEFAULT_PAGE: usize = 100;

/// The number of rows asked for.
fn parse_limit(limit: Option<&str>) -> Result<usize, ApiError> {
    use integration_host_ledger::MAX_PAGE;
    match limit {
        None => Ok(DEFAULT_PAGE),
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| {
                ApiError::malformed(format!(
                    "`limit` is “{}”; it must be a number from 1 to {MAX_PAGE}",
                    shorten(text)
                ))
            }),
    }
}

/// A parameter that is given but empty is the same as one that is absent: forms send those.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A parameter that is yes or no.
fn parse_flag(name: &str, text: Option<&str>) -> Result<Option<bool>, ApiError> {
    match given(text) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(ApiError::malformed(format!(
            "`{name}` is “{}”; it must be true or false",
            shorten(other)
        ))),
    }
}

/// A parameter that is a number of things.
fn parse_count(name: &str, text: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(text) = given(text) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        ApiError::malformed(format!(
            "`{name}` is “{}”; it must be a number",
            shorten(text)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bounded() {
        assert_eq!(parse_limit(None).unwrap(), 100);
        assert_eq!(parse_limit(Some("1000")).unwrap(), 1000);
        for wrong in ["0", "1001", "-1", "many", ""] {
            assert!(parse_limit(Some(wrong)).is_err(), "{wrong:?}");
        }
    }
}
