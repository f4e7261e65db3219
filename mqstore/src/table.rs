//! The JSON tables under `config/`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use remoting::json;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::report::{Kind, Report, Severity};
use super::source;
use super::tree::Tree;
use store::topic_name::{SCHEDULE_TOPIC_XXXX, is_lmq};

/// Larger tables are not read: some 10 million offsets.
const TABLE_BYTES_MAX: u64 = 1 << 30;

/// Min and max queue offset of each queue.
pub type Ranges = HashMap<(String, i32), (i64, i64)>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TopicTable {
    topic_config_table: Option<BTreeMap<String, IgnoredAny>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OffsetTable {
    /// `topic@group` to queue id to the next offset to consume.
    pub offset_table: Option<BTreeMap<String, BTreeMap<i32, i64>>>,
    /// `%LMQ%name@group` to the next offset.
    pub lmq_offset_table: Option<BTreeMap<String, i64>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DelayTable {
    offset_table: Option<BTreeMap<i32, i64>>,
}

/// The tables that the messages are held against.
#[derive(Default)]
pub struct Tables {
    pub topics: Option<BTreeMap<String, IgnoredAny>>,
    /// Of [`OFFSET_FILES`].
    pub offsets: [Option<OffsetTable>; 2],
    delays: Option<BTreeMap<i32, i64>>,
    /// Tables lie in RocksDB, which is not read.
    pub in_rocksdb: bool,
}

/// Every broker that has taken a message has written it.
const NEEDED: &str = "topics.json";
/// Where consumers' offsets may be.
pub const OFFSET_FILES: [&str; 2] = ["consumerOffset.json", "lmqConsumerOffset.json"];
/// Files of `config/` that are no JSON: read elsewhere, or RocksDB's.
const NOT_JSON: [&str; 1] = ["timercheck"];
const ROCKSDB_DIRS: [&str; 5] = ["rdb", "metadata", "topics", "consumerOffsets", "subscriptionGroups"];

impl Tables {
    /// Reads every table, and says which cannot be read.
    pub fn read(tree: &Tree, report: &mut Report) -> io::Result<Self> {
        let dir = tree.root.join("config");
        let mut names: Vec<String> = match std::fs::read_dir(&dir) {
            Ok(entries) => {
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        names.sort();
        let in_rocksdb = ROCKSDB_DIRS.iter().any(|name| dir.join(name).is_dir());
        for name in &names {
            let is_backup =
                name.strip_suffix(".bak").is_some_and(|main| names.iter().any(|other| other == main));
            let is_file = dir.join(name).is_file();
            if !is_backup && is_file && !NOT_JSON.contains(&name.as_str()) {
                check_syntax(&dir, name, report);
            }
        }
        let has_messages = !tree.commit_log.files.is_empty();
        let is_there = names.iter().any(|name| name.trim_end_matches(".bak") == NEEDED);
        if has_messages && !is_there && !in_rocksdb {
            report.add(Severity::Wrong, Kind::Json, &format!("config/{NEEDED}"), None, || {
                "is missing, with its backup, over a log that has messages".to_owned()
            });
        }
        let table: Option<TopicTable> = load(&dir, "topics.json");
        let delays: Option<DelayTable> = load(&dir, "delayOffset.json");
        Ok(Self {
            topics: table.and_then(|table| table.topic_config_table),
            // With enableLmq every offset is in the one, without it in the other.
            offsets: OFFSET_FILES.map(|name| load(&dir, name)),
            delays: delays.and_then(|table| table.offset_table),
            in_rocksdb,
        })
    }

    pub fn has_topic(&self, topic: &str) -> bool {
        is_lmq(topic)
            || self.in_rocksdb
            || self.topics.as_ref().is_none_or(|topics| topics.contains_key(topic))
    }

    /// Tables against the queues.
    pub fn check(&self, ranges: &Ranges, report: &mut Report) {
        let mut unknown: Vec<&str> =
            ranges.keys().map(|key| key.0.as_str()).filter(|topic| !self.has_topic(topic)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        for topic in unknown {
            report.add(Severity::Note, Kind::Table, "config/topics.json", None, || {
                format!("{topic} has queues and is not in the table")
            });
        }
        for (name, table) in OFFSET_FILES.iter().zip(&self.offsets) {
            let file = format!("config/{name}");
            let Some(table) = table else { continue };
            for (whose, queues) in table.offset_table.iter().flatten() {
                queues
                    .iter()
                    .for_each(|(id, offset)| check_offset(whose, *id, *offset, ranges, &file, report));
            }
            for (whose, offset) in table.lmq_offset_table.iter().flatten() {
                check_offset(whose, 0, *offset, ranges, &file, report);
            }
        }
        for (level, offset) in self.delays.iter().flatten() {
            let queue_id = level.saturating_sub(1);
            check_offset(SCHEDULE_TOPIC_XXXX, queue_id, *offset, ranges, "config/delayOffset.json", report);
        }
    }
}

/// Notes an offset that lies outside of its queue; brokers put it right at the next pull. `whose` is `topic@group`.
fn check_offset(whose: &str, queue_id: i32, offset: i64, ranges: &Ranges, file: &str, report: &mut Report) {
    let topic = whose.split_once('@').map_or(whose, |(topic, _)| topic);
    let (min, max) = ranges.get(&(topic.to_owned(), queue_id)).copied().unwrap_or_default();
    if offset < 0 || offset > max || (offset < min && max > min) {
        report.add(Severity::Note, Kind::Table, file, None, || {
            format!("{whose} queue {queue_id}: offset {offset}, the queue has {min}..{max}")
        });
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    match source::read_small(path, TABLE_BYTES_MAX) {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => json::from_slice(&bytes).map(Some).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The table, or else its backup, as a start reads it.
fn load<T: DeserializeOwned>(dir: &Path, name: &str) -> Option<T> {
    let main = parse(&dir.join(name)).ok().flatten();
    main.or_else(|| parse(&dir.join(format!("{name}.bak"))).ok().flatten())
}

/// Whether a start can read the table: as what it should hold where that matters, else as JSON.
fn syntax(name: &str, path: &Path) -> Result<bool, String> {
    Ok(match name.trim_end_matches(".bak") {
        "topics.json" => parse::<TopicTable>(path)?.is_some(),
        "consumerOffset.json" | "lmqConsumerOffset.json" => parse::<OffsetTable>(path)?.is_some(),
        "delayOffset.json" => parse::<DelayTable>(path)?.is_some(),
        _ => parse::<IgnoredAny>(path)?.is_some(),
    })
}

fn check_syntax(dir: &Path, name: &str, report: &mut Report) {
    let shown = format!("config/{name}");
    let backup = dir.join(format!("{name}.bak"));
    let backup_serves = syntax(name, &backup);
    let mut add = |severity, file: &str, text: String| report.add(severity, Kind::Json, file, None, || text);
    match (syntax(name, &dir.join(name)), &backup_serves) {
        (Ok(true), _) => {}
        (Ok(false), Ok(false)) => add(Severity::Note, &shown, "is empty".to_owned()),
        (Ok(false), Ok(true)) => add(Severity::Repair, &shown, "is empty, its backup serves".to_owned()),
        (Err(why), Ok(true)) => add(Severity::Repair, &shown, format!("{why}; its backup serves")),
        (Ok(false), Err(_)) => add(Severity::Wrong, &shown, "is empty, its backup cannot be read".to_owned()),
        (Err(why), _) => add(Severity::Wrong, &shown, why),
    }
    if let Err(why) = backup_serves {
        add(Severity::Note, &format!("{shown}.bak"), why);
    }
}
