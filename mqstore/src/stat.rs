//! `mqstore stat`: what a store holds, in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use process::printable::printable;

use super::checkpoint;
use super::expected::{self, Target};
use super::log::{self, Fault, Found, Visitor};
use super::queue;
use super::report::Report;
use super::table::Tables;
use super::tree::{Options, SeqFile, Tree};
use store::topic_name::is_lmq;

/// Queues told apart; those of further topics are counted as one.
const QUEUES_MAX: usize = 1_000_000;

/// What the log holds of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// Queue offset of the first message.
    min: i64,
    /// That of the last one, plus one.
    max: i64,
    messages: u64,
    /// Of the records.
    bytes: u64,
    first_ms: i64,
    last_ms: i64,
}

#[derive(Default)]
struct Counter {
    queues: BTreeMap<(String, i32), Count>,
    records: u64,
    bytes: u64,
    multi_dispatch: bool,
    faults: u64,
    /// Store time of the first and the last record.
    span_ms: Option<(i64, i64)>,
}

impl Visitor for Counter {
    fn record(&mut self, found: &Found<'_>) -> bool {
        let (stored, bytes) = (&found.stored, found.bytes.len() as u64);
        let now_ms = stored.store_timestamp_ms;
        self.records += 1;
        self.bytes += bytes;
        self.span_ms = Some((self.span_ms.map_or(now_ms, |span| span.0), now_ms));
        for target in expected::targets(stored, self.multi_dispatch) {
            self.count(target, bytes, now_ms);
        }
        true
    }

    fn fault(&mut self, _: Fault, _: &SeqFile) {
        self.faults += 1;
    }
}

impl Counter {
    fn count(&mut self, target: Target<'_>, bytes: u64, now_ms: i64) {
        let key = (target.topic.to_owned(), target.queue_id);
        let key = match self.queues.len() < QUEUES_MAX || self.queues.contains_key(&key) {
            true => key,
            false => ("(others)".to_owned(), -1),
        };
        let offset = target.queue_offset;
        let count =
            self.queues.entry(key).or_insert(Count { min: offset, first_ms: now_ms, ..Count::default() });
        // A topic that was deleted and made again begins at 0 again.
        count.min = if offset < count.max { offset.min(count.min) } else { count.min };
        count.max = offset.saturating_add(1);
        count.messages += 1;
        count.bytes += bytes;
        count.last_ms = now_ms;
    }
}

/// Apparent and allocated bytes of a kind of file.
#[derive(Clone, Copy, Debug, Default)]
struct Space {
    files: u64,
    bytes: u64,
    allocated: u64,
}

/// The text that `mqstore stat` prints.
pub fn stat(root: &Path, options: &Options) -> io::Result<String> {
    let mut report = Report::new(0);
    let tree = Tree::read(root, options, &mut report)?;
    let tables = Tables::read(&tree, &mut report)?;
    let checkpoint = checkpoint::read(&tree, &mut report);
    let multi_dispatch = tree.queues.keys().any(|key| is_lmq(&key.0));
    let mut counter = Counter { multi_dispatch, ..Counter::default() };
    let span = log::walk(&tree.commit_log, None, &mut counter)?;
    let mut text = String::new();
    write_queues(&counter, &mut text);
    write_groups(&counter, &tables, &mut text);
    let _ = writeln!(text, "\nFILES{:>34}{:>18}{:>18}", "files", "bytes", "allocated");
    for (kind, space) in spaces(&tree)? {
        let _ = writeln!(text, "{kind:<30}{:>9}{:>18}{:>18}", space.files, space.bytes, space.allocated);
    }
    let dispatched = queue::last_known(&tree)?;
    let _ = writeln!(
        text,
        "\nlog          {}..{}, {} records, {} bytes",
        span.min, span.end, counter.records, counter.bytes
    );
    if let Some((first_ms, last_ms)) = counter.span_ms {
        let _ = writeln!(text, "stored       {} to {}", time(first_ms), time(last_ms));
    }
    // Prepared transactions are in no queue, so that little may stay behind for good.
    let behind = (span.end - dispatched.max(span.min)).max(0);
    let _ = writeln!(text, "in queues    up to {dispatched}, {behind} bytes behind");
    if let Some(checkpoint) = checkpoint {
        let flushed = time(checkpoint.physic_msg_timestamp);
        let _ = writeln!(text, "flushed      what was stored up to {flushed}, as the checkpoint knows");
    }
    if counter.faults > 0 {
        let _ = writeln!(text, "damaged      in {} places: mqstore check {}", counter.faults, root.display());
    }
    Ok(text)
}

fn write_queues(counter: &Counter, text: &mut String) {
    let _ = writeln!(
        text,
        "{:<40}{:>6}{:>12}{:>12}{:>12}{:>16}  {:<26}last stored",
        "TOPIC", "queue", "min", "max", "messages", "bytes", "first stored"
    );
    for ((topic, queue_id), count) in &counter.queues {
        let topic = printable(topic);
        let _ = writeln!(
            text,
            "{topic:<40}{queue_id:>6}{:>12}{:>12}{:>12}{:>16}  {:<26}{}",
            count.min,
            count.max,
            count.messages,
            count.bytes,
            time(count.first_ms),
            time(count.last_ms)
        );
    }
}

fn write_groups(counter: &Counter, tables: &Tables, text: &mut String) {
    let _ = writeln!(text, "\n{:<40}{:<40}{:>8}{:>12}", "GROUP", "topic", "queues", "lag");
    for (whose, queues) in
        tables.offsets.iter().flatten().flat_map(|table| table.offset_table.iter().flatten())
    {
        let Some((topic, group)) = whose.split_once('@') else { continue };
        let lag: i64 = queues
            .iter()
            .map(|(id, offset)| {
                let max = counter.queues.get(&(topic.to_owned(), *id)).map_or(0, |count| count.max);
                max.saturating_sub(*offset).max(0)
            })
            .fold(0, i64::saturating_add);
        let (group, topic) = (printable(group), printable(topic));
        let _ = writeln!(text, "{group:<40}{topic:<40}{:>8}{lag:>12}", queues.len());
    }
}

/// By the first name below the root.
fn spaces(tree: &Tree) -> io::Result<BTreeMap<String, Space>> {
    let mut spaces = BTreeMap::new();
    for entry in fs::read_dir(&tree.root)? {
        let entry = entry?;
        let space = spaces.entry(entry.file_name().to_string_lossy().into_owned()).or_default();
        add_space(&entry.path(), DEPTH_MAX, space);
    }
    // The log may lie elsewhere.
    for file in &tree.commit_log.files {
        let path = tree.commit_log.path(file);
        if !path.starts_with(&tree.root) {
            add_space(&path, 0, spaces.entry("commitlog".to_owned()).or_default());
        }
    }
    Ok(spaces)
}

/// Folders below each other in a store.
const DEPTH_MAX: usize = 8;

fn add_space(path: &Path, depth_left: usize, space: &mut Space) {
    // What is gone meanwhile takes no space.
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_dir() && depth_left > 0 {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| add_space(&entry.path(), depth_left - 1, space));
    } else if metadata.is_file() {
        space.files += 1;
        space.bytes += metadata.len();
        space.allocated += metadata.blocks() * 512;
    }
}

/// A time as people read it, in UTC.
pub fn time(ms: i64) -> String {
    process::logs::utc(ms)
}
