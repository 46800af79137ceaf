//! Addresses of lists and of their pages.

use maud::{Markup, html};
use url::form_urlencoded;

/// The way to older rows of a list, and back to the newest. `parameters` are those of the list.
pub(super) fn older(
    address: &str,
    cursor: Option<&str>,
    next: Option<&str>,
    parameters: &[(&str, &str)],
) -> Markup {
    html! {
        @if cursor.is_some() || next.is_some() {
            nav class="pager" aria-label="Pages" {
                @if cursor.is_some() {
                    a class="button secondary" href=(with_query(address, parameters)) { "Newest" }
                } @else {
                    span {}
                }
                @if let Some(next) = next {
                    a class="button secondary" href=(with_query(address, &[parameters, &[("cursor", next)]].concat())) { "Older" }
                }
            }
        }
    }
}

/// An address with the parameters that have a value.
pub(super) fn with_query(address: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    match (query.is_empty(), address.contains('?')) {
        (true, _) => address.to_owned(),
        (false, false) => format!("{address}?{query}"),
        (false, true) => format!("{address}&{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_what_was_chosen_and_nothing_else() {
        assert_eq!(with_query("a", &[("status", "")]), "a");
        assert_eq!(
            with_query("a?b=c", &[("status", "failed"), ("cursor", "1/2&")]),
            "a?b=c&status=failed&cursor=1%2F2%26"
        );
    }
}
