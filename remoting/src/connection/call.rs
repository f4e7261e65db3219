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
pub struct Work {
    call: Call,
    rest: Rest,
}

type Rest = Box<dyn FnOnce(&mut Call) -> Result<Outcome, Refusal> + Send>;

impl Work {
    /// `rest` is run with the call, once.
    pub fn new(
        call: Call,
        rest: impl FnOnce(&mut Call) -> Result<Outcome, Refusal> + Send + 'static,
    ) -> Work {
        Work { call, rest: Box::new(rest) }
    }

    /// What it is for.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Runs the rest and does with the call what that says.
    pub fn run(mut self) {
        let outcome = (self.rest)(&mut self.call);
        self.call.end(outcome);
    }
}
