#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::allow_list::run(data));
