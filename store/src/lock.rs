//! One store at a time in a directory.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::disk::Disk;

/// The lock that Java's `FileChannel.tryLock(0, 1, false)` takes: a file's first byte, for writing.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// `None` if another process, or another store of this one, has it.
    pub fn try_new(file: File) -> io::Result<Option<Self>> {
        match set_lock(&file, libc::F_WRLCK) {
            Ok(()) => Ok(Some(Self(file))),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for FileLock {
    /// Closing is not enough: a child process being started may have the descriptor for a moment longer.
    fn drop(&mut self) {
        let _ = set_lock(&self.0, libc::F_UNLCK);
    }
}

/// An open-file lock: it meets Java's process lock as another owner's, and unlike it also keeps two stores of one process
/// apart.
fn set_lock(file: &File, kind: i32) -> nix::Result<()> {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(drop)
}

/// The lock of a directory of log files. On the directory itself: a file in it would keep
/// Java's broker from starting.
#[derive(Debug)]
pub struct DirLock(File);

impl DirLock {
    /// `None` if another store has it. An error too where the file system knows no such locks.
    pub fn try_new(disk: &Disk, dir: &Path) -> io::Result<Option<Self>> {
        let file = disk.open_to_read(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for DirLock {
    /// For the reason that [`FileLock`] has.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[test]
fn the_lock_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let first = File::create(&path).unwrap();
    let second = File::options().write(true).open(&path).unwrap();
    let shared = first.try_clone().unwrap();
    let lock = FileLock::try_new(first).unwrap().unwrap();
    assert!(FileLock::try_new(second.try_clone().unwrap()).unwrap().is_none());
    drop(lock);
    assert!(FileLock::try_new(second).unwrap().is_some(), "though {shared:?} is open");
}
