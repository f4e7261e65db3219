//! Stores that real Java brokers left behind.

use std::process::Command;

use serde_json::Value;

use super::*;
use store::testing::golden::{VERSIONS, damage, golden};

const SCENARIOS: [&str; 6] = ["core", "flow", "big", "ipv6", "cqext", "five"];

/// A copy of a store, in `store` below the folder.
pub fn unpack(version: &str, scenario: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new("tar")
        .args(["-x", "-S", "-z", "--no-same-owner", "-f"])
        .arg(golden(version, scenario).join("store.tar.gz"))
        .current_dir(dir.path())
        .status()
        .unwrap();
    assert!(done.success(), "cannot unpack {version}/{scenario}");
    dir
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn javas_stores_are_sound_and_stay_as_they_are() {
    for version in VERSIONS {
        for scenario in SCENARIOS.into_iter().filter(|one| golden(version, one).exists()) {
            let what = format!("{version}/{scenario}");
            let dir = unpack(version, scenario);
            let root = dir.path().join("store");
            let before = traces(&root);
            let conf = fs::read_to_string(dir.path().join("broker.conf")).unwrap();
            // The folders that the file names lie elsewhere.
            let conf: String = conf
                .lines()
                .filter(|line| !line.contains("./store"))
                .map(|line| format!("{line}\n"))
                .collect();
            for report in [checked(&root), check_with(&root, &conf)] {
                let text = report.to_text();
                assert_eq!(report.worst(), Severity::Note, "{what}: {text}");
                assert!(text.lines().count() < 10, "{what}: {text}");
                let records =
                    json(&golden(version, scenario).join("manifest.json"))["state"]["messageCount"].clone();
                assert!(report.facts[0].ends_with(&format!(" {records} records")), "{what}: {text}");
            }
            assert!(traces(&root) == before, "{what}: reading left a trace");
        }
    }
}

/// What each damage of `variants.json` is found as: the worst severity, a kind, and part of the file's name. Notes are not
/// counted.
const VARIANTS: [(&str, Severity, Kind, &str); 18] = [
    ("tail-second-half-zero", Severity::Repair, Kind::Tail, "commitlog/"),
    ("tail-header-only", Severity::Repair, Kind::Tail, "commitlog/"),
    ("tail-size-huge", Severity::Repair, Kind::Tail, "commitlog/"),
    ("tail-size-negative", Severity::Repair, Kind::Tail, "commitlog/"),
    ("tail-bad-magic", Severity::Repair, Kind::Tail, "commitlog/"),
    ("tail-body-bitflip", Severity::Repair, Kind::Checksum, "commitlog/"),
    ("mid-body-bitflip", Severity::Wrong, Kind::Checksum, "commitlog/"),
    ("first-file-body-bitflip", Severity::Wrong, Kind::Checksum, "commitlog/00000000000000000000"),
    ("cq-ahead-of-log", Severity::Repair, Kind::Orphan, "consumequeue/Sh_Flood/"),
    ("cq-tail-lost", Severity::Repair, Kind::Missing, "consumequeue/Sh_Flood/0/"),
    ("cq-all-deleted", Severity::Repair, Kind::Missing, "consumequeue/Sh_Flood/"),
    ("cq-topic-deleted", Severity::Repair, Kind::Missing, "consumequeue/Sh_Flood/"),
    ("index-deleted", Severity::Repair, Kind::IndexMissing, "index"),
    ("checkpoint-deleted", Severity::Repair, Kind::Checkpoint, "checkpoint"),
    ("checkpoint-zero", Severity::Note, Kind::Stop, "abort"),
    ("abort-removed", Severity::Note, Kind::Stop, ""),
    ("last-log-file-deleted", Severity::Wrong, Kind::FileGap, "commitlog/"),
    ("config-deleted", Severity::Wrong, Kind::Json, "config/topics.json"),
];

#[test]
fn every_damage_that_java_recovers_from_is_found() {
    for version in VERSIONS {
        let variants = json(&golden(version, "crash").join("variants.json"));
        for variant in variants.as_array().unwrap() {
            let name = variant["name"].as_str().unwrap();
            let what = format!("{version}/crash/{name}");
            let dir = unpack(version, "crash");
            let root = dir.path().join("store");
            variant["ops"].as_array().unwrap().iter().for_each(|op| damage(&root, op));
            let (_, severity, kind, file) = VARIANTS.iter().find(|one| one.0 == name).unwrap();
            let report = checked(&root);
            let text = report.to_text();
            let mut findings = report.findings();
            assert_eq!(report.worst(), *severity, "{what}: {text}");
            let is_it = |finding: &Finding| {
                finding.severity == *severity && finding.kind == *kind && finding.file.starts_with(file)
            };
            assert!(findings.any(is_it) || name == "abort-removed", "{what}: {text}");
            // Java says where the log ends then; damage in the middle we look behind.
            if *severity == Severity::Repair && *kind == Kind::Tail {
                let end = variant["recovered"]["maxPhyOffset"].as_i64();
                assert!(end.is_none_or(|end| text.contains(&format!("0..{end},"))), "{what}: {text}");
            }
        }
    }
}
