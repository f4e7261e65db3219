//! The one thread that writes all log files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use super::LogFile;
use super::rolling::RollingFile;
use crate::files::{self, FileError};

/// Lines that may wait to be written.
const QUEUED_LINES_MAX: usize = 8192;

enum Job {
    Line { file: usize, text: String },
    Stop,
}

/// The way to the writer's thread. Never waits.
#[derive(Clone)]
pub struct Queue {
    jobs: SyncSender<Job>,
    dropped_lines: Arc<AtomicU64>,
}

impl Queue {
    /// `file` is an index into the list that the writer was started with.
    pub fn send(&self, file: usize, text: String) {
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Line { file, text }) {
            self.dropped_lines.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub struct Writer {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(folder: &Path, log_files: &'static [LogFile]) -> Result<Writer, FileError> {
        files::create_folder(folder)?;
        let (jobs, received) = sync_channel(QUEUED_LINES_MAX);
        let queue = Queue { jobs, dropped_lines: Arc::default() };
        let mut open_files = OpenFiles { folder: folder.to_path_buf(), log_files, open: Vec::new() };
        let dropped_lines = queue.dropped_lines.clone();
        let thread = thread::Builder::new()
            .name("log".to_string())
            .spawn(move || write_all(&received, &mut open_files, &dropped_lines))
            .map_err(|cause| FileError { step: "start a thread for", path: folder.to_path_buf(), cause })?;
        Ok(Writer { queue, thread: Some(thread) })
    }

    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The queue may be full; then this waits for the writer to make room.
        if self.queue.jobs.send(Job::Stop).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

/// Writes until told to stop. Lines reach the file when no other line waits.
fn write_all(jobs: &Receiver<Job>, files: &mut OpenFiles, dropped_lines: &AtomicU64) {
    loop {
        let job = match jobs.try_recv() {
            Ok(job) => job,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                files.report_dropped(dropped_lines.swap(0, Ordering::Relaxed));
                files.flush();
                match jobs.recv() {
                    Ok(job) => job,
                    Err(_) => break,
                }
            }
        };
        match job {
            Job::Line { file, text } => files.write(file, &text),
            Job::Stop => break,
        }
    }
    files.report_dropped(dropped_lines.swap(0, Ordering::Relaxed));
    files.flush();
}

struct OpenFiles {
    folder: PathBuf,
    log_files: &'static [LogFile],
    /// By name: two targets may share a file.
    open: Vec<RollingFile>,
}

impl OpenFiles {
    fn write(&mut self, index: usize, text: &str) {
        let Some(log_file) = self.log_files.get(index) else { return };
        let at = self.open.iter().position(|open| open.name() == log_file.name);
        let at = at.unwrap_or_else(|| {
            self.open.push(RollingFile::new(&self.folder, log_file));
            self.open.len() - 1
        });
        self.open[at].write(text);
    }

    fn flush(&mut self) {
        for file in &mut self.open {
            file.flush();
        }
    }

    fn report_dropped(&mut self, lines: u64) {
        if lines > 0 {
            self.write(0, &format!("{lines} log lines were dropped: the disk did not keep up\n"));
        }
    }
}
