//! What a start of our broker will make of the queues: where it finds each to end, which of them it makes again from the log, and
//! from where on it tells the others. Looks where the start looks (`store`: `probe.rs`, `rebuild.rs`, `recover.rs`), so that both
//! see the same.

use std::collections::HashMap;
use std::fs;
use std::io;

use super::log::Probe;
use super::source;
use super::tree::{self, FileSeq, QueueKey, SeqFile, Tree};
use message::sys_flag;
use store::disk::changed_ns;
use store::layout::checkpoint::Fields;
use store::layout::inventory::{INVENTORY_FILE, Inventory, QueueExtent};
use store::layout::{
    BATCH_QUEUE_ENTRY_BYTES, BatchQueueEntry, LOCK_FILE, QUEUE_ENTRY_BYTES, QueueEntry, ext,
};

/// Files that a start reads from the end (`ConsumeQueue.recover`).
const RECOVERED_FILES: usize = 3;
/// Of a queue with more files a start looks at all.
const NOTED_FILES: i64 = 4;
/// More than the queues of any broker take.
const INVENTORY_BYTES_MAX: u64 = 1 << 30;

/// One queue, as a start will find it.
#[derive(Clone, Copy, Debug)]
pub struct QueueOutlook {
    /// Where its entries end, in bytes from its first ever.
    pub end: i64,
    /// A record at or behind this place of the log that the queue lacks will be added.
    pub told_from: i64,
    /// Files are missing: it is made again from the log.
    pub is_remade: bool,
}

/// All queues.
pub struct Outlook {
    queues: HashMap<QueueKey, QueueOutlook>,
    /// Records from here on are told to all.
    pub redo_from: i64,
    /// Where the log ended when all queues were noted; -1 if they were not.
    pub noted_end: i64,
}

impl Outlook {
    pub fn new(tree: &Tree, checkpoint: &Fields) -> io::Result<Self> {
        let log_begin = tree.commit_log.files.first().map_or(0, |file| file.start);
        let trusted_to = if tree.has_abort { queued_on_disk(tree, checkpoint)? } else { i64::MAX };
        let inventory = inventory(tree);
        let mut found = HashMap::new();
        let simple_bytes = common_size(&tree.queues);
        // After a clean stop it says exactly what there is, but nothing of extensions.
        let exact = inventory.iter().filter(|_| !tree.has_abort && tree.exts.is_empty());
        let noted: HashMap<_, _> = exact
            .flat_map(|inventory| &inventory.queues)
            .filter(|queue| !queue.is_batch)
            .map(|queue| ((&*queue.topic, queue.queue_id), queue))
            .collect();
        for (key, files) in &tree.queues {
            let as_noted = match noted.get(&(&*key.0, key.1)) {
                Some(noted) => load_as_noted(files, simple_bytes, noted)?,
                None => None,
            };
            let loaded = match as_noted {
                Some(loaded) => loaded,
                None => Kind::Simple.load(files, simple_bytes, trusted_to, tree.exts.get(key))?,
            };
            found.insert(key.clone(), loaded);
        }
        for (key, files) in &tree.batch_queues {
            let loaded = Kind::Batch.load(files, common_size(&tree.batch_queues), trusted_to, None)?;
            found.insert(key.clone(), loaded);
        }
        let mut log_end = -1;
        if let Some(inventory) = &inventory {
            log_end = inventory.log_end;
            for noted in &inventory.queues {
                let none = Loaded { first: i64::MAX, ..Loaded::NONE };
                let loaded = found.entry((noted.topic.clone(), noted.queue_id)).or_insert(none);
                let is_headless = loaded.first > noted.first;
                loaded.is_remade |= is_headless || loaded.max_offset < noted.max_offset;
                if is_headless {
                    loaded.known_to = -1;
                }
            }
        }
        let known_to = found.values().map(|loaded| loaded.known_to).max().unwrap_or(-1);
        let redo_from = match tree.has_abort {
            false => known_to.max(log_end),
            true if found.values().all(|loaded| loaded.known_to < 0 && !loaded.is_remade) => log_begin,
            true => walk_start(tree, checkpoint, trusted_to)?,
        };
        let outlook = |loaded: Loaded| QueueOutlook {
            end: loaded.end,
            told_from: if loaded.is_remade { loaded.known_to } else { loaded.known_to.max(redo_from) },
            is_remade: loaded.is_remade,
        };
        let queues = found.into_iter().map(|(key, loaded)| (key, outlook(loaded))).collect();
        Ok(Self { queues, redo_from, noted_end: log_end })
    }

    pub fn queue(&self, topic: &str, queue_id: i32) -> QueueOutlook {
        let unknown = QueueOutlook { end: 0, told_from: self.redo_from, is_remade: false };
        self.queues.get(&(topic.to_owned(), queue_id)).copied().unwrap_or(unknown)
    }
}

fn common_size(queues: &std::collections::BTreeMap<QueueKey, FileSeq>) -> i64 {
    tree::common_size(queues.values().flat_map(|files| files.files.iter().map(|file| file.bytes))) as i64
}

