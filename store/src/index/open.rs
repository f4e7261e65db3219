//! Loading the files, and finding from where on the log has to be told again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tracing::{error, info, warn};

use super::super::derive::{self, Line};
use super::super::disk::Disk;
use super::super::error::AccessError;
use super::file::{Geometry, IndexFile};
use process::clock::Clock;

use super::{Index, MessageStoreConfig, Named, OpenError, Progress, at};

/// Until the index looks again how far a recovery has come.
const FOLLOW_PAUSE: Duration = Duration::from_millis(1);

/// What is known when a store opens.
pub struct Before {
    /// The last broker stopped as it should.
    pub clean: bool,
    /// `indexMsgTimestamp` of the checkpoint: files that end by then are on disk as a whole.
    pub flushed_until_ms: i64,
    /// Start of the last message that a queue knows, as the last broker left it.
    pub queued_to: Option<i64>,
}

impl Index {
    /// Loads the files that are what they say. What is not, and what comes behind it, is removed: [`catch_up`](Self::catch_up)
    /// makes it anew.
    pub fn load(
        config: &MessageStoreConfig,
        disk: &Disk,
        clock: Clock,
        before: &Before,
    ) -> Result<Self, OpenError> {
        let geometry =
            Geometry::new(config.max_hash_slot_num, config.max_index_num).ok_or(OpenError::FileSize {
                property: "maxHashSlotNum and maxIndexNum: an index file of them",
                bytes: (config.max_hash_slot_num as u64)
                    .saturating_mul(at::SLOT_BYTES as u64)
                    .saturating_add((config.max_index_num as u64).saturating_mul(at::ENTRY_BYTES as u64)),
            })?;
        let index = Self {
            disk: disk.clone(),
            dir: config.index_dir(),
            geometry,
            clock,
            files: RwLock::default(),
            progress: Mutex::new(Progress { last: None, known_to: -1, begun: (-1, 0) }),
        };
        let mut sound = true;
        for name in names(&index.disk, &index.dir)? {
            let path = index.path(name);
            let file = if sound { index.load_file(&path, before) } else { Ok(None) };
            let file = match file {
                Err(error) if is_of_medium(&error) => {
                    error!(%error, "an index file cannot be read");
                    None
                }
                file => file.map_err(OpenError::io(&path))?,
            };
            match file {
                Some(file) => index.files.write().push(Named { name, file: Arc::new(file) }),
                None => {
                    warn!(path = %path.display(), "index file removed, to be rebuilt from the log");
                    index.disk.remove_file(&path).map_err(OpenError::io(&path))?;
                    sound = false;
                }
            }
        }
        index.settle()?;
        Ok(index)
    }

    /// `None` for a file that is not what it says.
    fn load_file(&self, path: &Path, before: &Before) -> io::Result<Option<IndexFile>> {
        let (bytes, expected) = (self.disk.metadata(path)?.len(), self.geometry.file_bytes());
        if bytes != expected as u64 {
            error!(path = %path.display(), bytes, expected, "index file of another size than configured");
            return Ok(None);
        }
        let file = IndexFile::open(&self.disk, path, self.geometry)?;
        let flushed = before.clean || file.header()?.end_timestamp_ms <= before.flushed_until_ms;
        if !flushed && !file.repair()? || !file.is_sound()? {
            error!(path = %path.display(), "index file with a damaged header");
            return Ok(None);
        }
        let follows = match self.files.read().last() {
            Some(before) => file.header()?.begin_offset >= before.file.header()?.end_offset,
            None => true,
        };
        Ok(follows.then_some(file))
    }

    /// After the list of files has changed: the next entry goes to the last.
    fn settle(&self) -> Result<(), AccessError> {
        let mut progress = self.progress.lock();
        let files = self.files.read();
        progress.last = files.last().map(|named| Arc::clone(&named.file));
        progress.known_to = -1;
        progress.begun = (-1, 0);
        for named in files.iter().rev() {
            let header = named.file.header()?;
            if header.count > 1 {
                progress.known_to = header.end_offset;
                break;
            }
        }
        Ok(())
    }

