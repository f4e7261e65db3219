//! Where the entries in a queue's files end, found by reading them here and there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::disk::Disk;
use super::error::OpenError;
use super::layout::{BatchQueueEntry, QueueEntry};
use super::sparse_files::SparseFiles;

/// Files read from the end after a clean stop, at most, as `ConsumeQueue.recover` does.
pub const RECOVERED_FILES_MAX: usize = 3;

/// What is known of queue files before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// After a clean stop entries stand without a gap up to the end.
    All,
    /// Entries of messages that start at or before this offset of the log are on disk; behind them anything may be
    /// missing, in any order.
    UpTo(i64),
}

/// An entry of fixed size.
pub trait Entry: Sized {
    const BYTES: usize;

    /// The entry at the start of `bytes`.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Whether it is one, as opposed to what a file is made of.
    fn is_written(&self) -> bool;

    /// Of its message.
    fn physical_offset(&self) -> i64;
}

impl Entry for QueueEntry {
    const BYTES: usize = super::layout::QUEUE_ENTRY_BYTES;

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes)
    }

    fn is_written(&self) -> bool {
        self.is_written()
    }

    fn physical_offset(&self) -> i64 {
        self.physical_offset
    }
}

impl Entry for BatchQueueEntry {
    const BYTES: usize = super::layout::BATCH_QUEUE_ENTRY_BYTES;

    fn decode(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes)
    }

    fn is_written(&self) -> bool {
        self.is_written()
    }

    fn physical_offset(&self) -> i64 {
        self.entry.physical_offset
    }
}

/// What a queue's files hold.
pub struct Loaded<E> {
    /// Where the entries end, in bytes from the queue's first ever: in one of the last files, or where one is missing.
    pub end: i64,
    /// The last entry, if the files that were read have one.
    pub last: Option<E>,
    /// Entries are missing: behind the end, a file that starts here has some that are trusted.
    pub behind_hole: Option<i64>,
}

/// Loads the files of a queue. For `is_whole` see [`Probe::written_entries`].
pub fn load_entries<E: Entry>(
    files: &SparseFiles,
    trust: Trust,
    is_whole: impl Fn(&E) -> io::Result<bool>,
) -> Result<Loaded<E>, OpenError> {
    let all_starts = files.load()?;
    let is_next = |pair: &&[i64]| pair[1] == pair[0] + files.file_bytes();
    let unbroken = all_starts.len().min(1 + all_starts.windows(2).take_while(is_next).count());
    let starts = &all_starts[..unbroken];
    let from = first_to_read::<E>(files, starts, trust)?;
    let (mut end, mut last) = (starts.get(from).copied().unwrap_or(0), None);
    for &start in &starts[from..] {
        let path = files.file_path(start);
        let (count, last_here) = Probe::open(files.disk(), &path, files.file_bytes())
            .and_then(|mut probe| probe.written_entries(trust, &is_whole))
            .map_err(OpenError::io(path))?;
        let bytes = count * E::BYTES as i64;
        (end, last) = (start + bytes, last_here.or(last));
        if bytes < files.file_bytes() {
            break;
        }
    }
    let mut behind_hole = None;
    for &start in all_starts.iter().rev().take_while(|&&start| start >= end) {
        if behind_hole.is_none() && is_trusted(first_entry::<E>(files, start)?, trust) {
            behind_hole = Some(start);
        }
    }
    Ok(Loaded { end, last, behind_hole })
}

fn first_entry<E: Entry>(files: &SparseFiles, start: i64) -> Result<Option<E>, OpenError> {
    let path = files.file_path(start);
    let first =
        Probe::open(files.disk(), &path, files.file_bytes()).and_then(|mut probe| probe.entry::<E>(0));
    first.map_err(OpenError::io(path))
}

/// Whether an entry is on disk for sure, with all before it.
fn is_trusted(entry: Option<impl Entry>, trust: Trust) -> bool {
    entry.is_some_and(|entry| match trust {
        Trust::All => true,
        Trust::UpTo(offset) => entry.physical_offset() <= offset,
    })
}

/// Which of the files is read first: those before it are whole. After a crash a file may have come to disk without what
/// stands in it, though later ones came with it: Java, which looks at the last three, then loses messages from view.
fn first_to_read<E: Entry>(files: &SparseFiles, starts: &[i64], trust: Trust) -> Result<usize, OpenError> {
    let last_ones = starts.len().saturating_sub(RECOVERED_FILES_MAX);
    if trust == Trust::All {
        return Ok(last_ones);
    }
    for (index, &start) in starts.iter().enumerate().rev() {
        if is_trusted(first_entry::<E>(files, start)?, trust) {
            return Ok(index.min(last_ones));
        }
    }
    Ok(0)
}

/// Looks at entries of a file. Reads instead of mapping: 100,000 short-lived mappings cost more, and the threads that load
/// queues would wait for each other.
struct Probe {
    file: File,
    file_bytes: usize,
    block: [u8; BLOCK_BYTES_MAX],
    /// Index of the block's first entry.
    block_at: Option<usize>,
}

const BLOCK_BYTES_MAX: usize = 1280;

impl Probe {
    fn open(disk: &Disk, path: &Path, file_bytes: i64) -> io::Result<Self> {
        let file_bytes = file_bytes as usize;
        Ok(Self { file: disk.open_to_read(path)?, file_bytes, block: [0; BLOCK_BYTES_MAX], block_at: None })
    }

    /// The entry at `index`, if one is written there.
    fn entry<E: Entry>(&mut self, index: usize) -> io::Result<Option<E>> {
        let block_entries = BLOCK_BYTES_MAX / E::BYTES;
        let block_at = index - index % block_entries;
        if self.block_at != Some(block_at) {
            let bytes = (self.file_bytes / E::BYTES - block_at).min(block_entries) * E::BYTES;
            self.file.read_exact_at(&mut self.block[..bytes], (block_at * E::BYTES) as u64)?;
            self.block_at = Some(block_at);
        }
        Ok(E::decode(&self.block[(index - block_at) * E::BYTES..]).filter(E::is_written))
    }

    /// How many entries stand in the file without a gap, and the last of them. Of those that `trust` does not cover, `is_whole`
    /// says whether they count.
    fn written_entries<E: Entry>(
        &mut self,
        trust: Trust,
        is_whole: impl Fn(&E) -> io::Result<bool>,
    ) -> io::Result<(i64, Option<E>)> {
        let all = self.file_bytes / E::BYTES;
        let trusted_to = match trust {
            Trust::All => i64::MAX,
            Trust::UpTo(offset) => offset,
        };
        let mut count = count_leading(all, |index| {
            Ok::<_, io::Error>(
                self.entry::<E>(index)?.is_some_and(|entry| entry.physical_offset() <= trusted_to),
            )
        })?;
        while count < all
            && let Some(entry) = self.entry::<E>(count)?
            && is_whole(&entry)?
        {
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
