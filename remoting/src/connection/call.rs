//! A request on its way through a handler.

use super::{Peer, Responder};
use crate::command::Command;
use crate::refusal::Refusal;
use std::sync::Arc;
use std::time::Instant;

/// What becomes of a request, said by its handler.
#[expect(clippy::large_enum_variant, reason = "replies are the rule: a box would cost each an allocation")]
pub enum Outcome {
    /// The reply.
    Now(Command),
    /// Whoever has taken the call or its responder answers.
    Later(Taken),
    /// There will be no reply.
    Silent,
}

/// Proof that somebody has taken a call's responder.
#[must_use]
pub struct Taken(());

/// A request, who sent it, and the reply that is owed. Java: `RemotingCommand` and `ChannelHandlerContext`.
pub struct Call {
    /// As it came, until [`Call::take`] moves it on.
    pub request: Command,
    responder: Responder,
}

impl Call {
    /// A request that `peer` sends now.
    pub fn new(peer: &Arc<Peer>, request: Command) -> Call {
        Call::received(peer.clone(), request, Instant::now())
    }

    pub(super) fn received(peer: Arc<Peer>, request: Command, received: Instant) -> Call {
        Call { responder: Responder::new(peer, &request, received), request }
    }

    /// Who sent it.
    pub fn peer(&self) -> &Arc<Peer> {
        self.responder.peer()
    }

    /// For who answers later and needs the request no more.
    pub fn take_responder(&mut self) -> (Responder, Taken) {
        (self.responder.take(), Taken(()))
    }

    /// For who answers later and needs the request then.
    pub fn take(&mut self) -> (Call, Taken) {
        let (responder, taken) = self.take_responder();
        (Call { request: std::mem::take(&mut self.request), responder }, taken)
    }

    /// Does with the call what its handler says, on any thread.
    pub fn end(self, outcome: Result<Outcome, Refusal>) {
        if let Some(reply) = reply(outcome) {
            self.responder.respond(reply);
        }
    }

    /// The same on the connection's own task. Returns the bytes that wait to be written, where a reply was.
    pub(super) fn end_here(self, outcome: Result<Outcome, Refusal>) -> usize {
        reply(outcome).map_or(0, |reply| self.responder.respond_here(reply))
    }
}

fn reply(outcome: Result<Outcome, Refusal>) -> Option<Command> {
    match outcome {
        Ok(Outcome::Now(reply)) => Some(reply),
        Ok(Outcome::Later(_) | Outcome::Silent) => None,
        Err(refusal) => Some(refusal.into()),
    }
}

/// A call and the rest of what is to be done for it, on another thread or at another time.
#[must_use = "a call that is dropped is not answered"]
pub struct Work {
    peer: Arc<Peer>,
    rest: Rest,
}

/// Ends the call. The connection's own task gets the bytes that wait to be written.
pub(super) type Rest = Box<dyn FnOnce(Runs) -> usize + Send>;

/// Where work runs.
pub(super) enum Runs {
    OnConnection,
    Elsewhere,
}

impl Work {
    /// `rest` is run with the call, once.
    pub fn new(
        mut call: Call,
        rest: impl FnOnce(&mut Call) -> Result<Outcome, Refusal> + Send + 'static,
    ) -> Work {
        let peer = call.peer().clone();
        let rest = move |runs| {
            let outcome = rest(&mut call);
            match runs {
                Runs::OnConnection => call.end_here(outcome),
                Runs::Elsewhere => {
                    call.end(outcome);
                    0
                }
            }
        };
        Work { peer, rest: Box::new(rest) }
    }

    /// Whose request it is.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// On the thread that calls this.
    pub fn run(self) {
        (self.rest)(Runs::Elsewhere);
    }

    /// On the connection's own task, in turn with what comes in. Where the connection has ended it is dropped; a peer
    /// without a socket has no task and gives it back.
    pub fn run_on_connection(self) -> Result<(), Work> {
        match self.peer.line() {
            Some(line) => {
                line.resume(self.rest);
                Ok(())
            }
            None => Err(self),
        }
    }
}
