//! Reading files without leaving a trace: opened for reading only, no lock, no mapping, access times left alone where the
//! file system lets us.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::unistd::{Whence, lseek};

/// Opens a regular file; anything else could block or has no end.
pub fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    // Only the owner may leave the access time as it is.
    match OpenOptions::new().read(true).custom_flags(libc::O_NOATIME).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => File::open(path),
        other => other,
    }
}

/// A small file whole; an error if it has more than `bytes_max`.
pub fn read_small(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let len = file.metadata()?.len();
    if len > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{len} bytes, at most {bytes_max}")));
    }
    let mut bytes = vec![0; len as usize];
    let read = read_full(&file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Fills `buffer` as far as the file goes.
pub fn read_full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A file read from its beginning to its end, in pieces.
pub struct Reader {
    file: File,
    len: u64,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold something.
    filled: usize,
    /// Where in the file the buffer starts.
    start: u64,
    piece_bytes: usize,
}

impl Reader {
    pub fn open(path: &Path, piece_bytes: usize) -> io::Result<Self> {
        let file = open(path)?;
        let len = file.metadata()?.len();
        // Only advice: a file system may not take it.
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_SEQUENTIAL);
        Ok(Self { file, len, buffer: Vec::new(), filled: 0, start: 0, piece_bytes })
    }

    /// Bytes of the file when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The `want` bytes at `at`; fewer where the file ends.
    pub fn bytes(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let want = (self.len.saturating_sub(at)).min(want as u64) as usize;
        let buffered = at >= self.start && at + want as u64 <= self.start + self.filled as u64;
        if !buffered {
            let fill = (self.len.saturating_sub(at)).min(want.max(self.piece_bytes) as u64) as usize;
            if self.buffer.len() < fill {
                self.buffer.resize(fill, 0);
            }
            self.start = at;
            self.filled = 0;
            self.filled = read_full(&self.file, &mut self.buffer[..fill], at)?;
        }
        let from = (at - self.start) as usize;
        Ok(&self.buffer[from..(from + want).min(self.filled)])
    }

    /// What is buffered from `at` on, at least a byte unless the file ends there.
    pub fn some_bytes(&mut self, at: u64) -> io::Result<&[u8]> {
        self.bytes(at, 1)?;
        let from = ((at - self.start.min(at)) as usize).min(self.filled);
        Ok(&self.buffer[from..self.filled])
    }

    /// Place of the first byte from `at` on that is not zero. Holes are not read.
    pub fn first_nonzero(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at < self.len {
            at = match lseek(&self.file, at as i64, Whence::SeekData) {
                Ok(data) => data as u64,
                // Nothing but a hole up to the end.
                Err(Errno::ENXIO) => return Ok(None),
                // A file system that knows no holes.
                Err(_) => at,
            };
            let bytes = self.some_bytes(at)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            match bytes.iter().position(|&byte| byte != 0) {
                Some(found) => return Ok(Some(at + found as u64)),
                None => at += bytes.len() as u64,
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_holes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        file.write_all_at(b"abc", 700_001).unwrap();
        let mut reader = Reader::open(&path, 4096).unwrap();
        assert_eq!(reader.first_nonzero(0).unwrap(), Some(700_001));
        assert_eq!(reader.bytes(700_000, 5).unwrap(), b"\0abc\0");
        assert_eq!(reader.first_nonzero(700_004).unwrap(), None);
        assert_eq!(reader.bytes((1 << 20) - 2, 5).unwrap(), [0, 0]);
        assert!(reader.bytes(1 << 30, 5).unwrap().is_empty());
        assert!(open(dir.path()).is_err(), "a folder");
        assert!(read_small(&path, 10).is_err());
    }
}
