//! The judge before stores of Java's, sound and damaged, and before small ones damaged in every place that matters.

mod damage;
mod golden;
mod hostile;
mod outputs;
mod sound;
mod start;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::*;

pub fn check_with(root: &Path, properties: &str) -> Report {
    let properties = process::properties::Properties::parse(properties.as_bytes()).unwrap();
    check(root, &Options { properties, ..Options::default() }).unwrap()
}

pub fn checked(root: &Path) -> Report {
    check(root, &Options::default()).unwrap()
}

/// Every name below a folder with its size, times and content.
pub fn traces(root: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::metadata(&path).unwrap();
            let mut content = Vec::new();
            match metadata.is_dir() {
                true => dirs.push(path.clone()),
                // The large ones are wheels of zeros.
                false if metadata.len() < 4 << 20 => content = fs::read(&path).unwrap(),
                false => {}
            }
            let changed = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
            let modified = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
            found.insert(path, (metadata.len(), modified, changed, metadata.blocks() as i64, content));
        }
    }
    found
}
