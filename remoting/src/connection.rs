//! One connection, whichever end opened it: one task reads what has come, handles every whole frame in it and
//! writes all replies with one vectored write.

mod budget;
mod call;
mod input;
mod line;
mod outbox;
mod peer;
mod responder;

use crate::command::Command;
use crate::frame::{self, FrameError};
use crate::refusal::Refusal;
pub use budget::{Budget, HELD_BYTES_MAX};
use call::Runs;
pub use call::{Call, Outcome, Taken, Work};
use input::Input;
use line::Line;
pub use outbox::OUTBOX_BYTES_MAX;
pub use peer::{CallError, Peer, Sink};
pub use responder::{Exchange, Observer, Responder};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

/// Replies are written early where a batch of requests has made this much of them.
const WRITE_EARLY_BYTES: usize = 256 * 1024;

/// Calls resumed in a turn of a connection's task, at most: then what they made is written and others have theirs.
const WORK_PER_TURN_MAX: usize = 32;

/// What answers the requests that come in on a connection. Java: `NettyRequestProcessor`.
pub trait Service: Send + Sync + 'static {
    /// Runs on the connection's task: it must not wait. Long work takes the call elsewhere and answers
    /// [`Outcome::Later`].
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal>;

    /// The connection is open. Called once, before the first request.
    fn connected(&self, _peer: &Arc<Peer>) {}

    /// The connection is gone, for whatever reason. Called once.
    fn closed(&self, _peer: &Arc<Peer>) {}

    /// Who is told how requests end; asked once a connection.
    fn observer(&self) -> Option<Arc<dyn Observer>> {
        None
    }
}

/// Has a request served that came from within this process.
pub fn dispatch<S: Service + ?Sized>(service: &S, peer: &Arc<Peer>, request: Command) {
    let mut call = Call::new(peer, request);
    let outcome = service.handle(&mut call);
    call.end(outcome);
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
    let end = serve(stream, peer, service).await;
    if let Some(line) = peer.line() {
        line.drop_work().await;
    }
    match end {
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
    let Some(line) = peer.line() else { return End::Ours };
    let mut input = Input::new(line.budget());
    let mut received = Instant::now();
    loop {
        tokio::select! {
            read = input.fill(&mut stream) => match read {
                Ok(0) => return End::Peer,
                Ok(_) => {
                    received = Instant::now();
                    line.touch(received);
                }
                // TLS clients that leave without a last word, as Java's do. Frames have lengths: nothing is mistaken.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::Peer,
                Err(error) => return End::Io(error),
            },
            () = line.woken() => {}
        }
        loop {
            if peer.is_closing() {
                return End::Ours;
            }
            let waiting_bytes = match frame::take(input.bytes()) {
                Ok(Some(command)) => handle(peer, service, command, received),
                Ok(None) => break,
                Err(error) => {
                    // What was asked before the broken frame is answered still.
                    let _ = line.write_out(&mut stream).await;
                    return End::Frame(error);
                }
            };
            if waiting_bytes >= WRITE_EARLY_BYTES
                && let Err(error) = line.write_out(&mut stream).await
            {
                return End::Io(error);
            }
        }
        run_work(line);
        if let Err(error) = line.write_out(&mut stream).await {
            return End::Io(error);
        }
        if line.has_work() {
            line.wake();
            tokio::task::yield_now().await;
        }
    }
}

/// Resumes calls for one turn.
fn run_work(line: &Line) {
    for _ in 0..WORK_PER_TURN_MAX {
        match line.next_work().map(|rest| rest(Runs::OnConnection)) {
            Some(waiting_bytes) if waiting_bytes < WRITE_EARLY_BYTES => {}
            _ => return,
        }
    }
}

/// Returns the bytes that wait to be written, where a reply was.
fn handle<S: Service + ?Sized>(peer: &Arc<Peer>, service: &S, command: Command, received: Instant) -> usize {
    if command.is_response() {
        peer.answered(command);
        return 0;
    }
    let mut call = Call::received(peer.clone(), command, received);
    let outcome = service.handle(&mut call);
    call.end_here(outcome)
}

#[cfg(test)]
mod tests;
