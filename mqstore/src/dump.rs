//! `mqstore dump`: what stands in the files, one line an item.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use message::{StoredMessage, crc32, property};
use process::printable::{printable, printable_lines};

use super::checkpoint;
use super::index::IndexReader;
use super::log::{self, Fault, Found, Visitor};
use super::report::Report;
use super::source;
use super::stat::time;
use super::tree::{FileSeq, Options, SeqFile, Tree};
use store::layout::{BATCH_QUEUE_ENTRY_BYTES, BatchQueueEntry, QUEUE_ENTRY_BYTES, QueueEntry};

/// Tables longer than this are not printed.
const TABLE_BYTES_MAX: u64 = 1 << 30;

/// Which files are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Records of the log.
    Log,
    /// Entries of queues.
    Queue,
    /// Entries of the index.
    Index,
    /// The checkpoint.
    Checkpoint,
    /// The tables under `config/`.
    Config,
}

impl What {
    /// The words of the command line, in the order of the variants.
    pub const NAMES: [&'static str; 5] = ["log", "queue", "index", "checkpoint", "config"];

    /// By its word.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Log, Self::Queue, Self::Index, Self::Checkpoint, Self::Config];
        all.into_iter().zip(Self::NAMES).find(|pair| pair.1 == name).map(|pair| pair.0)
    }
}

/// Which items are printed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Of this topic alone.
    pub topic: Option<String>,
    /// Of queues with this id alone.
    pub queue_id: Option<i32>,
    /// Physical offset in log and index, queue offset in queues.
    pub from: i64,
    /// Items, at most.
    pub count: u64,
    /// Bodies in full.
    pub body: bool,
}

impl Wanted {
    fn has(&self, topic: &str, queue_id: i32) -> bool {
        self.topic.as_deref().is_none_or(|wanted| wanted == topic)
            && self.queue_id.is_none_or(|wanted| wanted == queue_id)
    }
}

/// Prints to `out`. Where that fails, the error is `Failed::Output`.
pub fn dump(
    root: &Path,
    options: &Options,
    what: What,
    wanted: &Wanted,
    out: &mut dyn Write,
) -> Result<(), Failed> {
    let mut report = Report::new(0);
    let tree = Tree::read(root, options, &mut report)?;
    match what {
        What::Log => dump_log(&tree, wanted, out),
        What::Queue => dump_queues(&tree, wanted, out),
        What::Index => dump_index(&tree, options, wanted, out),
        What::Checkpoint => dump_checkpoint(&tree, out),
        What::Config => dump_config(&tree, out),
    }
}

/// Which side failed.
#[derive(Debug)]
pub enum Failed {
    Store(io::Error),
    Output(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Store(error)
    }
}

fn put(out: &mut dyn Write, line: &str) -> Result<(), Failed> {
    put_text(out, &printable(line))
}

/// What has lines of its own.
fn put_text(out: &mut dyn Write, text: &str) -> Result<(), Failed> {
    let text = printable_lines(text);
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(Failed::Output)
}

struct Lines<'a> {
    wanted: &'a Wanted,
    left: u64,
    out: &'a mut dyn Write,
    failed: Option<Failed>,
}

impl Visitor for Lines<'_> {
    fn record(&mut self, found: &Found<'_>) -> bool {
        let message = &found.stored.message;
        if found.at < self.wanted.from || !self.wanted.has(&message.topic, message.queue_id) {
            return true;
        }
        self.failed = put(self.out, &record_line(found, self.wanted.body)).err();
        self.left = self.left.saturating_sub(1);
        self.left > 0 && self.failed.is_none()
    }

    fn fault(&mut self, fault: Fault, _: &SeqFile) {
        if self.failed.is_none() {
            self.failed = put(self.out, &format!("damage {fault:?}")).err();
        }
    }
}

fn dump_log(tree: &Tree, wanted: &Wanted, out: &mut dyn Write) -> Result<(), Failed> {
    // Files before the one that holds the first record wanted are left out.
    let from = tree.commit_log.find(wanted.from).map(|file| file.start);
    let mut lines = Lines { wanted, left: wanted.count, out, failed: None };
    if wanted.count > 0 {
        log::walk(&tree.commit_log, from, &mut lines)?;
    }
    lines.failed.map_or(Ok(()), Err)
}

fn record_line(found: &Found<'_>, body: bool) -> String {
    let stored: &StoredMessage<'_> = &found.stored;
    let message = &stored.message;
    let checksum = if stored.body_is_intact() { "" } else { " BAD-CRC" };
    let mut line = format!(
        "{} size={} {}/{}@{} stored={} born={} from={} at={} sysFlag=0x{:x} flag={} reconsumed={} prepared={} body={}b crc={:08x}{checksum}",
        found.at,
        stored.size,
        message.topic,
        message.queue_id,
        stored.queue_offset,
        time(stored.store_timestamp_ms),
        time(message.born_timestamp_ms),
        message.born_host,
        message.store_host,
        message.sys_flag,
        message.flag,
        message.reconsume_times,
        message.prepared_transaction_offset,
        message.body.len(),
        crc32(message.body),
    );
    if stored.physical_offset != found.at {
        let _ = write!(line, " says-at={}", stored.physical_offset);
    }
    for (name, value) in property::iter(&message.properties) {
        let _ = write!(line, " {name}={value:?}");
    }
    if body {
        let _ = write!(line, " body={:?}", String::from_utf8_lossy(message.body));
    }
    line
}