/// What the last stop noted, if no Java broker was at work since.
fn inventory(tree: &Tree) -> Option<Inventory> {
    let bytes = source::read_small(&tree.root.join(INVENTORY_FILE), INVENTORY_BYTES_MAX).ok()?;
    let lock_changed_ns = changed_ns(&fs::metadata(tree.root.join(LOCK_FILE)).ok()?);
    Inventory::decode(&bytes).filter(|inventory| inventory.lock_changed_ns == lock_changed_ns)
}

/// A queue with the files that a clean stop noted, the last of them not changed since: a start believes the rest. `None` for
/// another.
fn load_as_noted(files: &FileSeq, file_bytes: i64, noted: &QueueExtent) -> io::Result<Option<Loaded>> {
    let (first, end) = (noted.first, noted.max_offset.saturating_mul(QUEUE_ENTRY_BYTES as i64));
    if file_bytes <= 0 || first % file_bytes != 0 || end <= first || end - first > NOTED_FILES * file_bytes {
        return Ok(None);
    }
    let mut changed = 0;
    for start in (first..end).step_by(file_bytes as usize) {
        let file = files.files.iter().find(|file| file.start == start && file.bytes == file_bytes as u64);
        let Some(file) = file else { return Ok(None) };
        changed = changed_ns(&fs::metadata(files.path(file))?);
    }
    Ok((changed != 0 && changed == noted.changed_ns).then_some(Loaded {
        first,
        end,
        max_offset: noted.max_offset,
        known_to: noted.physical_end,
        is_remade: false,
    }))
}

/// After a crash: entries of messages that start at or before this place are on disk.
fn queued_on_disk(tree: &Tree, checkpoint: &Fields) -> io::Result<i64> {
    let mut probe = Probe::new(&tree.commit_log);
    let noted = checkpoint.logics_physical_offset;
    if noted > 0 && probe.record(noted)?.is_some_and(|record| record.physical_offset == noted) {
        return Ok(noted);
    }
    for file in tree.commit_log.files.iter().rev() {
        if let Some(first) = probe.record(file.start)?
            && first.store_timestamp_ms <= checkpoint.logics_msg_timestamp
            && first.body_is_intact()
        {
            return Ok(file.start);
        }
    }
    Ok(-1)
}

/// After a crash: where the start begins to read the log, and tells all queues.
fn walk_start(tree: &Tree, checkpoint: &Fields, known_to: i64) -> io::Result<i64> {
    let files = &tree.commit_log.files;
    let mut probe = Probe::new(&tree.commit_log);
    let mut first = files.first();
    for file in files.iter().rev().filter(|file| file.start <= known_to) {
        let record = probe.record(file.start)?;
        if record.is_some_and(|record| record.store_timestamp_ms != 0 && record.body_is_intact()) {
            first = Some(file);
            break;
        }
    }
    let Some(file) = first else { return Ok(0) };
    let durable = checkpoint.durable().filter(|at| (file.start..file.end()).contains(at));
    match durable {
        Some(at) if is_in_queue(tree, &mut probe, at)? => Ok(at),
        _ => Ok(file.start),
    }
}

/// Whether a message is at `at` and its queue points to it.
fn is_in_queue(tree: &Tree, probe: &mut Probe<'_>, at: i64) -> io::Result<bool> {
    let Some(record) = probe.record(at)?.filter(|record| record.physical_offset == at) else {
        return Ok(false);
    };
    let kind = sys_flag::transaction(record.message.sys_flag);
    if kind != sys_flag::TRANSACTION_NOT && kind != sys_flag::TRANSACTION_COMMIT {
        return Ok(true);
    }
    let key = (record.message.topic.to_string(), record.message.queue_id);
    let Some(files) = tree.queues.get(&key) else { return Ok(tree.batch_queues.contains_key(&key)) };
    let position = record.queue_offset.saturating_mul(QUEUE_ENTRY_BYTES as i64);
    let Some(file) = files.find(position) else { return Ok(false) };
    let entry = Kind::Simple.entry(files, file, position - file.start)?;
    Ok(entry.is_some_and(|entry| entry.at == at))
}

/// What a queue's files hold.
#[derive(Clone, Copy)]
struct Loaded {
    first: i64,
    end: i64,
    max_offset: i64,
    known_to: i64,
    is_remade: bool,
}

impl Loaded {
    const NONE: Self = Self { first: 0, end: 0, max_offset: 0, known_to: -1, is_remade: false };
}

/// An entry of either kind.
struct Entry {
    at: i64,
    physical_end: i64,
    /// Behind its last message, of a batch queue's.
    end_offset: i64,
    tags_code: i64,
}

