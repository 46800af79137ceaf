//! What it tries, by name and topic.

mod capabilities;
mod cpu;
mod http;
mod memory;
pub mod returns;
mod storage;

use crate::exports::worksights::integration::integration::{Error, QuotaExhaustion, RateLimit};
use crate::worksights::integration::storage as keys;

/// The attempt that the test has stored for functions without arguments.
pub fn stored_attempt() -> Option<String> {
    let entry = keys::get("attempt").ok()??;
    String::from_utf8(entry.value).ok()
}

/// Makes an attempt and tells what came of it.
pub fn attempt(name: &str) -> Result<String, Error> {
    Ok(match name {
        "" => "nothing was tried".into(),
        "trap" => panic!("on purpose"),
        "fail" => return Err(Error::Internal(returns::forged_line())),
        "rate-limited" => {
            return Err(Error::RateLimited(RateLimit {
                message: "too fast on purpose".into(),
                retry_after_seconds: 7,
            }));
        }
        "quota-exhausted" => {
            return Err(Error::QuotaExhausted(QuotaExhaustion {
                message: "used up on purpose".into(),
                resets_in_seconds: 7,
            }));
        }
        "loop" => cpu::endless_loop(),
        "loop-log" => cpu::log_for_ever(),
        "loop-random" => cpu::draw_for_ever(),
        "loop-clock" => cpu::ask_the_time_for_ever(),
        "loop-storage" => cpu::read_for_ever(),
        "loop-list" => cpu::list_for_ever(),
        "recurse" => cpu::recurse(0).to_string(),
        "grow" => memory::grow(),
        "huge-random" => capabilities::draw_a_gigabyte(),
        "huge-log" => capabilities::log_a_huge_line(),
        "huge-lookup" => capabilities::look_up_a_million_at_once(),
        "flood-log" => capabilities::flood_log(),
        "flood-directory" => capabilities::flood_directory(),
        "leave-scope" => storage::leave_scope(),
        "odd-keys" => storage::odd_keys(),
        "huge-value" => storage::huge_value(),
        "many-keys" => storage::many_keys(),
        "fill" => storage::fill()?,
        "write-and-fail" => {
            storage::leave_something();
            return Err(Error::Internal("failed on purpose".into()));
        }
        "write-and-trap" => {
            storage::leave_something();
            panic!("on purpose")
        }
        "write-and-loop" => {
            storage::leave_something();
            cpu::endless_loop()
        }
        "read" => storage::read(),
        name if returns::is_known(name) => returns::text(name),
        name => http::attempt(name)
            .ok_or_else(|| Error::InvalidInput(format!("no attempt is called {name}")))?,
    })
}