fn dump_queues(tree: &Tree, wanted: &Wanted, out: &mut dyn Write) -> Result<(), Failed> {
    let mut left = wanted.count;
    for ((topic, queue_id), files) in tree.queues.iter().filter(|(key, _)| wanted.has(&key.0, key.1)) {
        let whose = format!("{topic}/{queue_id}");
        each_entry(files, QUEUE_ENTRY_BYTES, wanted.from, &mut left, |offset, bytes| {
            let Some(entry) = QueueEntry::decode(bytes) else { return Ok(()) };
            let (at, size, tags) = (entry.physical_offset, entry.size, entry.tags_code);
            put(out, &format!("{whose}@{offset} at={at} size={size} tags={tags}"))
        })?;
    }
    for ((topic, queue_id), files) in tree.batch_queues.iter().filter(|(key, _)| wanted.has(&key.0, key.1)) {
        each_entry(files, BATCH_QUEUE_ENTRY_BYTES, 0, &mut left, |_, bytes| {
            let Some(batch) = BatchQueueEntry::decode(bytes) else { return Ok(()) };
            if batch.base_offset.saturating_add(i64::from(batch.batch_size)) <= wanted.from {
                return Ok(());
            }
            let (entry, stored) = (batch.entry, time(batch.store_timestamp_ms));
            let line = format!(
                "{topic}/{queue_id}@{} count={} at={} size={} tags={} stored={stored}",
                batch.base_offset, batch.batch_size, entry.physical_offset, entry.size, entry.tags_code
            );
            put(out, &line)
        })?;
    }
    Ok(())
}

/// Each item of a sequence of files that is not all zeros, from item number `from` on.
fn each_entry(
    files: &FileSeq,
    entry_bytes: usize,
    from: i64,
    left: &mut u64,
    mut each: impl FnMut(i64, &[u8]) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let entry_bytes = entry_bytes as u64;
    for file in &files.files {
        let first = file.start / entry_bytes as i64;
        let mut reader = source::Reader::open(&files.path(file), 64 << 10)?;
        let mut place = from.saturating_sub(first).max(0) as u64 * entry_bytes;
        while *left > 0
            && let Some(nonzero) = reader.first_nonzero(place)?
        {
            let index = nonzero / entry_bytes;
            place = (index + 1) * entry_bytes;
            each(
                first.saturating_add_unsigned(index),
                reader.bytes(index * entry_bytes, entry_bytes as usize)?,
            )?;
            *left -= 1;
        }
    }
    Ok(())
}

fn dump_index(tree: &Tree, options: &Options, wanted: &Wanted, out: &mut dyn Write) -> Result<(), Failed> {
    let mut left = wanted.count;
    for (name, _) in &tree.index_files {
        let mut file = match IndexReader::open(tree, name, options)? {
            Ok(file) => file,
            Err(why) => {
                put(out, &format!("index/{name} damage {why}"))?;
                continue;
            }
        };
        let header = file.header;
        let (begin, end) = (time(header.begin_timestamp_ms), time(header.end_timestamp_ms));
        put(
            out,
            &format!(
                "{} slots={} used={} entries={} stored={begin}..{end} at={}..{}",
                file.name,
                file.slots,
                header.used_slots,
                header.count.saturating_sub(1),
                header.begin_offset,
                header.end_offset
            ),
        )?;
        while left > 0
            && let Some((number, entry)) = file.next_entry()?
        {
            if entry.physical_offset < wanted.from {
                continue;
            }
            let (hash, at, seconds, previous) =
                (entry.key_hash, entry.physical_offset, entry.seconds, entry.previous);
            put(
                out,
                &format!("{} #{number} hash={hash} at={at} seconds={seconds} previous={previous}", file.name),
            )?;
            left -= 1;
        }
    }
    Ok(())
}

fn dump_checkpoint(tree: &Tree, out: &mut dyn Write) -> Result<(), Failed> {
    let mut report = Report::new(1);
    let Some(fields) = checkpoint::read(tree, &mut report) else {
        return put_text(out, report.to_text().trim_end());
    };
    for (name, _, value) in checkpoint::named(&fields) {
        let read = if name.ends_with("Timestamp") { format!(" ({})", time(value)) } else { String::new() };
        put(out, &format!("{name}={value}{read}"))?;
    }
    Ok(())
}

fn dump_config(tree: &Tree, out: &mut dyn Write) -> Result<(), Failed> {
    let dir = tree.root.join("config");
    let mut names: Vec<_> = std::fs::read_dir(&dir)?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let path = dir.join(&name);
        let is_text =
            path.is_file() && name != "timercheck" && path.extension().is_none_or(|suffix| suffix != "bak");
        if is_text {
            put(out, &format!("# config/{}", name.to_string_lossy()))?;
            let bytes = source::read_small(&path, TABLE_BYTES_MAX)?;
            put_text(out, &String::from_utf8_lossy(&bytes))?;
        }
    }
    Ok(())
}
