//! Stores that real Java brokers left behind (`compat-tests/golden/stores`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use process::config::FromText;
use serde_json::Value;

use super::*;

/// Java's versions that made golden stores.
pub const VERSIONS: [&str; 2] = ["4.9.7", "5.5.0"];
/// The folder of a golden store.
pub fn golden(version: &str, scenario: &str) -> PathBuf {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat-tests/golden/stores");
    stores.join(version).join(scenario)
}

/// A file of JSON.
pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .unwrap()
}

/// A copy of a store and the configuration that it was made with.
pub fn unpack(version: &str, scenario: &str) -> (Scratch, Value) {
    let golden = golden(version, scenario);
    let manifest = json(&golden.join("manifest.json"));
    let mut scratch = Scratch::default();
    let archive = if scenario == "default" { "store.tar.zst" } else { "store.tar.gz" };
    let unpack = if scenario == "default" { "zstd -d --long=27" } else { "gzip -d" };
    let done = Command::new("tar")
        .args(["-x", "-S", "--no-same-owner", "-I", unpack, "-f"])
        .arg(golden.join(archive))
        .current_dir(scratch.dir.path())
        .status()
        .unwrap();
    assert!(done.success(), "cannot unpack {version}/{scenario}");
    let conf = &manifest["brokerConf"];
    let number = |key: &str| conf[key].as_str().map(|text| text.parse::<u64>().unwrap());
    let java = MessageStoreConfig::of_defaults();
    let config = &mut scratch.config;
    config.mapped_file_size_commit_log_bytes =
        number("mappedFileSizeCommitLog").unwrap_or(java.mapped_file_size_commit_log_bytes);
    config.mapped_file_size_consume_queue_bytes =
        number("mappedFileSizeConsumeQueue").unwrap_or(java.mapped_file_size_consume_queue_bytes);
    config.max_hash_slot_num =
        number("maxHashSlotNum").map_or(java.max_hash_slot_num, |slots| slots as usize);
    config.max_index_num = number("maxIndexNum").map_or(java.max_index_num, |entries| entries as usize);
    config.mapper_file_size_batch_consume_queue_bytes =
        number("mapperFileSizeBatchConsumeQueue").unwrap_or(java.mapper_file_size_batch_consume_queue_bytes);
    scratch.surroundings.batch_topics = batch_topics(&manifest);
    config.enable_lmq = conf["enableLmq"] == "true";
    config.enable_multi_dispatch = conf["enableMultiDispatch"] == "true";
    config.enable_consume_queue_ext = conf["enableConsumeQueueExt"] == "true";
    config.mapped_file_size_consume_queue_ext_bytes =
        number("mappedFileSizeConsumeQueueExt").unwrap_or(java.mapped_file_size_consume_queue_ext_bytes);
    if let Some(levels) = conf["messageDelayLevel"].as_str() {
        config.message_delay_level = DelayLevels::from_text(Some(levels)).unwrap();
    }
    (scratch, manifest)
}

fn batch_topics(manifest: &Value) -> BatchTopics {
    let topics = manifest["topics"].clone();
    BatchTopics::new(move |topic| topics[topic]["attributes"]["queue.type"] == "BatchCQ")
}

/// Does what one of a variant's `ops` says.
pub fn damage(root: &Path, op: &Value) {
    let path = root.join(op["path"].as_str().unwrap());
    let at = || op["offset"].as_u64().unwrap() as usize;
    let overwrite = |with: &[u8]| {
        let mut bytes = fs::read(&path).unwrap();
        bytes[at()..at() + with.len()].copy_from_slice(with);
        fs::write(&path, bytes).unwrap();
    };
    match op["op"].as_str().unwrap() {
        "zero" => overwrite(&vec![0; op["length"].as_u64().unwrap() as usize]),
        "write" => {
            let hex = op["hex"].as_str().unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            overwrite(&(0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>());
        }
        "delete" if path.is_dir() => fs::remove_dir_all(&path).unwrap(),
        "delete" => fs::remove_file(&path).unwrap(),
        other => panic!("{other}"),
    }
}
