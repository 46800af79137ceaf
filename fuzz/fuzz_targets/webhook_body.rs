#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::webhook_body::run(data));
