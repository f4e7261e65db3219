//! The handle on a client that others hold: to know it, to call it, to close it. Replies go through a
//! [`Responder`](super::Responder).

use super::budget::Budget;
use super::line::Line;
use super::outbox::COPY_BYTES_MAX;
use super::responder::{Observer, Queued};
use crate::command::{Codec, Command};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
static NEXT_OPAQUE: AtomicI32 = AtomicI32::new(0);

/// The other end of a connection, or of a conversation within this process. Java: Netty's `Channel`.
pub struct Peer {
    id: u64,
    socket_addr: SocketAddr,
    /// What a PROXY preamble says.
    source_addr: OnceLock<SocketAddr>,
    local_addr: SocketAddr,
    way: Way,
    observer: Option<Arc<dyn Observer>>,
    /// What is written goes to the kernel from where it lies, not through a cipher.
    is_plain_socket: AtomicBool,
    /// Our calls that the other end has not answered, by opaque.
    calls: Mutex<HashMap<i32, oneshot::Sender<Command>>>,
    closing: AtomicBool,
    ended: AtomicBool,
}

/// How commands get to a peer.
#[expect(clippy::large_enum_variant, reason = "sockets are the rule")]
enum Way {
    Socket(Line),
    Sink(Sink),
}

/// Takes what is sent to a peer of this process: replies, one-way requests, and calls, whose responses are given to
/// [`Peer::answered`]. Must not wait.
pub type Sink = Box<dyn Fn(Command) + Send + Sync>;

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
    /// The other end of a socket that [`run`](super::run) serves.
    pub(crate) fn socket(
        socket_addr: SocketAddr,
        local_addr: SocketAddr,
        codec: Codec,
        observer: Option<Arc<dyn Observer>>,
        budget: &'static Budget,
    ) -> Arc<Peer> {
        Peer::new(socket_addr, local_addr, Way::Socket(Line::new(codec, budget)), observer)
    }

    /// A client in this process, which says that it is at `addr`. Its requests are
    /// [`dispatch`](super::dispatch)ed; what it is sent goes to `sink`.
    pub fn in_process(addr: SocketAddr, sink: Sink, observer: Option<Arc<dyn Observer>>) -> Arc<Peer> {
        Peer::new(addr, addr, Way::Sink(sink), observer)
    }

    /// A peer that nothing reaches. For tests of those who hold peers.
    pub fn detached() -> Arc<Peer> {
        Peer::in_process(SocketAddr::from(([127, 0, 0, 1], 0)), Box::new(drop), None)
    }

    fn new(
        socket_addr: SocketAddr,
        local_addr: SocketAddr,
        way: Way,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Peer> {
        Arc::new(Peer {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            socket_addr,
            source_addr: OnceLock::new(),
            local_addr,
            way,
            observer,
            is_plain_socket: AtomicBool::new(false),
            calls: Mutex::default(),
            closing: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        })
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

    /// What is written goes straight to a socket.
    pub(crate) fn set_on_plain_socket(&self) {
        self.is_plain_socket.store(true, Ordering::Relaxed);
    }

    /// Whether a piece of so many bytes of a body is given to the kernel from where it lies, and never read by this process:
    /// it may then lie in a mapped file whose disk has failed meanwhile.
    pub fn writes_in_place(&self, bytes: usize) -> bool {
        bytes >= COPY_BYTES_MAX && self.is_plain_socket.load(Ordering::Relaxed)
    }

    /// This end of the socket.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Sends a request that wants no response.
    pub fn send_oneway(&self, mut request: Command) {
        request.opaque = next_opaque();
        request.mark_oneway();
        self.send(request);
        self.wake();
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
        self.send(request);
        self.wake();
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

    /// Hands a response to the call that waits for it.
    pub fn answered(&self, response: Command) {
        match self.calls.lock().remove(&response.opaque) {
            // A caller that has stopped waiting is no error.
            Some(caller) => drop(caller.send(response)),
            None => {
                tracing::debug!(target: "remoting", "late or unasked response {} from {}", response.opaque, self.remote_addr())
            }
        }
    }

    /// Ends the connection; what waits to be written is dropped.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        match &self.way {
            Way::Socket(line) => line.close(),
            Way::Sink(_) => self.end(),
        }
    }

    /// False once the connection is closed or about to be. Java: `Channel.isActive`.
    pub fn is_open(&self) -> bool {
        !self.is_closing() && !self.ended.load(Ordering::Acquire)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// How long nothing was read or written.
    pub(crate) fn idle(&self) -> Duration {
        self.line().map_or(Duration::ZERO, Line::idle)
    }

    /// Once [`Peer::close`] was called. For one waiter at a time.
    pub(crate) async fn closed(&self) {
        if let Some(line) = self.line() {
            line.closed().await;
        }
    }

    /// Where the peer has a socket.
    pub(super) fn line(&self) -> Option<&Line> {
        match &self.way {
            Way::Socket(line) => Some(line),
            Way::Sink(_) => None,
        }
    }

    pub(super) fn observer(&self) -> Option<&dyn Observer> {
        self.observer.as_deref()
    }

    /// Puts a command on its way. Who is not the connection's own task [wakes](Peer::wake) that afterwards.
    pub(super) fn send(&self, command: Command) -> Queued {
        match &self.way {
            Way::Socket(line) => line.push(command).unwrap_or_else(|overfull| {
                tracing::warn!(target: "remoting", "connection {} reads too slowly: {overfull}", self.remote_addr());
                self.close();
                Queued::default()
            }),
            Way::Sink(sink) if self.is_open() => {
                sink(command);
                Queued::default()
            }
            Way::Sink(_) => Queued::default(),
        }
    }

    pub(super) fn wake(&self) {
        if let Way::Socket(line) = &self.way {
            line.wake();
        }
    }

    /// No more is sent or answered.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.closing.store(true, Ordering::Release);
        self.calls.lock().clear();
        if let Way::Socket(line) = &self.way {
            line.end();
        }
    }
}

fn next_opaque() -> i32 {
    NEXT_OPAQUE.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::OUTBOX_BYTES_MAX;
    use bytes::Bytes;

    #[test]
    fn who_lets_replies_pile_up_is_cut_off() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let peer = Peer::socket(nowhere, nowhere, Codec::Json, None, Budget::of_process());
        let body = Bytes::from(vec![0; 1 << 20]);
        let mut sent = 0;
        while peer.is_open() {
            assert!(sent <= OUTBOX_BYTES_MAX, "{sent} bytes wait");
            peer.send(Command::success().with_body(body.clone()));
            sent += body.len();
        }
        assert!(sent >= OUTBOX_BYTES_MAX);
    }

    #[test]
    fn who_does_not_read_holds_up_no_others() {
        const LONG: Duration = Duration::from_secs(60);
        let budget = Budget::for_test(16 << 20, LONG, LONG);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let peer = || Peer::socket(nowhere, nowhere, Codec::Json, None, budget);
        let reply = |bytes| Command::success().with_body(vec![0; bytes]);
        let (first, second) = (peer(), peer());
        for _ in 0..8 {
            first.send(reply(1 << 20));
        }
        assert!(first.is_open());
        second.send(reply(100_000));
        assert!(second.is_open(), "a little is free");
        first.send(reply(1 << 20));
        assert!(!first.is_open(), "there is no room for that");
        first.end();
        assert_eq!(budget.left_bytes(), 16 << 20);
        second.send(reply(1 << 20));
        assert!(second.is_open());
    }
}
