//! One log file that is set aside when it is full, as logback's `FixedWindowRollingPolicy`: `broker.log` becomes
//! `otherdays/broker.1.log.gz`, what was 1 becomes 2, and the last is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::LogFile;

const BUFFER_BYTES: usize = 64 * 1024;

pub struct RollingFile {
    log_file: LogFile,
    folder: PathBuf,
    open: Option<BufWriter<File>>,
    /// Of the open file.
    bytes: u64,
    compressing: Option<JoinHandle<()>>,
}

impl RollingFile {
    pub fn new(folder: &Path, log_file: &LogFile) -> RollingFile {
        RollingFile {
            log_file: *log_file,
            folder: folder.to_path_buf(),
            open: None,
            bytes: 0,
            compressing: None,
        }
    }

    pub fn name(&self) -> &'static str {
        self.log_file.name
    }

    /// A line that cannot be written is lost: there is no better place to say so than the log.
    pub fn write(&mut self, text: &str) {
        if self.bytes >= self.log_file.roll_bytes {
            self.roll();
        }
        if self.open.is_none() {
            let _ = self.reopen();
        }
        if let Some(open) = &mut self.open {
            if open.write_all(text.as_bytes()).is_err() {
                self.open = None;
            }
            self.bytes += text.len() as u64;
        }
    }

    pub fn flush(&mut self) {
        if let Some(open) = &mut self.open {
            let _ = open.flush();
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.log_file.name))
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(self.path())?;
        self.bytes = file.metadata()?.len();
        self.open = Some(BufWriter::with_capacity(BUFFER_BYTES, file));
        Ok(())
    }

    fn roll(&mut self) {
        self.flush();
        self.open = None;
        self.bytes = 0;
        // The former file 1 must be whole before it moves on.
        self.finish_compressing();
        let plain = self.folder.join(format!("otherdays/{}.1.log", self.log_file.name));
        if self.make_room().and_then(|()| fs::rename(self.path(), &plain)).is_err() {
            return;
        }
        let compressed = self.rolled(1);
        let compress = move || {
            if compress_file(&plain, &compressed).is_ok() {
                let _ = fs::remove_file(&plain);
            }
        };
        self.compressing = thread::Builder::new().name("log-gzip".to_string()).spawn(compress).ok();
    }

    fn make_room(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder.join("otherdays"))?;
        for number in (1..self.log_file.kept).rev() {
            match fs::rename(self.rolled(number), self.rolled(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn rolled(&self, number: u32) -> PathBuf {
        self.folder.join(format!("otherdays/{}.{number}.log.gz", self.log_file.name))
    }

    fn finish_compressing(&mut self) {
        let _ = self.compressing.take().map(JoinHandle::join);
    }
}

impl Drop for RollingFile {
    fn drop(&mut self) {
        self.flush();
        self.finish_compressing();
    }
}

fn compress_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut encoder = GzEncoder::new(File::create(to)?, Compression::fast());
    io::copy(&mut File::open(from)?, &mut encoder)?;
    encoder.finish()?.flush()
}
