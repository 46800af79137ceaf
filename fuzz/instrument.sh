#!/bin/sh
# Cargo's RUSTC_WRAPPER in `cargo xtask fuzz`. It has libFuzzer's instrumentation put into what is looked
# into, and leaves the engine, the database and the runtime alone: they build as fast as ever, and their
# threads add no noise to the coverage. What is looked into is what Cargo.toml optimises fully.
case " $* " in
*" --crate-name build_script_"*) exec "$@" ;;
*" opt-level=3 "*)
    exec "$@" -Cpasses=sancov-module \
        -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$@" ;;
esac
