//! Keeping the processor busy, alone and with the host's help.

use std::hint::black_box;

use crate::wasi::clocks::wall_clock;
use crate::wasi::logging::logging::{Level, log};
use crate::wasi::random::random::get_random_bytes;
use crate::worksights::integration::storage;

pub fn endless_loop() -> String {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}

#[allow(unconditional_recursion, reason = "misbehaviour on purpose")]
pub fn recurse(depth: u64) -> u64 {
    black_box(recurse(depth + 1)) + 1
}

pub fn log_for_ever() -> String {
    let line = "x".repeat(1 << 16);
    loop {
        log(Level::Info, "loop", &line);
    }
}

pub fn draw_for_ever() -> String {
    loop {
        black_box(get_random_bytes(4096));
    }
}

pub fn ask_the_time_for_ever() -> String {
    loop {
        black_box(wall_clock::now());
    }
}

pub fn read_for_ever() -> String {
    loop {
        let _ = black_box(storage::get("attempt"));
    }
}

/// Each list makes the host read and unseal a megabyte.
pub fn list_for_ever() -> String {
    let value = vec![1_u8; 1 << 20];
    let write = storage::Write {
        key: "large".into(),
        value: Some(value),
        expires_at_seconds: None,
    };
    let _ = storage::commit(&[], &[write]);
    loop {
        let _ = black_box(storage::list("", None, 1000));
    }
}
