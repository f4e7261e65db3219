//! A sequence of files of one size, each named by the offset at which it starts (`MappedFileQueue`).

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use tracing::warn;

use super::disk::Disk;
use super::error::OpenError;
use super::layout;
use super::mapped_file::LogFile;
use super::roots::Roots;

/// A file is copied in pieces of so many bytes.
const COPIED_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub struct FileQueue {
    disk: Disk,
    roots: Roots,
    file_bytes: usize,
    files: RwLock<VecDeque<Arc<LogFile>>>,
}

impl FileQueue {
    /// Maps the files of all directories. Refuses files of another size, as Java does, and two of one start.
    pub fn load(disk: &Disk, roots: Roots, file_bytes: usize) -> Result<Self, OpenError> {
        let mut found = Vec::new();
        // One directory under two names holds each file once.
        for (root, dir) in Roots::distinct(roots.all()) {
            remove_copies(disk, dir);
            found.extend(named_files(disk, dir)?.into_iter().map(|start| (start, root)));
        }
        found.sort_unstable();
        let mut paths: Vec<_> =
            found.iter().map(|&(start, root)| roots.dir(root).join(layout::file_name(start))).collect();
        if let Some(twice) = (1..found.len()).find(|&index| found[index].0 == found[index - 1].0) {
            return Err(OpenError::FileTwice(paths[twice - 1].clone(), paths[twice].clone()));
        }
        check_sizes(disk, &mut paths, file_bytes as u64, false)?;
        let open = |(path, (start, root)): (PathBuf, (i64, u16))| {
            let file = LogFile::open(disk, &path, start).map_err(OpenError::io(path))?;
            Ok(Arc::new(file.in_root(root)))
        };
        let files = paths.into_iter().zip(found).map(open).collect::<Result<_, OpenError>>()?;
        Ok(Self { disk: disk.clone(), roots, file_bytes, files: RwLock::new(files) })
    }

    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Makes the file that starts at `start`, all its blocks reserved and its name on disk; does not add it. A directory that
    /// cannot take it leaves it to the next.
    pub fn create(&self, start: i64) -> io::Result<Arc<LogFile>> {
        let mut failed = io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "every directory is read-only");
        for root in self.roots.for_new_file(start / self.file_bytes as i64) {
            match self.create_in(root, start) {
                Ok(file) => return Ok(Arc::new(file.in_root(root))),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn create_in(&self, root: u16, start: i64) -> io::Result<LogFile> {
        let dir = self.roots.dir(root);
        self.disk.create_dir(dir)?;
        let path = dir.join(layout::file_name(start));
        let file = LogFile::create(&self.disk, &path, start, self.file_bytes)?;
        match self.disk.sync_dir(dir) {
            Ok(()) => Ok(file),
            Err(error) => {
                // Or it would be in the way of the next attempt.
                let _ = self.disk.remove_file(&path);
                Err(error)
            }
        }
    }

    /// Removes a file that was created and not pushed.
    pub fn remove_unused(&self, file: &LogFile) -> io::Result<()> {
        self.disk.remove_file(file.path())
    }

    pub fn push(&self, file: Arc<LogFile>) {
        self.files.write().push_back(file);
    }

    /// The file that holds `offset`.
    pub fn find(&self, offset: i64) -> Option<Arc<LogFile>> {
        let files = self.files.read();
        let first = files.front()?.start();
        let index = offset.checked_sub(first)?.checked_div(self.file_bytes as i64)?;
        let expected = files.get(usize::try_from(index).ok()?);
        let holds =
            |file: &&Arc<LogFile>| (file.start()..file.start() + self.file_bytes as i64).contains(&offset);
        // A file missing in the middle shifts the others.
        expected.filter(holds).or_else(|| files.iter().find(holds)).cloned()
    }

    pub fn first(&self) -> Option<Arc<LogFile>> {
        self.files.read().front().cloned()
    }

    pub fn last(&self) -> Option<Arc<LogFile>> {
        self.files.read().back().cloned()
    }

    pub fn snapshot(&self) -> Vec<Arc<LogFile>> {
        self.files.read().iter().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.files.read().len()
    }

    /// Removes the files that start behind `offset` (`truncateDirtyFiles`).
    pub fn truncate(&self, offset: i64) -> io::Result<()> {
        let mut files = self.files.write();
        while files.back().is_some_and(|file| file.start() > offset) {
            if let Some(file) = files.pop_back() {
                self.disk.remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// Makes a copy of the first `len` bytes of `file`, with zeros to its end and all its blocks, and brings it to disk. Where it
    /// is, for [`replace`](Self::replace).
    pub fn copy(&self, file: &LogFile, len: usize) -> io::Result<PathBuf> {
        let dir = self.roots.dir(file.root()).join(layout::TRUNCATING_DIR);
        self.disk.create_dir_unsynced(&dir)?;
        let path = dir.join(layout::file_name(file.start()));
        self.disk.remove_if_there(&path)?;
        let copied = self.disk.create_new(&path).and_then(|copy| {
            self.disk.resize(&copy, &path, self.file_bytes as u64)?;
            self.disk.reserve(&copy, &path, 0, self.file_bytes)?;
            let mut piece = Vec::new();
            for at in (0..len).step_by(COPIED_BYTES_MAX) {
                piece.clear();
                file.read_to(at, COPIED_BYTES_MAX.min(len - at), &mut piece)?;
                self.disk.write(&copy, &path, &piece, at as u64)?;
            }
            // What a cut file still gives is zeros.
            file.check_length()?;
            self.disk.sync(&copy, &path)
        });
        copied.map(|()| path).inspect_err(|_| remove_copies(&self.disk, self.roots.dir(file.root())))
    }

    /// Puts a copy in the place of its file, on the disk. Who is reading the file keeps it.
    pub fn replace(&self, file: &LogFile, copy: &Path) -> io::Result<()> {
        let replaced = self.disk.rename(copy, file.path());
        replaced.inspect_err(|_| remove_copies(&self.disk, self.roots.dir(file.root())))
    }

    /// What is in the place of a file that was [replaced](Self::replace), with its name on disk.
    pub fn reopen(&self, file: &LogFile) -> io::Result<Arc<LogFile>> {
        let dir = self.roots.dir(file.root());
        self.disk.sync_dir(dir)?;
        remove_copies(&self.disk, dir);
        let replaced = LogFile::open(&self.disk, file.path(), file.start())?;
        Ok(Arc::new(replaced.in_root(file.root())))
    }

    /// Takes the files off the list that have anything behind `offset`, and puts `last` in their place; their names stay on
    /// the disk.
    pub fn take_behind(&self, offset: i64, last: Option<Arc<LogFile>>) -> Vec<Arc<LogFile>> {
        let mut files = self.files.write();
        let kept = files.iter().take_while(|file| file.start() + file.len() as i64 <= offset).count();
        let taken = files.drain(kept..).collect();
        files.extend(last);
        taken
    }

    /// Removes a file that is on no list. Its name stays away, whatever becomes of those before it.
    pub fn remove_taken(&self, file: &LogFile) -> io::Result<()> {
        self.disk.remove_if_there(file.path())?;
        self.sync_name(file)
    }

    /// Brings to disk that there is a file of this name, or none any more.
    pub fn sync_name(&self, file: &LogFile) -> io::Result<()> {
        self.disk.sync_dir(self.roots.dir(file.root()))
    }

    /// Removes the first file. Who is reading it keeps its mapping, and with it the disk blocks, to the end. Waits for the
    /// disk, but holds no lock meanwhile.
    pub fn remove_first(&self) -> io::Result<()> {
        let Some(first) = self.first() else { return Ok(()) };
        self.disk.remove_if_there(first.path())?;
        self.files.write().pop_front();
        // So that a power cut cannot bring it back where later ones, in other directories, stay away.
        self.disk.sync_dir(self.roots.dir(first.root()))
    }
}

/// What a stop in the middle of a truncation leaves behind in a directory of the log.
fn remove_copies(disk: &Disk, dir: &Path) {
    let copies = dir.join(layout::TRUNCATING_DIR);
    if copies.is_dir()
        && let Err(error) = disk.remove_dir_all(&copies)
    {
        warn!(%error, path = %copies.display(), "cannot remove what a truncation has left");
    }
}

/// Start offsets of the files of a queue's directory, ascending; a missing directory has no files. The last files that a
/// crash left empty or short are removed.
pub fn file_starts(disk: &Disk, dir: &Path, file_bytes: u64) -> Result<Vec<i64>, OpenError> {
    let mut starts = named_files(disk, dir)?;
    starts.sort_unstable();
    let mut paths: Vec<_> = starts.iter().map(|&start| dir.join(layout::file_name(start))).collect();
    check_sizes(disk, &mut paths, file_bytes, true)?;
    starts.truncate(paths.len());
    starts.retain(|&start| {
        let is_aligned = start.unsigned_abs().is_multiple_of(file_bytes);
        if !is_aligned {
            warn!(dir = %dir.display(), start, "starts within another file of the queue, left alone");
        }
        is_aligned
    });
    Ok(starts)
}

/// Start offsets of the files of a directory, in no order.
fn named_files(disk: &Disk, dir: &Path) -> Result<Vec<i64>, OpenError> {
    let mut starts = Vec::new();
    for entry in disk.entries(dir).map_err(OpenError::io(dir))? {
        match entry.file_name().to_str().and_then(layout::parse_file_name) {
            Some(start) => starts.push(start),
            None => warn!(path = %entry.path().display(), "not a file of the store, left alone"),
        }
    }
    Ok(starts)
}

/// Refuses a file of another size. What a power cut leaves of the last files is removed, from the disk and from `paths`:
/// empty ones, however many, and of a queue (`is_derived`) also those too short. A queue's entries come again from the log.
fn check_sizes(
    disk: &Disk,
    paths: &mut Vec<PathBuf>,
    file_bytes: u64,
    is_derived: bool,
) -> Result<(), OpenError> {
    let sizes = paths
        .iter()
        .map(|path| Ok(disk.metadata(path).map_err(OpenError::io(path))?.len()))
        .collect::<Result<Vec<_>, OpenError>>()?;
    // Where no file is whole, the files may be right and the configured size wrong.
    let goes_if_short = is_derived && sizes.contains(&file_bytes);
    let is_cut = |bytes: &u64| *bytes == 0 || goes_if_short && *bytes < file_bytes;
    let kept = sizes.iter().rposition(|bytes| !is_cut(bytes)).map_or(0, |last| last + 1);
    if let Some((path, &bytes)) = paths.iter().zip(&sizes[..kept]).find(|(_, bytes)| **bytes != file_bytes) {
        return Err(OpenError::WrongFileSize { path: path.clone(), bytes, expected: file_bytes });
    }
    // The last first: what another stop leaves is such a run again.
    while paths.len() > kept
        && let Some(path) = paths.pop()
    {
        warn!(path = %path.display(), "a last file that a power cut left empty or short is removed");
        disk.remove_file(&path).map_err(OpenError::io(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn roots(dirs: &[&Path]) -> Roots {
        Roots::new(&dirs.iter().map(|dir| dir.to_path_buf()).collect::<Vec<_>>(), &[])
    }

    fn queue_of(starts: &[i64]) -> (tempfile::TempDir, FileQueue) {
        let dir = tempfile::tempdir().unwrap();
        for &start in starts {
            fs::write(dir.path().join(layout::file_name(start)), [0; 100]).unwrap();
        }
        let queue = FileQueue::load(&Disk::real(), roots(&[dir.path()]), 100).unwrap();
        (dir, queue)
    }

    #[test]
    fn finds_the_file_that_holds_an_offset() {
        let (_dir, queue) = queue_of(&[100, 200, 400]);
        let found = |offset| queue.find(offset).map(|file| file.start());
        assert_eq!([99, 100, 199, 200, 299].map(found), [None, Some(100), Some(100), Some(200), Some(200)]);
        assert_eq!([300, 399, 400, 500, -1, i64::MAX].map(found), [None, None, Some(400), None, None, None]);
    }

    #[test]
    fn truncate_and_grow() {
        let (dir, queue) = queue_of(&[0, 100, 200]);
        queue.truncate(100).unwrap();
        assert_eq!(queue.last().unwrap().start(), 100);
        queue.push(queue.create(200).unwrap());
        assert_eq!(FileQueue::load(&Disk::real(), roots(&[dir.path()]), 100).unwrap().snapshot().len(), 3);
    }

    /// A power cut between making files and syncing them leaves their names.
    #[test]
    fn empty_last_files_go_short_ones_of_a_queue_too() {
        let sized = |sizes: &[usize]| {
            let dir = tempfile::tempdir().unwrap();
            for (index, &bytes) in sizes.iter().enumerate() {
                let path = dir.path().join(layout::file_name(index as i64 * 100));
                fs::write(path, vec![0; bytes]).unwrap();
            }
            dir
        };
        let left = |dir: &tempfile::TempDir| fs::read_dir(dir.path()).unwrap().count();
        let log = |dir: &tempfile::TempDir| FileQueue::load(&Disk::real(), roots(&[dir.path()]), 100);
        let dir = sized(&[100, 100, 0, 0, 0, 0, 0, 0]);
        assert_eq!((log(&dir).unwrap().len(), left(&dir)), (2, 2));
        let dir = sized(&[0, 0]);
        assert_eq!((log(&dir).unwrap().len(), left(&dir)), (0, 0));
        // Of the log nothing goes that holds anything, and nothing goes where something is refused.
        for sizes in [&[100, 40, 0][..], &[100, 0, 100, 0], &[40, 0]] {
            let dir = sized(sizes);
            assert!(matches!(log(&dir), Err(OpenError::WrongFileSize { .. })), "{sizes:?}");
            assert_eq!(left(&dir), sizes.len());
        }
        let starts = |dir: &tempfile::TempDir| file_starts(&Disk::real(), dir.path(), 100);
        let dir = sized(&[100, 100, 40, 0, 99, 0]);
        assert_eq!((starts(&dir).unwrap(), left(&dir)), (vec![0, 100], 2));
        // Nor a queue whose files all have the size of another configuration.
        for sizes in [&[40, 40][..], &[40, 0], &[100, 200]] {
            let dir = sized(sizes);
            assert!(matches!(starts(&dir), Err(OpenError::WrongFileSize { .. })), "{sizes:?}");
            assert_eq!(left(&dir), sizes.len());
        }
    }

    #[test]
    fn an_empty_last_file_goes_another_size_is_refused() {
        let (dir, _) = queue_of(&[0]);
        fs::write(dir.path().join(layout::file_name(100)), b"").unwrap();
        fs::write(dir.path().join("readme"), b"").unwrap();
        assert_eq!(file_starts(&Disk::real(), dir.path(), 100).unwrap(), [0]);
        assert!(!dir.path().join(layout::file_name(100)).exists());
        let error = file_starts(&Disk::real(), dir.path(), 200).unwrap_err();
        assert!(matches!(error, OpenError::WrongFileSize { bytes: 100, expected: 200, .. }), "{error}");
        assert_eq!(file_starts(&Disk::real(), &dir.path().join("none"), 100).unwrap(), [0; 0]);
    }

    #[test]
    fn files_of_several_directories_are_one_sequence() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let dirs = [a.path(), &a.path().join("."), b.path()];
        let made = FileQueue::load(&Disk::real(), roots(&dirs), 100).unwrap();
        for start in [0, 100, 200, 300] {
            made.push(made.create(start).unwrap());
        }
        let names = |dir: &Path| file_starts(&Disk::real(), dir, 100).unwrap().len();
        assert_eq!(names(a.path()) + names(b.path()), 4);
        let starts = |queue: &FileQueue| queue.snapshot().iter().map(|file| file.start()).collect::<Vec<_>>();
        let queue = FileQueue::load(&Disk::real(), roots(&dirs), 100).unwrap();
        assert_eq!(starts(&queue), [0, 100, 200, 300]);
        let oldest = queue.first().unwrap();
        queue.remove_first().unwrap();
        assert!(!oldest.path().exists());
        assert_eq!(oldest.read_array(0).unwrap(), [0; 100], "whoever reads it goes on");
        queue.truncate(200).unwrap();
        assert_eq!(starts(&FileQueue::load(&Disk::real(), roots(&dirs), 100).unwrap()), [100, 200]);
        for dir in [a.path(), b.path()] {
            fs::write(dir.join(layout::file_name(500)), [0; 100]).unwrap();
        }
        let error = FileQueue::load(&Disk::real(), roots(&dirs), 100).unwrap_err();
        assert!(matches!(error, OpenError::FileTwice(..)), "{error}");
    }

    #[test]
    fn a_directory_that_cannot_take_a_file_leaves_it_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let blocked = dir.path().join("0");
        fs::write(&blocked, b"no directory").unwrap();
        let queue = FileQueue {
            disk: Disk::real(),
            roots: roots(&[&blocked, &dir.path().join("1")]),
            file_bytes: 100,
            files: RwLock::default(),
        };
        assert_eq!(queue.create(0).unwrap().path(), dir.path().join("1").join(layout::file_name(0)));
    }
}
