//! The binary that libFuzzer drives; `FUZZ_TARGET` names the target.

#![no_main]

use std::sync::LazyLock;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names the target");
    fuzz::target(&name).run
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| RUN(data));
