//! Finding a queue's end when the store opens, and cutting off what points behind the log's end.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::warn;

use super::{ConsumeQueue, ENTRY_BYTES};
use crate::store::error::OpenError;
use crate::store::file_queue::file_starts;
use crate::store::layout::{QUEUE_ENTRY_BYTES, QueueEntry};
use crate::store::mapped_file::{self, Reserve};

/// Files read from the end, at most, as `ConsumeQueue.recover` does.
const RECOVERED_FILES_MAX: usize = 3;

/// What is known of queue files before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// After a clean stop entries stand without a gap up to the end.
    All,
    /// Entries of messages that start at or before this offset of the log are on disk; behind them anything may be
    /// missing, in any order.
    UpTo(i64),
}

impl ConsumeQueue {
    /// Loads the files of a queue and finds its end.
    pub fn load(&self, trust: Trust) -> Result<(), OpenError> {
        let starts = file_starts(&self.dir_path(), self.dir.file_bytes as u64)?;
        self.files.lock().starts = starts.clone();
        let from = starts.len().saturating_sub(RECOVERED_FILES_MAX);
        let mut end = starts.get(from).copied().unwrap_or(0);
        for &start in &starts[from..] {
            if start != end {
                break;
            }
            let path = self.file_path(start);
            let (count, last) = Probe::open(&path, self.dir.file_bytes)
                .and_then(|mut probe| probe.written_entries(trust))
                .map_err(OpenError::io(path))?;
            end = start + count * ENTRY_BYTES;
            if let Some(last) = last {
                self.max_physical_offset.store(last.physical_end(), Ordering::Release);
            }
            if count * ENTRY_BYTES < self.dir.file_bytes {
                break;
            }
        }
        let cleared = trust != Trust::All;
        self.end_at(end, cleared)
    }

    /// Makes `end` (in bytes) the end: removes later files, and with `cleared` what may stand behind it in its file.
    fn end_at(&self, end: i64, cleared: bool) -> Result<(), OpenError> {
        let mut files = self.files.lock();
        while let Some(&last) = files.starts.last().filter(|&&start| start > end || (start == end && cleared))
        {
            let path = self.file_path(last);
            fs::remove_file(&path).map_err(OpenError::io(path))?;
            files.starts.pop();
            files.mapped.retain(|file| file.start() != last);
        }
        if let Some(&last) = files.starts.last()
            && cleared
            && end < last + self.dir.file_bytes
        {
            let path = self.file_path(last);
            let at = (end - last) as usize;
            mapped_file::zero(&path, at, self.dir.file_bytes as usize - at, Reserve::Nothing)
                .map_err(OpenError::io(path))?;
        }
        // What lies before is reserved by having been written, but for the page at the end.
        files.reserved_to = end;
        files.flushed_to = end;
        drop(files);
        self.max_offset.store(end / ENTRY_BYTES, Ordering::Release);
        Ok(())
    }

    /// Cuts off the entries of messages at `physical_offset` and behind it (`truncateDirtyLogicFiles`).
    pub fn truncate(self: &Arc<Self>, physical_offset: i64) -> Result<(), OpenError> {
        if self.max_physical_offset() <= physical_offset {
            return Ok(());
        }
        let first = self.files.lock().starts.first().map_or(0, |start| start / ENTRY_BYTES);
        let mut end = self.max_offset();
        while end > first && self.physical(end - 1) >= physical_offset {
            end -= 1;
        }
        warn!(
            topic = &*self.topic,
            queue_id = self.queue_id,
            from = self.max_offset(),
            to = end,
            "queue cut off"
        );
        self.end_at(end * ENTRY_BYTES, true)?;
        let last = if end > first { self.raw_entry(end - 1) } else { None };
        self.max_physical_offset.store(last.map_or(-1, |entry| entry.physical_end()), Ordering::Release);
        Ok(())
    }

    fn physical(self: &Arc<Self>, offset: i64) -> i64 {
        self.raw_entry(offset).map_or(i64::MAX, |entry| entry.physical_offset)
    }
}

/// Looks at entries of a file here and there. Reads instead of mapping: 100,000 short-lived mappings cost more, and the
/// threads that load queues would wait for each other.
struct Probe {
    file: File,
    /// Entries that fit the file.
    all: usize,
    block: [u8; BLOCK_BYTES],
    /// Index of the block's first entry.
    block_at: Option<usize>,
}

const BLOCK_ENTRIES: usize = 64;
const BLOCK_BYTES: usize = BLOCK_ENTRIES * QUEUE_ENTRY_BYTES;

impl Probe {
    fn open(path: &Path, file_bytes: i64) -> io::Result<Self> {
        let all = file_bytes as usize / QUEUE_ENTRY_BYTES;
        Ok(Self { file: File::open(path)?, all, block: [0; BLOCK_BYTES], block_at: None })
    }

    /// The entry at `index`, if one is written there.
    fn entry(&mut self, index: usize) -> io::Result<Option<QueueEntry>> {
        let block_at = index - index % BLOCK_ENTRIES;
        if self.block_at != Some(block_at) {
            let bytes = (self.all - block_at).min(BLOCK_ENTRIES) * QUEUE_ENTRY_BYTES;
            self.file.read_exact_at(&mut self.block[..bytes], (block_at * QUEUE_ENTRY_BYTES) as u64)?;
            self.block_at = Some(block_at);
        }
        let entry = QueueEntry::decode(&self.block[(index - block_at) * QUEUE_ENTRY_BYTES..]);
        Ok(entry.filter(QueueEntry::is_written))
    }

    /// How many entries stand in the file without a gap, and the last of them.
    fn written_entries(&mut self, trust: Trust) -> io::Result<(i64, Option<QueueEntry>)> {
        let trusted_to = match trust {
            Trust::All => i64::MAX,
            Trust::UpTo(offset) => offset,
        };
        let mut count = count_leading(self.all, |index| {
            Ok::<_, io::Error>(self.entry(index)?.is_some_and(|entry| entry.physical_offset <= trusted_to))
        })?;
        while count < self.all && self.entry(count)?.is_some() {
            count += 1;
        }
        let last = count.checked_sub(1).map(|last| self.entry(last)).transpose()?;
        Ok((count as i64, last.flatten()))
    }
}

/// How many of `all` items from the first on are `true`, given that no `true` follows a `false`. Looks near the start
/// first: most queues are short, and each place looked at far away costs a read.
fn count_leading<E>(all: usize, mut is_true: impl FnMut(usize) -> Result<bool, E>) -> Result<usize, E> {
    let mut step = 1;
    let mut low = 0;
    while low + step <= all && is_true(low + step - 1)? {
        low += step;
        step *= 2;
    }
    let mut high = (low + step).min(all + 1) - 1;
    while low < high {
        let middle = low + (high - low) / 2;
        if is_true(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

#[test]
fn counting() {
    for all in 0..70 {
        for count in 0..=all {
            assert_eq!(count_leading::<()>(all, |index| Ok(index < count)), Ok(count), "{count} of {all}");
        }
    }
}
