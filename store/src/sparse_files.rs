//! The files of one queue: mapped on use, full of holes, disk blocks reserved before each write.
//!
//! A broker may have 100,000 queues: at most [`Mappings`] files of all of them are mapped at once, and no descriptor stays
//! open. One thread at a time writes, anyone reads.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::Mutex;

use super::disk::{Disk, Reserve, changed_ns};
use super::entries::Entries;
use super::error::{AccessError, OpenError};
use super::file_queue::file_starts;
use super::layout;
use super::mapped_file::{MappedFile, PAGE_BYTES};
use super::probe::Entry;

/// Disk blocks are reserved in steps that grow with the file from one page to this many bytes: a full disk shows when
/// reserving, and not in the middle of a write.
const RESERVE_STEP_BYTES_MAX: i64 = 64 << 10;

/// Of loading, at most: it waits for the disk more than for the processor.
const LOAD_THREADS: usize = 4;
/// Of a queue with more files, listing their directory is less work than to look at each.
const NOTED_FILES_MAX: i64 = 4;

/// What the queues of one kind share.
#[derive(Debug)]
pub struct SparseDir {
    /// `consumequeue` or the like under the store's root.
    pub path: PathBuf,
    pub file_bytes: i64,
    pub disk: Disk,
    /// One for all kinds.
    pub mappings: Arc<Mappings>,
}

/// Positions are in bytes from the queue's first byte ever.
#[derive(Debug)]
pub struct SparseFiles {
    topic: Arc<str>,
    queue_id: i32,
    dir: Arc<SparseDir>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the files there are, ascending.
    starts: Vec<i64>,
    mapped: Vec<Arc<MappedFile>>,
    reserved_to: i64,
    flushed_to: i64,
    /// A file was made whose name may not be on disk.
    new_names: bool,
}

impl SparseFiles {
    /// Of a queue without files; see [`Self::load`].
    pub fn new(dir: Arc<SparseDir>, topic: Arc<str>, queue_id: i32) -> Arc<Self> {
        Arc::new(Self { topic, queue_id, dir, state: Mutex::default() })
    }

    /// Finds the files there are and returns their starts, ascending.
    pub fn load(&self) -> Result<Vec<i64>, OpenError> {
        let starts = file_starts(self.disk(), &self.dir_path(), self.file_bytes() as u64)?;
        self.state.lock().starts.clone_from(&starts);
        Ok(starts)
    }

    /// As [`load`](Self::load) where the files are known from the first to the one before `end`, and when the last was changed. False,
    /// and nothing is loaded, if one is not there, the last is another, or it would be more work.
    pub fn load_as_noted(&self, first: i64, end: i64, last_changed_ns: i64) -> bool {
        let file_bytes = self.file_bytes();
        if first % file_bytes != 0 || end <= first || end - first > NOTED_FILES_MAX * file_bytes {
            return false;
        }
        let starts: Vec<_> = (first..end).step_by(file_bytes as usize).collect();
        let is_as_noted = |start: i64| {
            self.disk().metadata(&self.file_path(start)).is_ok_and(|metadata| {
                let is_last = start + file_bytes >= end;
                metadata.len() == file_bytes as u64 && (!is_last || changed_ns(&metadata) == last_changed_ns)
            })
        };
        if last_changed_ns == 0 || !starts.iter().all(|start| is_as_noted(*start)) {
            return false;
        }
        let mut state = self.state.lock();
        (state.reserved_to, state.flushed_to) = (end, end);
        state.starts = starts;
        true
    }

    /// When the last file was changed last, in nanoseconds since the epoch; 0: not known.
    pub fn last_changed_ns(&self) -> i64 {
        let last = self.state.lock().starts.last().copied();
        let metadata = last.and_then(|start| self.disk().metadata(&self.file_path(start)).ok());
        metadata.map_or(0, |metadata| changed_ns(&metadata))
    }

    pub fn disk(&self) -> &Disk {
        &self.dir.disk
    }

    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub fn queue_id(&self) -> i32 {
        self.queue_id
    }