    /// Takes back what is told of messages at `physical_offset` and behind it.
    pub fn truncate(&self, physical_offset: i64) -> Result<(), OpenError> {
        loop {
            let Some(last) = self.files.read().last().cloned() else { break };
            let (header, path) = (last.file.header()?, last.file.path());
            if header.end_offset < physical_offset || header.count == 1 && header.end_offset == 0 {
                break;
            }
            if header.begin_offset < physical_offset {
                last.file.truncate(physical_offset).map_err(OpenError::io(path))?;
                break;
            }
            self.disk.remove_file(path).map_err(OpenError::io(path))?;
            self.files.write().pop();
        }
        Ok(self.settle()?)
    }

    /// Goes through the log behind a recovery that is looking for its end, until that `is_over`. What stands before where
    /// the recovery has come to is in order, so that nothing needs to be taken back; [`catch_up`](Self::catch_up) is to follow.
    pub fn follow(&self, line: &Line<'_>, before: &Before, is_over: &AtomicBool) {
        if !line.config.load().writes_index() || line.log.min_offset() < 0 {
            return;
        }
        // Where the index ends may be a record only once the recovery has been there.
        let known_to = self.progress.lock().known_to;
        while line.log.max_offset() <= known_to.max(0) {
            if is_over.load(Ordering::Acquire) {
                return;
            }
            thread::sleep(FOLLOW_PAUSE);
        }
        let mut from = match self.begin(line, before) {
            Ok(from) => from,
            Err(error) => return error!(%error, "the index does not follow the recovery"),
        };
        loop {
            let (is_last, told_to) = (is_over.load(Ordering::Acquire), from);
            match derive::dispatch_range(line, self, from, line.log.max_offset()) {
                Ok(done) => from = done,
                Err(error) => return error!(%error, from, "the index does not follow the recovery"),
            }
            if from == told_to {
                if is_last {
                    return;
                }
                thread::sleep(FOLLOW_PAUSE);
            }
        }
    }

    /// Brings the index in line with the log, whose end is known now.
    pub fn catch_up(&self, line: &Line<'_>, before: &Before) -> Result<(), OpenError> {
        let end = line.log.max_offset();
        self.truncate(end)?;
        if !line.config.load().writes_index() || line.log.min_offset() < 0 {
            return Ok(());
        }
        let from = self.begin(line, before)?;
        if from >= end {
            return Ok(());
        }
        info!(from, end, "index goes through the log");
        let done = derive::dispatch_range(line, self, from, end).map_err(OpenError::io(&self.dir))?;
        info!(end = done, "index is complete");
        Ok(())
    }

    /// From where on the log has to be told.
    fn begin(&self, line: &Line<'_>, before: &Before) -> Result<i64, OpenError> {
        let begin = line.log.min_offset();
        let (known_to, has_room) = {
            let progress = self.progress.lock();
            let is_full = progress.last.as_ref().map(|last| last.is_full()).transpose()?;
            (progress.known_to, is_full == Some(false))
        };
        // Java makes the next file with the next message, whether that has a key or not: where there is none, it is missing.
        let complete = before.clean && has_room;
        if !complete && known_to >= begin {
            // Of the last message some entries may be missing.
            self.truncate(known_to)?;
        }
        // Queue and index hear of each message together: one that has no key leaves its trace in the queue alone.
        let queued_to = before.queued_to.filter(|_| complete).unwrap_or(-1);
        Ok(match known_to.max(queued_to) {
            from if from < begin => begin,
            from if line.log.is_record(from)? => from,
            from => line.log.floor(from),
        })
    }
}

/// Whether a file would do where this one cannot be read.
fn is_of_medium(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EIO) || error.get_ref().is_some_and(|error| error.is::<AccessError>())
}

/// The names of index files in a directory, ascending; none if it is missing.
fn names(disk: &Disk, dir: &Path) -> Result<Vec<u64>, OpenError> {
    let mut names = Vec::new();
    for entry in disk.entries(dir).map_err(OpenError::io(dir))? {
        let name = entry.file_name();
        let digits = name
            .to_str()
            .filter(|name| name.len() == at::NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|name| name.parse().ok()) {
            Some(name) => names.push(name),
            None => warn!(path = %entry.path().display(), "not an index file, left alone"),
        }
    }
    names.sort_unstable();
    Ok(names)
}
