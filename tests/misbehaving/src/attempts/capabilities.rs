//! Asking too much of the log, of randomness and of the user directory.

use crate::wasi::logging::logging::{Level, log};
use crate::wasi::random::random::get_random_bytes;
use crate::worksights::integration::user_directory::find_by_email;

pub fn draw_a_gigabyte() -> String {
    format!("{} bytes", get_random_bytes(1 << 30).len())
}

pub fn log_a_huge_line() -> String {
    log(Level::Info, "huge", &"x".repeat(20 << 20));
    "logged".into()
}

/// In the host, each empty text takes several times the room it takes here.
pub fn look_up_a_million_at_once() -> String {
    let emails = vec![String::new(); 1_000_000];
    format!("{:?}", find_by_email(&emails).map(|found| found.len()))
}

pub fn flood_log() -> String {
    for number in 0..100_000 {
        log(Level::Info, "flood", &format!("line {number}\nforged=true"));
    }
    "logged".into()
}

pub fn flood_directory() -> String {
    let emails = ["a@example.com".to_owned()];
    for number in 0..100_000 {
        if let Err(error) = find_by_email(&emails) {
            return format!("{number} {error:?}");
        }
    }
    "unlimited".into()
}