    pub fn file_bytes(&self) -> i64 {
        self.dir.file_bytes
    }

    pub fn starts(&self) -> Vec<i64> {
        self.state.lock().starts.clone()
    }

    pub fn first(&self) -> Option<i64> {
        self.state.lock().starts.first().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.state.lock().starts.is_empty()
    }

    /// Start of the file that holds a position.
    pub fn floor(&self, position: i64) -> i64 {
        position - position % self.file_bytes()
    }

    pub fn file_path(&self, start: i64) -> PathBuf {
        self.dir_path().join(layout::file_name(start))
    }

    fn dir_path(&self) -> PathBuf {
        self.dir.path.join(&*self.topic).join(self.queue_id.to_string())
    }

    /// Writes bytes that lie in one file, behind all that was written; makes the file if need be.
    pub fn write(self: &Arc<Self>, position: i64, bytes: &[u8]) -> io::Result<()> {
        let start = self.floor(position);
        let file = match self.mapped(start)? {
            Some(file) => file,
            None => self.make_file(start)?,
        };
        self.reserve(&file, position, bytes.len() as i64)?;
        Ok(file.write((position - start) as usize, bytes)?)
    }

    fn make_file(self: &Arc<Self>, start: i64) -> io::Result<Arc<MappedFile>> {
        self.disk().create_dir_unsynced(&self.dir_path())?;
        let bytes = self.file_bytes() as usize;
        let file = MappedFile::create(self.disk(), &self.file_path(start), start, bytes, Reserve::Nothing)?;
        let file = Arc::new(file);
        let mut state = self.state.lock();
        state.starts.push(start);
        state.mapped.push(Arc::clone(&file));
        state.reserved_to = start;
        state.new_names = true;
        if state.starts.len() == 1 {
            state.flushed_to = start;
        }
        drop(state);
        self.dir.mappings.opened(self, start);
        Ok(file)
    }

    fn reserve(&self, file: &MappedFile, position: i64, bytes: i64) -> io::Result<()> {
        let mut state = self.state.lock();
        if position + bytes <= state.reserved_to {
            return Ok(());
        }
        let start = self.floor(position);
        let from = state.reserved_to.max(start) - start;
        let step = from.clamp(PAGE_BYTES as i64, RESERVE_STEP_BYTES_MAX);
        // What is written may lie across a page's end. Whole pages, for the reason that `Tail::reserve` gives.
        let until = (from + step).max(position - start + bytes) as usize;
        let until = (until.next_multiple_of(PAGE_BYTES) as i64).min(self.file_bytes());
        file.reserve(from as usize..until as usize)?;
        state.reserved_to = start + until;
        Ok(())
    }

    /// The file that starts at `start`, mapped if it was not; `None` if there is no such file.
    pub fn mapped(self: &Arc<Self>, start: i64) -> io::Result<Option<Arc<MappedFile>>> {
        let mut state = self.state.lock();
        if let Some(file) = state.mapped.iter().find(|file| file.start() == start) {
            return Ok(Some(Arc::clone(file)));
        }
        if state.starts.binary_search(&start).is_err() {
            return Ok(None);
        }
        let path = self.file_path(start);
        let file = Arc::new(MappedFile::open(self.disk(), &path, start)?);
        if file.len() as i64 != self.file_bytes() {
            let why = format!("the file was cut behind it, of {} bytes", self.file_bytes());
            return Err(AccessError::new(&path, file.len() as u64, why).into());
        }
        state.mapped.push(Arc::clone(&file));
        drop(state);
        self.dir.mappings.opened(self, start);
        Ok(Some(file))
    }

    /// The file that holds a position, mapped, and the place in it. `None` if there is no such file.
    pub fn locate(self: &Arc<Self>, position: i64) -> Result<Option<(Arc<MappedFile>, usize)>, AccessError> {
        let start = self.floor(position);
        let at = (position - start) as usize;
        match self.mapped(start) {
            Ok(file) => Ok(file.map(|file| (file, at))),
            Err(error) => Err(AccessError::of(&self.file_path(start), at as u64, error)),
        }
    }

