//! From the log to queues and index: a thread of its own reads what was appended and tells each [`CommitLogDispatcher`]
//! (`DefaultMessageStore.ReputMessageService`, `CommitLogDispatcher`). Consumers are woken in between.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering, fence};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use message::RecordError;
use parking_lot::{Mutex, MutexGuard};
use process::config::Live;
use tracing::{error, warn};

use super::commit_log::CommitLog;
use super::config::MessageStoreConfig;
use super::dispatch_request::{CommitLogDispatcher, DispatchRequest, is_for_queue};
use super::error::AccessError;
use super::threads::PanicPoint;
use super::window::{Found, Window};
use super::{Arrived, OnArrived};

/// After a batch the thread naps instead of waiting for the next append to wake it: under load that saves producers a
/// wake-up a message, for so much delay at most.
const NAP: Duration = Duration::from_micros(400);
/// When the log cannot be read or a dispatcher cannot write, try again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A place of the log that cannot be read is tried so many times; then what its file still has is left out.
const READS_MAX: usize = 3;

/// How far deriving has come, and the thread's sleep.
#[derive(Default)]
pub struct Derive {
    /// First byte of the log that the queues have not been told of.
    from: AtomicI64,
    /// The same for the index, which comes after the queues and stays behind while it cannot be written.
    index_from: AtomicI64,
    /// Start and store time of the last message that the queues were told of.
    last_offset: AtomicI64,
    last_timestamp_ms: AtomicI64,
    /// Where the log ended when it ended with a record of which more was to come from the master.
    cut_at: AtomicI64,
    /// See [`has_left_out`](Self::has_left_out).
    has_left_out: AtomicBool,
    /// Held during a turn: whoever holds it finds queues, index and positions at rest.
    turning: Mutex<()>,
    asleep: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
    pub panic_point: PanicPoint,
}

/// What a step reads and feeds.
pub struct Line<'a> {
    pub config: &'a Live<MessageStoreConfig>,
    pub log: &'a CommitLog,
    /// Told of a batch before consumers are woken.
    pub queues: &'a dyn CommitLogDispatcher,
    /// Told of it afterwards.
    pub index: &'a dyn CommitLogDispatcher,
}

impl Line<'_> {
    /// Fills `window` with what is written from `from` to `until` in its file, as far as it goes; nothing where the log has
    /// no file.
    fn fill(&self, window: &mut Window, from: i64, until: i64) {
        match self.log.rest_of_file(from, until) {
            Some((file, at, len)) => window.fill(&file, at, len),
            None => window.clear(),
        }
    }

    /// Adds the messages of `window`, which begins at `first`, to `batch`. Where the next window begins, and why the log cannot
    /// be read there, if so.
    fn read_batch<'a>(
        &self,
        first: i64,
        window: &'a Window,
        batch: &mut Vec<DispatchRequest<'a>>,
    ) -> (i64, Option<AccessError>) {
        let config = self.config.load();
        let mut read = 0;
        loop {
            let offset = first + read as i64;
            match window.look(read) {
                Ok(Found::Message(mut stored)) => {
                    stored.physical_offset = offset;
                    read += stored.size;
                    batch.push(DispatchRequest::new(&config, stored));
                }
                Ok(Found::Blank) => return (self.log.roll_next_file(offset), None),
                Ok(Found::End) => return (offset, None),
                Ok(Found::NoRecord(RecordError::Short))
                    if self.log.is_cut(offset, window.rest(read), window.bytes(read)) =>
                {
                    return (offset, None);
                }
                Ok(Found::NoRecord(error)) if self.log.is_slave => {
                    error!(%error, offset, "no record of the master where one should be, rest of file left out");
                    return (self.log.roll_next_file(offset), None);
                }
                Ok(Found::NoRecord(error)) => {
                    // As Java's master: go on behind what can be read of this file.
                    error!(%error, offset, "no record in the log where one should be, rest of file left out");
                    return (offset + window.rest(read) as i64, None);
                }
                Err(error) => return (offset, Some(error)),
            }
        }
    }

    /// Where to go on behind a place that cannot be read: in the next file, or behind all that is written.
    fn behind(&self, offset: i64, until: i64) -> i64 {
        self.log.roll_next_file(offset).min(until)
    }
}

/// Tells `to` of the messages from `from` to `until`. Where it came to, which is `until` unless the log has no file there.
/// What cannot be read is left out.
pub fn dispatch_range(
    line: &Line<'_>,
    to: &dyn CommitLogDispatcher,
    mut from: i64,
    until: i64,
) -> io::Result<i64> {
    let mut window = Window::default();
    while from < until {
        line.fill(&mut window, from, until);
        let mut batch = Vec::new();
        let (mut next, unreadable) = line.read_batch(from, &window, &mut batch);
        if let Some(error) = unreadable {
            error!(%error, offset = next, "cannot read the log, rest of file left out");
            next = line.behind(next, until);
        }
        batch.iter().try_for_each(|request| to.dispatch(request))?;
        if next == from {
            break;
        }
        from = next;
    }
    Ok(from)
}

