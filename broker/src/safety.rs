//! Answers that wait until what they acknowledge is safe: what the settings promise, and who waits.

use crate::broker::Broker;
use remoting::{Command, Responder, ResponseCode};
use std::sync::Arc;
use store::{FlushDiskType, MessageStoreConfig, Policy, WaitOutcome, Waiter};
use tokio::sync::oneshot;

/// Who waits for a message to be safe.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are replies, and a box each would cost more than it saves"
)]
pub enum Waiting {
    /// An answer, made when the wait ends.
    Reply(LateReply),
    /// A task that goes on, however the wait ends.
    Task(oneshot::Sender<()>),
}

/// A reply that is ready but for its code.
pub struct LateReply {
    /// Whom to answer.
    pub responder: Responder,
    /// The answer; see `tells_outcome` for its code.
    pub reply: Command,
    /// Whether the code says how the wait ended; else it stays as it is.
    pub tells_outcome: bool,
}

impl Waiter for Waiting {
    fn end(self, outcome: WaitOutcome) {
        match self {
            Waiting::Reply(late) => late.send(outcome),
            // Who is gone does not go on.
            Waiting::Task(task) => drop(task.send(())),
        }
    }
}

impl LateReply {
    fn send(mut self, outcome: WaitOutcome) {
        if self.tells_outcome {
            self.reply.code = code_of(outcome).0;
        }
        self.responder.respond(self.reply);
    }
}

/// Java: `SendMessageProcessor.handlePutMessageResult`, for what is in the log.
fn code_of(outcome: WaitOutcome) -> ResponseCode {
    match outcome {
        WaitOutcome::Safe => ResponseCode::SUCCESS,
        WaitOutcome::FlushDiskTimeout => ResponseCode::FLUSH_DISK_TIMEOUT,
        WaitOutcome::FlushSlaveTimeout => ResponseCode::FLUSH_SLAVE_TIMEOUT,
        WaitOutcome::SlaveNotAvailable => ResponseCode::SLAVE_NOT_AVAILABLE,
    }
}

/// What an acknowledgement has to reach, of messages that wait for it (property `WAIT` not `false`); `None` if being in the
/// log is enough.
pub fn safety_policy(settings: &MessageStoreConfig) -> Option<Policy> {
    let flushes = settings.flush_disk_type == FlushDiskType::SyncFlush;
    let flushed_within = flushes.then(|| settings.sync_flush_timeout());
    Some(Policy { flushed_within, replicated: None }).filter(|policy| !policy.is_nothing())
}

impl Broker {
    /// Answers once what is in the log up to `end_offset` is as safe as `policy` says.
    pub fn answer_when_safe(&self, end_offset: i64, policy: Option<Policy>, late: LateReply) {
        match policy {
            Some(policy) => self.waiting.when_safe(end_offset, policy, Waiting::Reply(late)),
            None => Waiting::Reply(late).end(WaitOutcome::Safe),
        }
    }

    /// The same, after the topics' settings are on disk. If the disk refuses those, the message may not survive for
    /// consumers either.
    pub fn answer_when_saved(self: &Arc<Broker>, end_offset: i64, policy: Option<Policy>, late: LateReply) {
        let broker = self.clone();
        let saved = move |saved: Result<(), String>| match saved {
            Ok(()) => broker.answer_when_safe(end_offset, policy, late),
            Err(_) => Waiting::Reply(late).end(WaitOutcome::FlushDiskTimeout),
        };
        self.persister.when_saved(self.topics.clone(), Box::new(saved));
    }
}
