//! What is printed.

use std::fmt::Display;
use std::time::Instant;

/// Lines with a promise each, printed as they come.
pub struct Table {
    since: Instant,
    is_broken: bool,
}

impl Table {
    /// Prints the heading.
    pub fn new() -> Self {
        println!("{:<58} {:>16}   {:<10}", "", "seen", "promised");
        Self {
            since: Instant::now(),
            is_broken: false,
        }
    }

    /// What was seen beside what was promised.
    pub fn promise(&mut self, what: &str, seen: impl Display, promised: &str, is_kept: bool) {
        let verdict = if is_kept { "" } else { "BROKEN" };
        let seen = seen.to_string();
        println!("{what:<58} {seen:>16}   {promised:<10} {verdict}");
        self.is_broken |= !is_kept;
    }

    /// A figure that depends on the machine: missing its target breaks nothing.
    pub fn target(&self, what: &str, seen: impl Display, target: &str, is_met: bool) {
        let verdict = if is_met { "" } else { "missed" };
        let seen = seen.to_string();
        println!("{what:<58} {seen:>16}   {target:<10} {verdict}");
    }

    /// More about the line before, and how long everything has taken so far.
    pub fn detail(&self, text: impl Display) {
        println!("  {text} ({} s)", self.since.elapsed().as_secs());
    }

    /// Whether any promise was broken.
    pub fn has_broken_promises(&self) -> bool {
        self.is_broken
    }
}