/// Whether the entry points to no unit of an extension, or to one that is there.
fn has_its_ext(entry: &Entry, ext: Option<&FileSeq>) -> io::Result<bool> {
    if entry.tags_code > ext::ADDRESS_MAX {
        return Ok(true);
    }
    let place = entry.tags_code.wrapping_sub(ext::ADDRESS_BASE);
    let Some((files, file)) = ext.and_then(|files| Some((files, files.find(place)?))) else {
        return Ok(false);
    };
    let mut size = [0; 2];
    let read = source::read_full(&source::open(&files.path(file))?, &mut size, (place - file.start) as u64)?;
    let size = i64::from(i16::from_be_bytes(size));
    Ok(read == 2 && (ext::UNIT_BYTES_MIN as i64..=file.end() - place).contains(&size))
}

/// Kinds of queues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Simple,
    Batch,
}

impl Kind {
    fn entry_bytes(self) -> i64 {
        match self {
            Self::Simple => QUEUE_ENTRY_BYTES as i64,
            Self::Batch => BATCH_QUEUE_ENTRY_BYTES as i64,
        }
    }

    fn decode(self, bytes: &[u8]) -> Option<Entry> {
        let (entry, end_offset) = match self {
            Self::Simple => (QueueEntry::decode(bytes).filter(QueueEntry::is_written)?, 0),
            Self::Batch => {
                let batch = BatchQueueEntry::decode(bytes).filter(BatchQueueEntry::is_written)?;
                (batch.entry, batch.end_offset())
            }
        };
        Some(Entry {
            at: entry.physical_offset,
            physical_end: entry.physical_end(),
            end_offset,
            tags_code: entry.tags_code,
        })
    }

    /// The entry at a place of a file, if one is written there.
    fn entry(self, files: &FileSeq, file: &SeqFile, place: i64) -> io::Result<Option<Entry>> {
        let mut bytes = vec![0; self.entry_bytes() as usize];
        let read = source::read_full(&source::open(&files.path(file))?, &mut bytes, place as u64)?;
        Ok(self.decode(&bytes[..read]))
    }

    /// Finds where the entries end, as a start does that trusts those of messages up to `trusted_to`.
    fn load(
        self,
        files: &FileSeq,
        file_bytes: i64,
        trusted_to: i64,
        ext: Option<&FileSeq>,
    ) -> io::Result<Loaded> {
        let aligned: Vec<_> = files
            .files
            .iter()
            .filter(|file| file_bytes > 0 && file.start % file_bytes == 0 && file.bytes == file_bytes as u64)
            .collect();
        let Some(first) = aligned.first() else { return Ok(Loaded { first: i64::MAX, ..Loaded::NONE }) };
        let is_trusted = |entry: Option<Entry>| entry.is_some_and(|entry| entry.at <= trusted_to);
        let is_next = |pair: &&[&SeqFile]| pair[1].start == pair[0].start + file_bytes;
        let unbroken = 1 + aligned.windows(2).take_while(is_next).count();
        let mut from = unbroken.saturating_sub(RECOVERED_FILES);
        if trusted_to < i64::MAX {
            let mut known = 0;
            for index in (0..unbroken).rev() {
                if is_trusted(self.entry(files, aligned[index], 0)?) {
                    known = index;
                    break;
                }
            }
            from = from.min(known);
        }
        let (mut end, mut last) = (first.start, None);
        for file in &aligned[from..unbroken] {
            let (count, last_here) = self.written_entries(files, file, file_bytes, trusted_to, ext)?;
            (end, last) = (file.start + count * self.entry_bytes(), last_here.or(last));
            if end < file.start + file_bytes - file_bytes % self.entry_bytes() {
                break;
            }
        }
        let mut is_remade = false;
        for file in aligned.iter().filter(|file| file.start >= end) {
            is_remade |= is_trusted(self.entry(files, file, 0)?);
        }
        let max_offset = match self {
            Self::Simple => end / self.entry_bytes(),
            Self::Batch => last.as_ref().map_or(0, |last| last.end_offset),
        };
        let known_to = last.map_or(-1, |last| last.physical_end);
        Ok(Loaded { first: first.start, end, max_offset, known_to, is_remade })
    }

    /// How many entries stand in the file without a gap, and the last of them: trusted ones by looking here and there.
    fn written_entries(
        self,
        files: &FileSeq,
        file: &SeqFile,
        file_bytes: i64,
        trusted_to: i64,
        ext: Option<&FileSeq>,
    ) -> io::Result<(i64, Option<Entry>)> {
        let all = file_bytes / self.entry_bytes();
        let at = |index: i64| self.entry(files, file, index * self.entry_bytes());
        let is_trusted = |index: i64| io::Result::Ok(at(index)?.is_some_and(|entry| entry.at <= trusted_to));
        let (mut low, mut step) = (0, 1);
        while low + step <= all && is_trusted(low + step - 1)? {
            low += step;
            step *= 2;
        }
        let mut high = (low + step).min(all + 1) - 1;
        while low < high {
            let middle = low + (high - low) / 2;
            if is_trusted(middle)? { low = middle + 1 } else { high = middle }
        }
        while low < all
            && let Some(entry) = at(low)?
            && has_its_ext(&entry, ext)?
        {
            low += 1;
        }
        let last = if low > 0 { at(low - 1)? } else { None };
        Ok((low, last))
    }
}
