//! What the store asks of file systems: each call that can fail goes through a [`Disk`], so that a test can have it fail.

mod space;

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use nix::fcntl::FallocateFlags;
use process::files;

pub use space::DiskSpace;

/// A kind of call on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskCall {
    /// Opening a file for writing, which may make it.
    Open,
    /// Setting a file's length.
    Resize,
    /// Giving a part of a file its blocks, or taking them from it.
    Allocate,
    /// Writing at a place of a file.
    Write,
    /// Waiting until a file, a mapping, a directory or a file system is on disk.
    Sync,
    /// Making a directory, with its parents where they are missing.
    MakeDir,
    /// Reading a directory, or what it says of a file.
    List,
    /// Removing a file or a directory.
    Remove,
    /// Giving a file another name.
    Rename,
}

type Look = dyn Fn(&Path) -> io::Result<DiskSpace> + Send + Sync;
type Fault = dyn Fn(DiskCall, &Path) -> io::Result<()> + Send + Sync;

/// The disks that a store is on. Tests bring their own sizes and faults.
#[derive(Clone)]
pub struct Disk(Arc<Inner>);

struct Inner {
    look: Arc<Look>,
    fault: Option<Box<Fault>>,
}

impl Disk {
    /// The disks there are, with other sizes.
    pub fn new(look: impl Fn(&Path) -> io::Result<DiskSpace> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { look: Arc::new(look), fault: None }))
    }

    /// The disks there are.
    pub fn real() -> Self {
        Self::new(DiskSpace::of)
    }

    /// These disks, but each call is made only if `fault` says nothing against it.
    #[cfg(any(test, feature = "testing"))]
    pub fn failing(&self, fault: impl Fn(DiskCall, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { look: Arc::clone(&self.0.look), fault: Some(Box::new(fault)) }))
    }

    /// How full the disk is that holds `path`; an error if the path is missing or the disk does not say.
    pub fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        (self.0.look)(path)
    }

    /// The used part of the disk that holds `path`, from 0 to 1; -1 if the path is missing or the disk does not say.
    pub fn used_ratio(&self, path: &Path) -> f64 {
        self.space(path).map_or(-1.0, |space| space.used_ratio())
    }

    /// To be asked before each call.
    fn may(&self, call: DiskCall, path: &Path) -> io::Result<()> {
        self.0.fault.as_ref().map_or(Ok(()), |fault| fault(call, path))
    }
}

/// Files. Each call is an error where the system refuses it. `path` is where the file lies, for tests that make faults.
impl Disk {
    /// Makes a file that must not be there.
    pub fn create_new(&self, path: &Path) -> io::Result<File> {
        self.may(DiskCall::Open, path)?;
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// Opens a file to read and to write it; an error if it is missing.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        self.may(DiskCall::Open, path)?;
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// As [`open`](Self::open), but a missing file is made, empty.
    pub fn open_or_create(&self, path: &Path) -> io::Result<File> {
        self.may(DiskCall::Open, path)?;
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    }

    /// Opens a file for reading only; an error if it is missing.
    pub fn open_to_read(&self, path: &Path) -> io::Result<File> {
        self.may(DiskCall::Open, path)?;
        File::open(path)
    }

    /// All that a file holds; an error if it is missing.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_to_read(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Sets a file's length; what is new of it reads as zeros and has no blocks yet.
    pub fn resize(&self, file: &File, path: &Path, bytes: u64) -> io::Result<()> {
        self.may(DiskCall::Resize, path)?;
        file.set_len(bytes)
    }

    /// Gives a region of a file its blocks; contents and length stay.
    pub fn reserve(&self, file: &File, path: &Path, at: usize, len: usize) -> io::Result<()> {
        self.allocate(file, path, FallocateFlags::FALLOC_FL_KEEP_SIZE, at, len)
    }

    /// Makes a region of a file read as zeros, with blocks for all of it or for none; the length stays.
    pub fn zero(&self, path: &Path, at: usize, len: usize, blocks: Reserve) -> io::Result<()> {
        let file = self.open(path)?;
        let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let punch = || self.allocate(&file, path, FallocateFlags::FALLOC_FL_PUNCH_HOLE | keep, at, len);
        if blocks == Reserve::Nothing {
            return punch();
        }
        match self.allocate(&file, path, FallocateFlags::FALLOC_FL_ZERO_RANGE | keep, at, len) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                punch()?;
                self.reserve(&file, path, at, len)
            }
            other => other,
        }
    }

    fn allocate(
        &self,
        file: &File,
        path: &Path,
        mode: FallocateFlags,
        at: usize,
        len: usize,
    ) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.may(DiskCall::Allocate, path)?;
        loop {
            match nix::fcntl::fallocate(file, mode, at as i64, len as i64) {
                Err(nix::Error::EINTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Writes all of `bytes` from the offset `at` on; after an error a part of them may be there.
    pub fn write(&self, file: &File, path: &Path, bytes: &[u8], at: u64) -> io::Result<()> {
        self.may(DiskCall::Write, path)?;
        file.write_all_at(bytes, at)
    }

    /// Waits until content and length are on disk.
    pub fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.may(DiskCall::Sync, path)?;
        file.sync_all()
    }

    /// As [`sync`](Self::sync), by other means.
    pub fn sync_by(&self, path: &Path, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.may(DiskCall::Sync, path)?;
        sync()
    }

    /// Brings everything of the file system that holds `path` to disk: cheaper than many files one by one.
    pub fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        let file = self.open_to_read(path)?;
        self.sync_by(path, || Ok(nix::unistd::syncfs(&file)?))
    }

    /// Removes a file; an error if it is missing.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.may(DiskCall::Remove, path)?;
        fs::remove_file(path)
    }

    /// As [`remove_file`](Self::remove_file); one that is not there is removed.
    pub fn remove_if_there(&self, path: &Path) -> io::Result<()> {
        match self.remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Gives a file the name of another one, which is gone then, in one step.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.may(DiskCall::Rename, to)?;
        fs::rename(from, to)
    }

    /// Length and times of a file or directory; an error if it is missing.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.may(DiskCall::List, path)?;
        fs::metadata(path)
    }
}

