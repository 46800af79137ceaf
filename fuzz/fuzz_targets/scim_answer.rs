#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzing::scim_answer::run(data));
