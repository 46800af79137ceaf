//! Reads the promises out of a trait's documentation, so that neither it nor the suite gets ahead of the other.

use std::collections::BTreeSet;

/// The points of all lists in the documentation above a declaration, without links and line breaks.
pub(crate) fn promises(source: &str, declaration: &str) -> Vec<String> {
    let end = source.find(declaration).expect("the trait is there");
    let mut lines: Vec<&str> = source[..end]
        .lines()
        .rev()
        .skip(1)
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .filter_map(|line| line.strip_prefix("///"))
        .collect();
    lines.reverse();
    let mut promises: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in lines {
        if let Some(first) = line.strip_prefix(" - ") {
            promises.push(first.to_owned());
            is_inside = true;
        } else if let Some(more) = line.strip_prefix("   ").filter(|_| is_inside) {
            let promise = promises.last_mut().expect("a point began");
            promise.push(' ');
            promise.push_str(more);
        } else {
            is_inside = false;
        }
    }
    promises.iter().map(|promise| plain(promise)).collect()
}

/// Without the marks of links and code, and without where links lead.
fn plain(text: &str) -> String {
    let mut parts = text.split("](");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once(')').map_or("", |(_, after)| after));
    }
    plain.replace(['[', ']', '`'], "")
}

/// Fails unless the same promises are written down and checked.
pub(crate) fn assert_same(written: &[String], checked: &[&str]) {
    let written: BTreeSet<String> = written.iter().cloned().collect();
    let checked: BTreeSet<String> = checked.iter().map(|promise| plain(promise)).collect();
    let unchecked: Vec<_> = written.difference(&checked).collect();
    let unwritten: Vec<_> = checked.difference(&written).collect();
    assert!(
        unchecked.is_empty() && unwritten.is_empty(),
        "promised and not checked: {unchecked:#?}\nchecked and not promised: {unwritten:#?}"
    );
}
