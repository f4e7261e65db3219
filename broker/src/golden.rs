//! What real Java brokers wrote to the wire and into their config files, for tests (`compat-tests/golden`).

use std::path::{Path, PathBuf};
use std::process::Command;

pub const VERSIONS: [&str; 2] = ["4.9.7", "5.5.0"];
pub const SCENARIOS: [&str; 4] = ["core", "flow", "ipv6", "crash"];

/// Their folder; its README says what is there.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat-tests/golden")
}

/// What real Java peers wrote to the wire: one whole frame.
pub fn frame(version: &str, lab: &str, name: &str) -> Vec<u8> {
    let path = folder().join("wire").join(version).join(lab).join("frames").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `config/<name>` of a golden store.
pub fn config_file(version: &str, scenario: &str, name: &str) -> Vec<u8> {
    let archive = folder().join("stores").join(version).join(scenario).join("store.tar.gz");
    let member = format!("store/config/{name}");
    let tar = Command::new("tar").arg("-xzOf").arg(&archive).arg(&member).output().unwrap();
    assert!(tar.status.success(), "no {member} in {}", archive.display());
    tar.stdout
}

/// The lines of pretty JSON without what depends on the order of members: Java's is that of its hash maps.
pub fn lines(json: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(json).unwrap();
    let mut lines: Vec<_> = text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect();
    lines.sort();
    lines
}
