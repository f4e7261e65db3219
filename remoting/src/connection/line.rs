//! The socket's side of a peer: what waits to be written to it, what its task has yet to run, and how that is woken.

use super::budget::Budget;
use super::call::Rest;
use super::outbox::{Outbox, Overfull, SLICES_MAX};
use super::responder::Queued;
use crate::command::{Codec, Command};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

/// Text buffers that a thread keeps for the next replies, and the largest one that it keeps.
const SPARE_BUFFERS_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 256 * 1024;

/// Calls of an ended connection that are dropped at a time.
const DROPPED_PER_TURN_MAX: usize = 256;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Line {
    codec: Codec,
    budget: &'static Budget,
    /// None once the connection has ended, or more was to wait than may.
    outbox: Mutex<Option<Outbox>>,
    /// None once the connection has ended.
    inbox: Mutex<Option<VecDeque<Rest>>>,
    woken: Notify,
    closed: Notify,
    opened: Instant,
    /// Last read or write, in milliseconds since `opened`.
    active_ms: AtomicU64,
    /// [`STALL_MAX`].
    stall_max: Duration,
}

/// A peer that takes nothing of its replies for so long is cut off: what it keeps asking for would keep it from being idle,
/// and its replies lie in memory, ours and the kernel's. Java waits.
const STALL_MAX: Duration = Duration::from_secs(15);

impl Line {
    pub(super) fn new(codec: Codec, budget: &'static Budget) -> Line {
        Line {
            codec,
            budget,
            outbox: Mutex::new(Some(Outbox::new(budget))),
            inbox: Mutex::new(Some(VecDeque::new())),
            woken: Notify::new(),
            closed: Notify::new(),
            opened: Instant::now(),
            active_ms: AtomicU64::new(0),
            stall_max: STALL_MAX,
        }
    }

    /// Adds to what is written when the connection's task comes to it; see [`Line::wake`]. After an error no more is written.
    pub(super) fn push(&self, command: Command) -> Result<Queued, Overfull> {
        let mut slot = self.outbox.lock();
        let Some(outbox) = slot.as_mut() else { return Ok(Queued::default()) };
        if outbox.is_empty() {
            let spare = SPARE.with_borrow_mut(Vec::pop);
            outbox.set_buffer(spare.unwrap_or_default());
        }
        let before = outbox.len();
        if let Err(overfull) = outbox.push(command, self.codec) {
            *slot = None;
            return Err(overfull);
        }
        Ok(Queued { bytes: outbox.len() - before, waiting_bytes: outbox.len() })
    }

