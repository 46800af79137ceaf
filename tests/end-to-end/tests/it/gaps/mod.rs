//! What was missed is noticed, read and closed without anybody asking.

mod attention;
mod clocks;
mod copies;
mod leisure;
mod lies;
mod nonsense;
mod odd_rows;
mod outage;
mod pages;
mod quota;
mod repair;
mod silence;
mod support;
mod tags;
mod timers;
mod tokens;
