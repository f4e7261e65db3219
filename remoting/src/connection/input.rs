//! The read buffer: borrowed from the thread while there are bytes, so that an idle connection holds none.

use super::budget::{Budget, FRAME_FREE_BYTES, Share};
use crate::frame;
use bytes::{BufMut, BytesMut};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Instant;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

const READ_BYTES: usize = 64 * 1024;
/// Of a long frame; then others have their turn. The memory that it fills is new, and takes longer than what it copies.
const LONG_READ_BYTES_MAX: usize = 256 * 1024;
/// Buffers that a thread keeps for the next connection that has something to say.
const SPARE_BUFFERS_MAX: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

pub(super) struct Input {
    bytes: BytesMut,
    /// Of what is more than [`FRAME_FREE_BYTES`] of a frame that has begun.
    share: Share,
    long: Option<Long>,
}

/// A frame of more than [`FRAME_FREE_BYTES`].
#[derive(Clone, Copy)]
struct Long {
    /// It began to wait for its share, and then: it got it.
    since: Instant,
    /// Bytes of it came.
    moved: Instant,
}

impl Long {
    fn from_now() -> Long {
        let now = Instant::now();
        Long { since: now, moved: now }
    }
}

impl Input {
    pub(super) fn new(budget: &'static Budget) -> Input {
        Input { bytes: BytesMut::new(), share: Share::of(&budget.frames), long: None }
    }

    /// What has been read and not been taken yet.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Reads once. Safe to drop and call again. 0 is the end of the stream. An error too where memory is short: see [`Budget`].
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        match frame::length_needed(&self.bytes) {
            Ok(needed) if needed > FRAME_FREE_BYTES => self.fill_long(stream, needed).await,
            _ => {
                self.end_long();
                read(stream, &mut self.bytes, usize::MAX).await
            }
        }
    }

    /// Of a frame of `needed` bytes nothing more is read before there is room for the whole of it; and nothing beyond its end,
    /// so that no later frame keeps its memory.
    async fn fill_long(&mut self, stream: &mut (impl AsyncRead + Unpin), needed: usize) -> io::Result<usize> {
        let mut long = *self.long.get_or_insert_with(Long::from_now);
        match self.share.bytes() {
            0 => {
                if !self.share.take((needed - FRAME_FREE_BYTES) as u32, long.since).await {
                    return Err(overdue("its frame found no room"));
                }
                long = Long::from_now();
                self.long = Some(long);
            }
            _ => tokio::task::yield_now().await,
        }
        let (pool, had) = (self.share.pool, self.bytes.len());
        let count = tokio::select! {
            biased;
            count = read(stream, &mut self.bytes, (needed - had).min(LONG_READ_BYTES_MAX)) => count?,
            () = pool.short_and(|| pool.is_slow(long.since, long.moved, had, needed)) => {
                return Err(overdue("its frame comes too slowly while others wait"));
            }
        };
        self.long = Some(Long { moved: Instant::now(), ..long });
        Ok(count)
    }

    /// The long frame before has been taken, if there was one.
    fn end_long(&mut self) {
        if self.long.take().is_some() {
            self.share.release();
            self.bytes = BytesMut::new();
        }
    }
}

fn overdue(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    bytes: &mut BytesMut,
    bytes_max: usize,
) -> io::Result<usize> {
    poll_fn(|context| {
        make_room(bytes);
        let read = poll_read_buf(Pin::new(&mut *stream), context, &mut (&mut *bytes).limit(bytes_max));
        if read.is_pending() {
            give_back(bytes);
        }
        Poll::Ready(ready!(read))
    })
    .await
}

/// Room for the rest of a frame that has begun, or for one read.
fn make_room(bytes: &mut BytesMut) {
    if bytes.capacity() == 0 {
        *bytes = SPARE.with_borrow_mut(|spare| spare.pop()).unwrap_or_default();
    }
    let needed = frame::length_needed(bytes).unwrap_or(0);
    let room = needed.saturating_sub(bytes.len()).max(READ_BYTES / 4);
    if bytes.capacity() - bytes.len() < room {
        bytes.reserve(room.max(READ_BYTES));
    }
}

fn give_back(bytes: &mut BytesMut) {
    if !bytes.is_empty() {
        return;
    }
    let buffer = std::mem::take(bytes);
    if buffer.capacity() > 2 * READ_BYTES {
        return;
    }
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < SPARE_BUFFERS_MAX {
            spare.push(buffer);
        }
    });
}