    /// What the connection's frames and replies are counted in.
    pub(super) fn budget(&self) -> &'static Budget {
        self.budget
    }

    /// Has work run on the connection's task; where that has ended it is dropped.
    pub(super) fn resume(&self, work: Rest) {
        let mut inbox = self.inbox.lock();
        let Some(waiting) = inbox.as_mut() else {
            drop(inbox);
            return drop(work);
        };
        waiting.push_back(work);
        let is_first = waiting.len() == 1;
        drop(inbox);
        // Who finds others waiting relies on their wake-up: the task sleeps only after it has found the inbox empty.
        if is_first {
            self.wake();
        }
    }

    pub(super) fn next_work(&self) -> Option<Rest> {
        self.inbox.lock().as_mut()?.pop_front()
    }

    pub(super) fn has_work(&self) -> bool {
        self.inbox.lock().as_ref().is_some_and(|inbox| !inbox.is_empty())
    }

    /// Has the connection's task look what there is to do.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Has [`Line::closed`] end.
    pub(super) fn close(&self) {
        self.woken.notify_one();
        self.closed.notify_one();
    }

    /// Once [`Line::close`] was called. For one waiter at a time.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// Something was read or written.
    pub(super) fn touch(&self, now: Instant) {
        let active_ms = now.duration_since(self.opened).as_millis() as u64;
        self.active_ms.store(active_ms, Ordering::Relaxed);
    }

    /// How long nothing was read or written.
    pub(super) fn idle(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.active_ms.load(Ordering::Relaxed)))
    }

    /// Writes what the outbox holds; ends early when the connection is being closed.
    pub(super) async fn write_out(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        loop {
            let outbox = match self.outbox.lock().as_mut() {
                Some(outbox) if !outbox.is_empty() => std::mem::replace(outbox, Outbox::new(self.budget)),
                _ => return Ok(()),
            };
            let (mut written, mut since) = (0, None);
            while written < outbox.len() {
                tokio::select! {
                    biased;
                    count = write_some(stream, &outbox, written) => written += count?,
                    () = self.closed() => return Ok(()),
                    () = tokio::time::sleep(self.stall_max) => return Err(stalled(self.stall_max)),
                    () = self.overdue(&outbox, written, &mut since) => return Err(overdue()),
                }
                self.touch(Instant::now());
            }
            poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await?;
            keep(outbox.into_buffer());
        }
    }

    /// Once memory is short and the peer reads too slowly what holds some. `since` is when it first did not take all at once.
    async fn overdue(&self, outbox: &Outbox, written: usize, since: &mut Option<Instant>) {
        let moved = Instant::now();
        let since = *since.get_or_insert(moved);
        let holds_any = || {
            let next_bytes = self.outbox.lock().as_ref().map_or(0, |next| next.share.bytes());
            outbox.share.bytes() + next_bytes > 0
        };
        let is_slow = || holds_any() && self.budget.replies.is_slow(since, moved, written, outbox.len());
        self.budget.replies.short_and(is_slow).await;
    }

    /// No more is run; what was to be is dropped, a part at a time: there may be tens of thousands.
    pub(super) async fn drop_work(&self) {
        let mut dropped = self.inbox.lock().take().unwrap_or_default();
        while !dropped.is_empty() {
            drop(dropped.drain(..dropped.len().min(DROPPED_PER_TURN_MAX)));
            tokio::task::yield_now().await;
        }
    }

    /// No more is written or run.
    pub(super) fn end(&self) {
        let (outbox, inbox) = (self.outbox.lock().take(), self.inbox.lock().take());
        drop((outbox, inbox));
    }
}

fn stalled(stall_max: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the peer has read nothing for {stall_max:?}"))
}

fn overdue() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer reads too slowly while memory for replies is short")
}

async fn write_some(
    stream: &mut (impl AsyncWrite + Unpin),
    outbox: &Outbox,
    written: usize,
) -> io::Result<usize> {
    let count = poll_fn(|context| {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = outbox.slices(written, &mut slices);
        Pin::new(&mut *stream).poll_write_vectored(context, &slices[..count])
    })
    .await?;
    if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
}

fn keep(buffer: Vec<u8>) {
    if buffer.capacity() > SPARE_BYTES_MAX {
        return;
    }
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < SPARE_BUFFERS_MAX {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_of_an_ended_connection_is_dropped() {
        let line = Line::new(Codec::Json, Budget::of_process());
        let dropped = std::sync::Arc::new(());
        for _ in 0..2 * DROPPED_PER_TURN_MAX + 1 {
            let held = dropped.clone();
            line.resume(Box::new(move |_| {
                drop(held);
                panic!("it ran")
            }));
        }
        line.drop_work().await;
        assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
        let held = dropped.clone();
        line.resume(Box::new(move |_| std::sync::Arc::strong_count(&held)));
        assert_eq!(std::sync::Arc::strong_count(&dropped), 1, "too late");
        assert!(!line.has_work());
    }

    #[tokio::test]
    async fn who_reads_nothing_is_cut_off() {
        let line =
            Line { stall_max: Duration::from_millis(20), ..Line::new(Codec::Json, Budget::of_process()) };
        let (mut ours, _theirs) = tokio::io::duplex(64);
        let pushed = line.push(Command::success().with_body(vec![0; 1000]));
        assert!(pushed.is_ok());
        let error = line.write_out(&mut ours).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
