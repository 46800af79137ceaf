#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::wit_boundary::run(data));