/// What the thread keeps from turn to turn.
#[derive(Default)]
struct Course {
    window: Window,
    index_failed_at: Option<Instant>,
    /// Turns in a row that could not read the log.
    reads_failed: usize,
}

/// How a turn of the thread went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Moved,
    /// Everything that can be told now is told.
    Done,
    Failed,
}

impl Derive {
    pub fn set_from(&self, offset: i64) {
        self.from.store(offset, Ordering::Release);
        self.index_from.store(offset, Ordering::Release);
        self.cut_at.store(0, Ordering::Release);
    }

    /// The log was cut: behind `records_end` there is nothing to tell, and what was told last is `known` at most. While the
    /// thread is held.
    pub fn cut(&self, records_end: i64, known: Option<(i64, i64)>) {
        self.from.fetch_min(records_end, Ordering::AcqRel);
        self.index_from.fetch_min(records_end, Ordering::AcqRel);
        self.cut_at.store(0, Ordering::Release);
        if self.last_offset.load(Ordering::Acquire) >= records_end {
            let (offset, timestamp_ms) = known.unwrap_or((0, 0));
            self.last_offset.store(offset, Ordering::Release);
            self.last_timestamp_ms.store(timestamp_ms, Ordering::Release);
        }
    }

    /// Keeps the thread from its next turn, once the present one is over. Begins with a wait for that.
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.turning.lock()
    }

    /// First byte of the log that queues or index have not been told of.
    pub fn from(&self) -> i64 {
        self.from.load(Ordering::Acquire).min(self.index_from.load(Ordering::Acquire))
    }

    /// Whether queues and index have been told of all whole records of a log that ends at `end`.
    pub fn is_done(&self, end: i64) -> bool {
        let (from, cut_at) = (self.from.load(Ordering::Acquire), self.cut_at.load(Ordering::Acquire));
        self.index_from.load(Ordering::Acquire) >= from && (from >= end || cut_at >= end)
    }

    /// Start and store time of the last message that the queues were told of; zeros before the first.
    pub fn last(&self) -> (i64, i64) {
        (self.last_offset.load(Ordering::Acquire), self.last_timestamp_ms.load(Ordering::Acquire))
    }

    /// To be called when the end has moved. Costs a load unless the thread sleeps.
    pub fn wake(&self) {
        // The sleeper says that it sleeps and then looks at the end; we moved the end and now look whether it sleeps.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    /// Has the thread end once it has dispatched everything up to the end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.asleep.store(false, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// The thread. After a panic it goes on where it was: queues and index know what they have been told of.
    pub fn run(&self, line: &Line<'_>, on_arrived: &mut OnArrived) {
        let _ = self.thread.set(thread::current());
        let mut course = Course::default();
        loop {
            self.panic_point.pass();
            // Looked at before the turn: what the log had by then is told before the thread ends.
            let is_stopping = self.stop.load(Ordering::Acquire);
            match self.turn(line, on_arrived, &mut course) {
                Turn::Moved => thread::park_timeout(NAP),
                _ if is_stopping => return,
                Turn::Done => self.sleep(line, course.index_failed_at.map(|_| RETRY_AFTER)),
                Turn::Failed => thread::park_timeout(RETRY_AFTER),
            }
        }
    }

    fn sleep(&self, line: &Line<'_>, longest: Option<Duration>) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let told = self.from.load(Ordering::Acquire).max(self.cut_at.load(Ordering::Acquire));
        let is_behind = told < line.log.confirm_offset();
        if !is_behind && !self.stop.load(Ordering::Acquire) {
            match longest {
                Some(longest) => thread::park_timeout(longest),
                None => {
                    while self.asleep.load(Ordering::Acquire) {
                        thread::park();
                    }
                }
            }
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Tells queues, consumers and index of a batch. An index that cannot be written does not hold up consumers.
    fn turn(&self, line: &Line<'_>, on_arrived: &mut OnArrived, course: &mut Course) -> Turn {
        let _turning = self.turning.lock();
        for position in [&self.from, &self.index_from] {
            let (from, min_offset) = (position.load(Ordering::Acquire), line.log.min_offset());
            if from < min_offset {
                warn!(from, min_offset, "the log was cleaned up faster than it was derived");
                position.store(min_offset, Ordering::Release);
            }
        }
        let Course { window, index_failed_at, reads_failed } = course;
        let (from, until) = (self.from.load(Ordering::Acquire), line.log.confirm_offset());
        line.fill(window, from, until);
        let mut batch = Vec::new();
        let (next, unreadable) = line.read_batch(from, window, &mut batch);
        let queued = self.tell_queues(line, &batch, next);
        let told = queued.as_ref().map_or_else(|(told, _)| *told, |()| batch.len());
        let for_queues =
            || batch[..told].iter().filter(|request| is_for_queue(request.stored.message.sys_flag));
        let mut arrived: Vec<_> = for_queues().map(arrived).collect();
        if batch.first().is_some_and(|request| request.multi_dispatch.enable_multi_dispatch) {
            arrived.extend(for_queues().flat_map(arrived_in_lmqs));
        }
        if !arrived.is_empty() {
            on_arrived(&arrived);
        }
        if index_failed_at.is_none_or(|failed_at: Instant| failed_at.elapsed() >= RETRY_AFTER) {
            let indexed = self.tell_index(line, &batch[..told], from);
            *index_failed_at = indexed.as_ref().err().map(|_| Instant::now());
            if let Err(error) = indexed {
                let offset = self.index_from.load(Ordering::Acquire);
                error!(%error, offset, "cannot write the index, will try again");
            }
        }
        if let Err((_, error)) = queued {
            let offset = self.from.load(Ordering::Acquire);
            error!(%error, offset, "cannot write what the log says, will try again");
            return Turn::Failed;
        }
        *reads_failed = if unreadable.is_some() { *reads_failed + 1 } else { 0 };
        match unreadable {
            Some(error) if *reads_failed < READS_MAX => {
                error!(%error, offset = next, "cannot read the log, will try again");
                Turn::Failed
            }
            Some(error) => {
                error!(%error, offset = next, "cannot read the log, rest of file left out");
                self.has_left_out.store(true, Ordering::Release);
                self.from.store(line.behind(next, until), Ordering::Release);
                Turn::Moved
            }
            None if next == from => {
                let is_cut = !window.bytes(0).is_empty();
                self.cut_at.store(if is_cut { until } else { 0 }, Ordering::Release);
                Turn::Done
            }
            None => Turn::Moved,
        }
    }

    /// Whether there may be messages in the log that no queue knows, though this has gone on.
    pub fn has_left_out(&self) -> bool {
        self.has_left_out.load(Ordering::Acquire)
    }

    /// How many messages of the batch were told, and why not all.
    fn tell_queues(
        &self,
        line: &Line<'_>,
        batch: &[DispatchRequest<'_>],
        next: i64,
    ) -> Result<(), (usize, io::Error)> {
        for (index, request) in batch.iter().enumerate() {
            let stored = &request.stored;
            line.queues.dispatch(request).map_err(|error| {
                self.from.store(stored.physical_offset, Ordering::Release);
                (index, error)
            })?;
            self.last_timestamp_ms.store(stored.store_timestamp_ms, Ordering::Release);
            self.last_offset.store(stored.physical_offset, Ordering::Release);
        }
        if let Some(last) = batch.last().filter(|_| line.log.is_slave) {
            line.log.store_timestamp_ms.store(last.stored.store_timestamp_ms, Ordering::Release);
        }
        self.from.store(next, Ordering::Release);
        Ok(())
    }

    /// The batch is at hand unless the index is behind.
    fn tell_index(&self, line: &Line<'_>, batch: &[DispatchRequest<'_>], first: i64) -> io::Result<()> {
        let (from, until) = (self.index_from.load(Ordering::Acquire), self.from.load(Ordering::Acquire));
        if from == first {
            batch.iter().try_for_each(|request| line.index.dispatch(request))?;
        } else {
            dispatch_range(line, line.index, from, until)?;
        }
        self.index_from.store(until, Ordering::Release);
        Ok(())
    }
}

fn arrived<'a>(request: &'a DispatchRequest<'_>) -> Arrived<'a> {
    let stored = &request.stored;
    Arrived {
        topic: &stored.message.topic,
        queue_id: stored.message.queue_id,
        max_offset: stored.queue_offset + 1,
        tags_code: request.tags_code,
        store_timestamp_ms: stored.store_timestamp_ms,
        properties: &stored.message.properties,
    }
}

/// `notifyMessageArrive4MultiQueue`.
fn arrived_in_lmqs<'a>(request: &'a DispatchRequest<'_>) -> impl Iterator<Item = Arrived<'a>> {
    let targets = request.multi_dispatch.targets(&request.stored.message);
    targets.map(|target| Arrived {
        topic: target.topic,
        queue_id: target.queue_id,
        max_offset: target.queue_offset + 1,
        ..arrived(request)
    })
}