/// When a file was changed last, in nanoseconds since the epoch; 0: before it, or in an age to come.
pub fn changed_ns(metadata: &Metadata) -> i64 {
    let changed = metadata.modified().ok().and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    changed.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// Directories. Each call is an error where the system refuses it.
impl Disk {
    /// Makes a directory and its parents where they are missing; they survive a power cut.
    pub fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.may(DiskCall::MakeDir, dir)?;
        Ok(files::create_folder(dir)?)
    }

    /// As [`create_dir`](Self::create_dir), but whether they survive is up to the caller.
    pub fn create_dir_unsynced(&self, dir: &Path) -> io::Result<()> {
        self.may(DiskCall::MakeDir, dir)?;
        fs::create_dir_all(dir)
    }

    /// Makes names that were added to or removed from a directory survive a power cut.
    pub fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.may(DiskCall::Sync, dir)?;
        Ok(files::sync_folder(dir)?)
    }

    /// What a directory has in it; nothing if it is missing.
    pub fn entries(&self, dir: &Path) -> io::Result<Vec<fs::DirEntry>> {
        self.may(DiskCall::List, dir)?;
        match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed?.collect(),
        }
    }

    /// Removes a directory and what it holds; one that is not there is removed.
    pub fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.may(DiskCall::Remove, dir)?;
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Removes a directory unless it holds something.
    pub fn remove_empty_dir(&self, dir: &Path) -> io::Result<()> {
        self.may(DiskCall::Remove, dir)?;
        fs::remove_dir(dir)
    }
}

/// How much of a file gets disk blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// For the whole region, so that a write to it cannot find the disk full.
    All,
    /// None yet: see [`Disk::reserve`].
    Nothing,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_disk_says_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let space = Disk::real().space(dir.path()).unwrap();
        assert!(space.usable <= space.free && space.free < space.total, "{space:?}");
        assert_eq!(Disk::real().used_ratio(&dir.path().join("none")), -1.0);
    }

    #[test]
    fn zero_keeps_what_lies_before() {
        let dir = tempfile::tempdir().unwrap();
        let (path, disk) = (dir.path().join("0"), Disk::real());
        fs::write(&path, [7u8; 10_000]).unwrap();
        disk.zero(&path, 5000, 3000, Reserve::All).unwrap();
        disk.zero(&path, 8000, 2000, Reserve::Nothing).unwrap();
        disk.reserve(&disk.open(&path).unwrap(), &path, 0, 20_000).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes[..5000].iter().all(|&byte| byte == 7) && bytes[5000..].iter().all(|&byte| byte == 0));
        assert_eq!(bytes.len(), 10_000);
    }

    #[test]
    fn a_fault_keeps_the_call_from_being_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0");
        let disk = Disk::real().failing(|call, path| match call {
            DiskCall::Open if path.ends_with("0") => Err(io::Error::from_raw_os_error(libc::EIO)),
            _ => Ok(()),
        });
        assert_eq!(disk.create_new(&path).unwrap_err().raw_os_error(), Some(libc::EIO));
        assert!(!path.exists());
        disk.create_new(&dir.path().join("1")).unwrap();
    }
}
