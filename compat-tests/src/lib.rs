//! The harness of the compatibility tests: starts our servers and Java's, in containers or as plain processes, and asks
//! both the same questions.
//!
//! `COMPAT_PLACE=docker` (the default) needs a Docker daemon and the base image that `./test` makes;
//! `COMPAT_PLACE=process` needs a JDK and runs everything on loopback. Both need the release binaries, Maven and Go.

pub mod client;
pub mod counts;
pub mod dialect;
pub mod differential;
pub mod job;
pub mod lab;
pub mod ledger;
pub mod oracle;
pub mod power;
pub mod record;
pub mod wire;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Asks again and again until there is an answer. Panics with `what` (called then, so it may look around) at the deadline.
pub fn until<T>(wait: Duration, what: impl Fn() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + wait;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {wait:?}: {}", what());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Numbers without a pattern, the same ones for the same seed, which is not 0: Marsaglia's xorshift.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn any(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }
}

/// The checkout's top directory.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_path_buf()
}

/// Cargo's target directory, which is not always `target` of the checkout.
pub fn target() -> PathBuf {
    // A test runs from <target>/<profile>/deps/<name>.
    let exe = std::env::current_exe().expect("a running program has a path");
    exe.ancestors().nth(3).expect("tests run from below the target directory").to_path_buf()
}
