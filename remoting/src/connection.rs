//! One connection, whichever end opened it: one task reads what has come, handles every whole frame in it and
//! writes all replies with one vectored write.

mod input;
mod outbox;
mod peer;

use crate::command::Command;
use crate::frame::{self, FrameError};
use input::Input;
pub use outbox::OUTBOX_BYTES_MAX;
pub use peer::{CallError, Peer};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Replies are written early where a batch of requests has made this much of them.
const WRITE_EARLY_BYTES: usize = 256 * 1024;

/// What becomes of a request.
#[expect(clippy::large_enum_variant, reason = "replies are the rule: a box would cost each an allocation")]
pub enum Outcome {
    /// The reply; a oneway request's is dropped.
    Now(Command),
    /// The reply comes through [`Peer::reply`].
    Later,
    /// There will be none.
    Silent,
}

/// What answers the requests that come in on a connection. Java: `NettyRequestProcessor`.
pub trait Service: Send + Sync + 'static {
    /// Runs on the connection's task: it must not wait. Long work goes elsewhere and answers [`Outcome::Later`].
    fn handle(&self, peer: &Arc<Peer>, request: Command) -> Outcome;

    /// The connection is open. Called once, before the first request.
    fn connected(&self, _peer: &Arc<Peer>) {}

    /// The connection is gone, for whatever reason. Called once.
    fn closed(&self, _peer: &Arc<Peer>) {}
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// The other end closed it.
    Peer,
    /// We did: [`Peer::close`].
    Ours,
    Io(io::Error),
    Frame(FrameError),
}

/// Serves a connection until it ends.
pub(crate) async fn run<S: Service + ?Sized>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: &Arc<Peer>,
    service: &S,
) {
    service.connected(peer);
    let _ending = Ending { peer, service };
    match serve(stream, peer, service).await {
        End::Peer => {
            tracing::info!(target: "remoting", "connection {} closed by its peer", peer.remote_addr())
        }
        End::Ours => tracing::info!(target: "remoting", "connection {} closed", peer.remote_addr()),
        End::Io(error) => {
            tracing::info!(target: "remoting", "connection {} broke: {error}", peer.remote_addr());
        }
        End::Frame(error) => {
            tracing::warn!(target: "remoting", "connection {} closed, it sent what is no frame: {error}", peer.remote_addr());
        }
    }
}

/// Dropped with the connection's task: a request that makes a handler panic leaves no client behind either.
struct Ending<'a, S: Service + ?Sized> {
    peer: &'a Arc<Peer>,
    service: &'a S,
}

impl<S: Service + ?Sized> Drop for Ending<'_, S> {
    fn drop(&mut self) {
        self.peer.end();
        self.service.closed(self.peer);
    }
}

async fn serve<S: Service + ?Sized>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: &Arc<Peer>,
    service: &S,
) -> End {
    let mut input = Input::default();
    loop {
        tokio::select! {
            read = input.fill(&mut stream) => match read {
                Ok(0) => return End::Peer,
                Ok(_) => peer.touch(),
                // TLS clients that leave without a last word, as Java's do. Frames have lengths: nothing is mistaken.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::Peer,
                Err(error) => return End::Io(error),
            },
            () = peer.woken() => {}
        }
        loop {
            if peer.is_closing() {
                return End::Ours;
            }
            match frame::take(input.bytes()) {
                Ok(Some(command)) => handle(peer, service, command),
                Ok(None) => break,
                Err(error) => {
                    // What was asked before the broken frame is answered still.
                    let _ = peer.write_out(&mut stream).await;
                    return End::Frame(error);
                }
            }
            if peer.outbox_bytes() >= WRITE_EARLY_BYTES
                && let Err(error) = peer.write_out(&mut stream).await
            {
                return End::Io(error);
            }
        }
        if let Err(error) = peer.write_out(&mut stream).await {
            return End::Io(error);
        }
    }
}

fn handle<S: Service + ?Sized>(peer: &Arc<Peer>, service: &S, command: Command) {
    if command.is_response() {
        peer.answered(command);
        return;
    }
    let (opaque, oneway) = (command.opaque, command.is_oneway());
    if let Outcome::Now(reply) = service.handle(peer, command)
        && !oneway
    {
        peer.push_reply(opaque, reply);
    }
}
