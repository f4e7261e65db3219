//! A sequence of files of one size, each named by the offset at which it starts (`MappedFileQueue`).

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use process::files;
use tracing::warn;

use super::error::OpenError;
use super::layout;
use super::mapped_file::{MappedFile, Reserve};

#[derive(Debug)]
pub struct FileQueue {
    dir: PathBuf,
    file_bytes: usize,
    files: RwLock<VecDeque<Arc<MappedFile>>>,
}

impl FileQueue {
    /// Maps the files of `dir`. Refuses files of another size, as Java does.
    pub fn load(dir: PathBuf, file_bytes: usize) -> Result<Self, OpenError> {
        let mut files = VecDeque::new();
        for start in file_starts(&dir, file_bytes as u64)? {
            let path = dir.join(layout::file_name(start));
            files.push_back(Arc::new(MappedFile::open(&path, start).map_err(OpenError::io(path))?));
        }
        Ok(Self { dir, file_bytes, files: RwLock::new(files) })
    }

    pub fn file_bytes(&self) -> usize {
        self.file_bytes
    }

    pub fn path(&self, start: i64) -> PathBuf {
        self.dir.join(layout::file_name(start))
    }

    /// Makes the file that starts at `start`, all its blocks reserved and its name on disk; does not add it.
    pub fn create(&self, start: i64) -> io::Result<Arc<MappedFile>> {
        create_dir(&self.dir)?;
        let file = MappedFile::create(&self.path(start), start, self.file_bytes, Reserve::All)?;
        sync_dir(&self.dir)?;
        Ok(Arc::new(file))
    }

    pub fn push(&self, file: Arc<MappedFile>) {
        self.files.write().push_back(file);
    }

    /// The file that holds `offset`.
    pub fn find(&self, offset: i64) -> Option<Arc<MappedFile>> {
        let files = self.files.read();
        let first = files.front()?.start();
        let index = offset.checked_sub(first)?.checked_div(self.file_bytes as i64)?;
        let expected = files.get(usize::try_from(index).ok()?);
        let holds =
            |file: &&Arc<MappedFile>| (file.start()..file.start() + self.file_bytes as i64).contains(&offset);
        // A file missing in the middle shifts the others.
        expected.filter(holds).or_else(|| files.iter().find(holds)).cloned()
    }

    pub fn first(&self) -> Option<Arc<MappedFile>> {
        self.files.read().front().cloned()
    }

    pub fn last(&self) -> Option<Arc<MappedFile>> {
        self.files.read().back().cloned()
    }

    pub fn snapshot(&self) -> Vec<Arc<MappedFile>> {
        self.files.read().iter().cloned().collect()
    }

    /// Removes the files that start behind `offset` (`truncateDirtyFiles`).
    pub fn truncate(&self, offset: i64) -> io::Result<()> {
        let mut files = self.files.write();
        while files.back().is_some_and(|file| file.start() > offset) {
            if let Some(file) = files.pop_back() {
                fs::remove_file(self.path(file.start()))?;
            }
        }
        Ok(())
    }
}

/// Start offsets of the files of a directory, ascending. An empty last file, which a crash between making and growing it
/// leaves, is removed; a missing directory has no files.
pub fn file_starts(dir: &Path, file_bytes: u64) -> Result<Vec<i64>, OpenError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(OpenError::io(dir))?,
    };
    let mut starts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(OpenError::io(dir))?;
        match entry.file_name().to_str().and_then(layout::parse_file_name) {
            Some(start) => starts.push(start),
            None => warn!(path = %entry.path().display(), "not a file of the store, left alone"),
        }
    }
    starts.sort_unstable();
    for (index, &start) in starts.iter().enumerate() {
        let path = dir.join(layout::file_name(start));
        let bytes = fs::metadata(&path).map_err(OpenError::io(&path))?.len();
        if bytes == 0 && index == starts.len() - 1 {
            warn!(path = %path.display(), "empty last file removed");
            fs::remove_file(&path).map_err(OpenError::io(path))?;
            starts.pop();
            break;
        }
        if bytes != file_bytes {
            return Err(OpenError::WrongFileSize { path, bytes, expected: file_bytes });
        }
    }
    Ok(starts)
}

/// Makes names that were added to or removed from a directory survive a power cut.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    Ok(files::sync_folder(dir)?)
}

/// Makes a directory and its parents where they are missing; they survive a power cut.
pub fn create_dir(dir: &Path) -> io::Result<()> {
    Ok(files::create_folder(dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(starts: &[i64]) -> (tempfile::TempDir, FileQueue) {
        let dir = tempfile::tempdir().unwrap();
        for &start in starts {
            fs::write(dir.path().join(layout::file_name(start)), [0; 100]).unwrap();
        }
        let queue = FileQueue::load(dir.path().to_owned(), 100).unwrap();
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
        assert_eq!(FileQueue::load(dir.path().to_owned(), 100).unwrap().snapshot().len(), 3);
    }

    #[test]
    fn an_empty_last_file_goes_another_size_is_refused() {
        let (dir, _) = queue_of(&[0]);
        fs::write(dir.path().join(layout::file_name(100)), b"").unwrap();
        fs::write(dir.path().join("readme"), b"").unwrap();
        assert_eq!(file_starts(dir.path(), 100).unwrap(), [0]);
        assert!(!dir.path().join(layout::file_name(100)).exists());
        let error = file_starts(dir.path(), 200).unwrap_err();
        assert!(matches!(error, OpenError::WrongFileSize { bytes: 100, expected: 200, .. }), "{error}");
        assert_eq!(file_starts(&dir.path().join("none"), 100).unwrap(), [0; 0]);
    }
}
