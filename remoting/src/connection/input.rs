//! The read buffer: borrowed from the thread while there are bytes, so that an idle connection holds none.

use bytes::BytesMut;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

const READ_BYTES: usize = 64 * 1024;
/// Buffers that a thread keeps for the next connection that has something to say.
const SPARE_BUFFERS_MAX: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
pub(super) struct Input {
    bytes: BytesMut,
}

impl Input {
    /// What has been read and not been taken yet.
    pub(super) fn bytes(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Reads once. Safe to drop and call again. 0 is the end of the stream.
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        poll_fn(|context| {
            self.make_room();
            let read = poll_read_buf(Pin::new(&mut *stream), context, &mut self.bytes);
            if read.is_pending() {
                self.give_back();
            }
            Poll::Ready(ready!(read))
        })
        .await
    }

    /// Room for the rest of a frame that has begun, or for one read.
    fn make_room(&mut self) {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.with_borrow_mut(|spare| spare.pop()).unwrap_or_default();
        }
        let needed = crate::frame::length_needed(&self.bytes).unwrap_or(0);
        let room = needed.saturating_sub(self.bytes.len()).max(READ_BYTES / 4);
        if self.bytes.capacity() - self.bytes.len() < room {
            self.bytes.reserve(room.max(READ_BYTES));
        }
    }

    fn give_back(&mut self) {
        if !self.bytes.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.bytes);
        if buffer.capacity() > 2 * READ_BYTES {
            return;
        }
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_BUFFERS_MAX {
                spare.push(buffer);
            }
        });
    }
}
