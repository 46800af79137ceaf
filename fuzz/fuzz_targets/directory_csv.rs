#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::directory_csv::run(data));