    /// The entry at a position. `None` if there is no such file.
    pub fn entry<E: Entry>(self: &Arc<Self>, position: i64) -> Result<Option<E>, AccessError> {
        let Some((file, at)) = self.locate(position)? else { return Ok(None) };
        Entries::new(file, at, at + E::BYTES).next().transpose()
    }

    fn unmap(&self, start: i64) {
        self.state.lock().mapped.retain(|file| file.start() != start);
    }

    /// Makes `end` the end: removes later files, and with `cleared` what may stand behind it in its file.
    pub fn end_at(&self, end: i64, cleared: bool) -> Result<(), OpenError> {
        let mut state = self.state.lock();
        while let Some(&last) = state.starts.last().filter(|&&start| start > end || (start == end && cleared))
        {
            let path = self.file_path(last);
            self.disk().remove_file(&path).map_err(OpenError::io(path))?;
            state.starts.pop();
            state.mapped.retain(|file| file.start() != last);
        }
        if let Some(&last) = state.starts.last()
            && cleared
            && end < last + self.file_bytes()
        {
            let path = self.file_path(last);
            let at = (end - last) as usize;
            self.disk()
                .zero(&path, at, self.file_bytes() as usize - at, Reserve::Nothing)
                .map_err(OpenError::io(path))?;
        }
        // What lies before is reserved by having been written, but for the page at the end.
        state.reserved_to = end;
        state.flushed_to = end;
        Ok(())
    }

    /// Removes the files before the one that starts at `kept_start`, never the last, and says how many it removed.
    /// Nobody may look for what they hold any more.
    pub fn remove_before(&self, kept_start: i64) -> io::Result<usize> {
        let removed: Vec<_> = {
            let mut state = self.state.lock();
            let others = state.starts.len().saturating_sub(1);
            let count = state.starts[..others].iter().take_while(|&&start| start < kept_start).count();
            state.mapped.retain(|file| file.start() >= kept_start);
            state.flushed_to = state.flushed_to.max(state.starts.get(count).copied().unwrap_or(0));
            state.starts.drain(..count).collect()
        };
        // A file that stays is nobody's until the next start, which tries again. None behind it goes: a gap would be the
        // queue's end for that start.
        removed.iter().try_for_each(|start| self.disk().remove_if_there(&self.file_path(*start)))?;
        Ok(removed.len())
    }

    /// Bytes of the files, holes counted.
    pub fn total_bytes(&self) -> u64 {
        self.state.lock().starts.len() as u64 * self.file_bytes() as u64
    }

