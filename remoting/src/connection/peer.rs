//! The handle on a connection that others hold: to reply late, to call the client, to close.

use super::outbox::{OUTBOX_BYTES_MAX, Outbox, SLICES_MAX};
use crate::command::{Codec, Command};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use tokio::sync::{Notify, oneshot};

/// Text buffers that a thread keeps for the next replies, and the largest one that it keeps.
const SPARE_BUFFERS_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 256 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static NEXT_OPAQUE: AtomicI32 = AtomicI32::new(0);

/// One connection. Java: Netty's `Channel`.
pub struct Peer {
    id: u64,
    socket_addr: SocketAddr,
    /// What a PROXY preamble says.
    source_addr: OnceLock<SocketAddr>,
    local_addr: SocketAddr,
    codec: Codec,
    outbox: Mutex<Outbox>,
    /// Our calls that the other end has not answered, by opaque.
    calls: Mutex<HashMap<i32, oneshot::Sender<Command>>>,
    woken: Notify,
    closing: AtomicBool,
    ended: AtomicBool,
    closed: Notify,
    opened: Instant,
    /// Last read or write, in milliseconds since `opened`.
    active_ms: AtomicU64,
}

/// Why a call to the other end brought no response. Java: `RemotingException` and its classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// There is no connection, and why.
    Connect(String),
    /// The response did not come in time.
    Timeout,
    /// The connection ended before the response came.
    Closed,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Connect(reason) => write!(f, "no connection: {reason}"),
            CallError::Timeout => write!(f, "no response in time"),
            CallError::Closed => write!(f, "the connection closed before a response came"),
        }
    }
}

impl std::error::Error for CallError {}

impl Peer {
    pub(crate) fn new(socket_addr: SocketAddr, local_addr: SocketAddr, codec: Codec) -> Arc<Peer> {
        Arc::new(Peer {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            socket_addr,
            source_addr: OnceLock::new(),
            local_addr,
            codec,
            outbox: Mutex::default(),
            calls: Mutex::default(),
            woken: Notify::new(),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            closed: Notify::new(),
            opened: Instant::now(),
            active_ms: AtomicU64::new(0),
        })
    }

    /// A peer without a connection: what is sent to it goes nowhere. For tests of those who hold peers.
    pub fn detached() -> Arc<Peer> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Peer::new(nowhere, nowhere, Codec::Json)
    }

    /// Unique in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client's address: what a PROXY preamble says, else the socket's. Java:
    /// `RemotingHelper.parseChannelRemoteAddr`.
    pub fn remote_addr(&self) -> SocketAddr {
        *self.source_addr.get().unwrap_or(&self.socket_addr)
    }

    /// The other end of the socket: a proxy's address where there is one. Java: `Channel.remoteAddress`, which becomes
    /// the born host of messages.
    pub fn socket_addr(&self) -> SocketAddr {
        self.socket_addr
    }

    /// A PROXY preamble says that the client is `source`; the first one counts.
    pub(crate) fn proxied_from(&self, source: SocketAddr) {
        let _ = self.source_addr.set(source);
    }

    /// This end of the socket.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers a request that was put off. Must not be called for a oneway request.
    pub fn reply(&self, opaque: i32, reply: Command) {
        self.push_reply(opaque, reply);
        self.woken.notify_one();
    }

    /// Sends a request that wants no response.
    pub fn send_oneway(&self, mut request: Command) {
        request.opaque = next_opaque();
        request.mark_oneway();
        self.push(request);
        self.woken.notify_one();
    }

    /// Sends a request and waits for the response. [`CallError::Timeout`] or [`CallError::Closed`] if none comes.
    pub async fn call(&self, mut request: Command, timeout: Duration) -> Result<Command, CallError> {
        let opaque = next_opaque();
        request.opaque = opaque;
        let (sender, receiver) = oneshot::channel();
        self.calls.lock().insert(opaque, sender);
        // Set before the table is emptied at the end: whoever comes too late sees it.
        if self.ended.load(Ordering::SeqCst) {
            self.calls.lock().remove(&opaque);
            return Err(CallError::Closed);
        }
        self.push(request);
        self.woken.notify_one();
        let response = tokio::time::timeout(timeout, receiver).await;
        match response {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(CallError::Closed),
            Err(_) => {
                self.calls.lock().remove(&opaque);
                Err(CallError::Timeout)
            }
        }
    }

    /// Ends the connection; what waits in the outbox is dropped.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.woken.notify_one();
        self.closed.notify_one();
    }

    /// False once the connection is closed or about to be. Java: `Channel.isActive`.
    pub fn is_open(&self) -> bool {
        !self.is_closing() && !self.ended.load(Ordering::Acquire)
    }

    /// How long nothing was read or written.
    pub(crate) fn idle(&self) -> Duration {
        self.opened.elapsed().saturating_sub(Duration::from_millis(self.active_ms.load(Ordering::Relaxed)))
    }

    pub(super) fn touch(&self) {
        self.active_ms.store(self.opened.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Once [`Peer::close`] was called. For one waiter at a time.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    pub(super) fn push_reply(&self, opaque: i32, mut reply: Command) {
        reply.opaque = opaque;
        self.push(reply);
    }

    fn push(&self, command: Command) {
        let mut outbox = self.outbox.lock();
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        if outbox.is_empty() {
            let spare = SPARE.with_borrow_mut(Vec::pop);
            *outbox = Outbox::with_buffer(spare.unwrap_or_default());
        }
        outbox.push(command, self.codec);
        if outbox.len() > OUTBOX_BYTES_MAX {
            drop(outbox);
            tracing::warn!(target: "remoting", "connection {} reads too slowly: {OUTBOX_BYTES_MAX} bytes wait", self.remote_addr());
            self.close();
        }
    }

    /// Hands a response to the call that waits for it.
    pub(super) fn answered(&self, response: Command) {
        match self.calls.lock().remove(&response.opaque) {
            // A caller that has stopped waiting is no error.
            Some(caller) => drop(caller.send(response)),
            None => {
                tracing::debug!(target: "remoting", "late or unasked response {} from {}", response.opaque, self.remote_addr())
            }
        }
    }

    pub(super) fn outbox_bytes(&self) -> usize {
        self.outbox.lock().len()
    }

    /// Writes what the outbox holds; ends early when the connection is being closed.
    pub(super) async fn write_out(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        loop {
            let outbox = {
                let mut outbox = self.outbox.lock();
                if outbox.is_empty() {
                    return Ok(());
                }
                std::mem::take(&mut *outbox)
            };
            let mut written = 0;
            while written < outbox.len() {
                tokio::select! {
                    biased;
                    count = write_some(stream, &outbox, written) => written += count?,
                    () = self.closed() => return Ok(()),
                }
                self.touch();
            }
            poll_fn(|context| Pin::new(&mut *stream).poll_flush(context)).await?;
            keep(outbox.into_buffer());
        }
    }

    /// No more is sent or answered. Called once, by the connection's task.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.closing.store(true, Ordering::Release);
        self.calls.lock().clear();
        *self.outbox.lock() = Outbox::default();
    }
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

fn next_opaque() -> i32 {
    NEXT_OPAQUE.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn who_lets_replies_pile_up_is_cut_off() {
        let peer = Peer::detached();
        let body = Bytes::from(vec![0; 1 << 20]);
        let mut sent = 0;
        while peer.is_open() {
            assert!(sent <= OUTBOX_BYTES_MAX, "{sent} bytes wait");
            peer.reply(1, Command::success().with_body(body.clone()));
            sent += body.len();
        }
        assert!(sent >= OUTBOX_BYTES_MAX);
    }
}
