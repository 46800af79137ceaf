#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::toggl_answer::run(data));