    /// Fills `bytes` without mapping the file: one look into each of 100,000 queues must not push out the mappings that are
    /// in use. False if there is no such file.
    pub fn peek(&self, position: i64, bytes: &mut [u8]) -> Result<bool, AccessError> {
        let start = self.floor(position);
        let at = (position - start) as usize;
        let mapped = self.state.lock().mapped.iter().find(|file| file.start() == start).cloned();
        if let Some(file) = mapped {
            return file.read(at, bytes).map(|()| true);
        }
        let path = self.file_path(start);
        let read = self.disk().open_to_read(&path).and_then(|file| file.read_exact_at(bytes, at as u64));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true).map_err(|error| AccessError::of(&path, at as u64, error)),
        }
    }

    /// Brings everything before `until` to disk.
    pub fn flush(self: &Arc<Self>, until: i64) -> io::Result<()> {
        let (mut from, new_names) = {
            let state = self.state.lock();
            (state.flushed_to, state.new_names)
        };
        while from < until {
            let start = self.floor(from);
            let end = until.min(start + self.file_bytes());
            if let Some(file) = self.mapped(start)? {
                file.sync((from - start) as usize, (end - from) as usize)?;
            }
            from = end;
        }
        if new_names {
            self.sync_names()?;
        }
        self.note_flushed(until);
        Ok(())
    }

    /// Brings to disk that there is nothing behind [the end](Self::end_at).
    pub fn sync_end(&self) -> io::Result<()> {
        let last = self.state.lock().starts.last().copied();
        if let Some(path) = last.map(|start| self.file_path(start)) {
            self.disk().sync(&self.disk().open(&path)?, &path)?;
        }
        if self.dir_path().is_dir() { self.sync_names() } else { Ok(()) }
    }

    /// After the files: a name without its content would be an empty file.
    fn sync_names(&self) -> io::Result<()> {
        let root = self.dir.path.parent().unwrap_or(&self.dir.path);
        self.dir_path()
            .ancestors()
            .take_while(|dir| dir.starts_with(root))
            .try_for_each(|dir| self.disk().sync_dir(dir))
    }

    /// Everything before `until`, and the names of the files, are on disk.
    pub fn note_flushed(&self, until: i64) {
        let mut state = self.state.lock();
        state.flushed_to = state.flushed_to.max(until);
        state.new_names &= state.starts.last().is_some_and(|&last| last >= state.flushed_to);
    }

    /// Pages before `until` that are not on disk; 0: there are none.
    pub fn dirty_pages(&self, until: i64) -> u64 {
        let page = PAGE_BYTES as i64;
        let from = self.state.lock().flushed_to;
        if from < until { ((until - 1) / page - from / page + 1) as u64 } else { 0 }
    }

    /// Removes the files. Whoever reads them right now keeps what it has.
    pub fn destroy(&self) -> io::Result<()> {
        *self.state.lock() = State::default();
        self.disk().remove_dir_all(&self.dir_path())?;
        // The topic's directory: empty by now unless it has other queues or something foreign in it.
        let _ = self.dir_path().parent().map(|dir| self.disk().remove_empty_dir(dir));
        Ok(())
    }
}

/// Which files are mapped; lets the one mapped longest ago go when there are too many.
#[derive(Debug)]
pub struct Mappings {
    max: usize,
    open: Mutex<VecDeque<(Weak<SparseFiles>, i64)>>,
}

impl Mappings {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default() })
    }

    fn opened(&self, files: &Arc<SparseFiles>, start: i64) {
        let mut open = self.open.lock();
        open.push_back((Arc::downgrade(files), start));
        let oldest = if open.len() > self.max { open.pop_front() } else { None };
        drop(open);
        if let Some((files, start)) = oldest
            && let Some(files) = files.upgrade()
        {
            files.unmap(start);
        }
    }
}

/// Names of the directories in a directory; none if it is missing.
fn directory_names(disk: &Disk, dir: &Path) -> Result<Vec<String>, OpenError> {
    let mut names = Vec::new();
    for entry in disk.entries(dir).map_err(OpenError::io(dir))? {
        if entry.file_type().map_err(OpenError::io(dir))?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// The queues, topic and id, that have a directory.
pub fn queue_directories(dir: &SparseDir) -> Result<Vec<(String, i32)>, OpenError> {
    let queues_of = |topic: &String| {
        let ids = directory_names(&dir.disk, &dir.path.join(topic))?;
        Ok(ids.iter().filter_map(|id| Some((topic.clone(), id.parse().ok()?))).collect::<Vec<_>>())
    };
    let queues = in_parallel(&directory_names(&dir.disk, &dir.path)?, queues_of)?;
    Ok(queues.into_iter().flatten().collect())
}

/// Does `work` on each of the items, of which there may be 100,000, and returns the results in their order.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, OpenError> + Sync,
) -> Result<Vec<R>, OpenError> {
    let share = items.len().div_ceil(LOAD_THREADS).max(1);
    let work = |items: &[T]| items.iter().map(&work).collect::<Result<Vec<_>, OpenError>>();
    thread::scope(|scope| {
        let threads: Vec<_> = items.chunks(share).map(|share| scope.spawn(|| work(share))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        Ok(joined.collect::<Result<Vec<_>, OpenError>>()?.into_iter().flatten().collect())
    })
}
