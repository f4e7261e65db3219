//! The way out: every reply leaves through a [`Responder`], now or later, from whatever thread.

use super::Peer;
use crate::code::{RequestCode, ResponseCode};
use crate::command::Command;
use std::sync::Arc;
use std::time::Instant;

/// Who waits for a reply, and for which. Made when a request comes in; whoever has it owes the reply.
///
/// Dropped without a reply it says nothing on the wire, and the [`Observer`] is told.
pub struct Responder {
    peer: Arc<Peer>,
    opaque: i32,
    code: RequestCode,
    oneway: bool,
    received: Instant,
    /// The reply has left, or is another responder's to give.
    spent: bool,
}

impl Responder {
    pub(super) fn new(peer: Arc<Peer>, request: &Command, received: Instant) -> Responder {
        let (opaque, code, oneway) = (request.opaque, request.request_code(), request.is_oneway());
        Responder { peer, opaque, code, oneway, received, spent: false }
    }

    /// Who waits.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Answers. The reply to a oneway request ends here.
    pub fn respond(mut self, reply: Command) {
        self.leave(reply);
        self.peer.wake();
    }

    /// Answers on the connection's own task, which writes when it has run what there is to run. Returns the bytes that
    /// wait to be written.
    pub(super) fn respond_here(mut self, reply: Command) -> usize {
        self.leave(reply)
    }

    /// Moves the debt to a new responder.
    pub(super) fn take(&mut self) -> Responder {
        debug_assert!(!self.spent, "{:?} has been taken or answered", self.code);
        let taken = Responder { peer: self.peer.clone(), spent: self.spent, ..*self };
        self.spent = true;
        taken
    }

    fn leave(&mut self, mut reply: Command) -> usize {
        if std::mem::replace(&mut self.spent, true) {
            // No handler does it: the one that has the responder answers.
            tracing::error!(target: "remoting", "a second reply to {:?} is dropped", self.code);
            debug_assert!(false, "a second reply to {:?}", self.code);
            return 0;
        }
        reply.opaque = self.opaque;
        let response_code = reply.response_code();
        let queued = if self.oneway { Queued::default() } else { self.peer.send(reply) };
        self.tell(Some(response_code), queued.bytes);
        queued.waiting_bytes
    }

    fn tell(&self, response_code: Option<ResponseCode>, bytes: usize) {
        let Some(observer) = self.peer.observer() else { return };
        let Responder { ref peer, code, oneway, received, .. } = *self;
        observer.exchanged(&Exchange { peer, code, oneway, received, response_code, bytes });
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.spent {
            self.tell(None, 0);
        }
    }
}

/// What became of a command that was to be sent.
#[derive(Default)]
pub(super) struct Queued {
    /// Its own, on the wire; 0 where there is no wire, or none any more.
    pub bytes: usize,
    /// All that wait to be written.
    pub waiting_bytes: usize,
}

/// A request and how it ended.
pub struct Exchange<'a> {
    /// Who asked.
    pub peer: &'a Arc<Peer>,
    /// What was asked.
    pub code: RequestCode,
    /// No reply was wanted: the one that was given stayed here.
    pub oneway: bool,
    /// When the request's last byte had been read.
    pub received: Instant,
    /// None: it was not answered.
    pub response_code: Option<ResponseCode>,
    /// Of the reply on the wire.
    pub bytes: usize,
}

/// Is told of every request once it has ended, on the thread that ended it. Must not wait.
pub trait Observer: Send + Sync {
    /// A request has ended.
    fn exchanged(&self, exchange: &Exchange<'_>);
}
