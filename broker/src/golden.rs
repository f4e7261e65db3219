//! Config files that real Java brokers left behind, for tests.

use std::path::Path;
use std::process::Command;

pub const VERSIONS: [&str; 2] = ["4.9.7", "5.5.0"];
pub const SCENARIOS: [&str; 4] = ["core", "flow", "ipv6", "crash"];

/// `config/<name>` of a golden store.
pub fn config_file(version: &str, scenario: &str, name: &str) -> Vec<u8> {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden/stores");
    let archive = stores.join(version).join(scenario).join("store.tar.gz");
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
