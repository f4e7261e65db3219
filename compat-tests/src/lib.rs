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

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};

/// From one question to the next: what is there soon is seen soon, and long waits cost the daemon little.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(20);
const ASK_AGAIN_MAX: Duration = Duration::from_millis(200);

/// Asks again and again until there is an answer. Panics with `what` (called then, so it may look around) at the deadline.
pub fn until<T>(wait: Duration, what: impl Fn() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + wait;
    let mut pause = ASK_AGAIN_MIN;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {wait:?}: {}", what());
        thread::sleep(pause);
        pause = (pause * 5 / 4).min(ASK_AGAIN_MAX);
    }
}

/// What `mqstore check` says of a store, and its exit status.
pub fn mqstore_check(store: &Path) -> (i32, String) {
    let output = Command::new(target().join("release/mqstore")).arg("check").arg(store).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

/// Waits until no other test holds this name, in this program or in one that runs beside it; free again when dropped.
pub fn one_at_a_time(name: &str) -> Flock<File> {
    let path = target().join(format!("{name}.lock"));
    let file = File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Flock::lock(file, FlockArg::LockExclusive).unwrap_or_else(|(_, e)| panic!("{}: {e}", path.display()))
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
