//! Transactions: a half message waits in a system topic until its producer commits it or rolls it back; a producer that
//! says nothing is asked. Java: `TransactionalMessageServiceImpl` and `TransactionalMessageBridge`.
//!
//! ```text
//! send -> RMQ_SYS_TRANS_HALF_TOPIC -- commit --> real topic
//!            |        ^                 \
//!            |        | put back         `-> ops (batched) -> RMQ_SYS_TRANS_OP_HALF_TOPIC
//!            v        | and ask                                  |
//!          check (own thread): half messages that no op ends <---'
//! ```

mod check;
mod half;
mod ops;
#[cfg(test)]
mod tests;

use crate::config::BrokerSettings;
use crate::delays::Delays;
use crate::offsets::ConsumerOffsets;
use crate::persister::ConfigTable;
use crate::topic_metrics::TopicMetrics;
use crate::topic_validator::RMQ_SYS_TRANS_HALF_TOPIC;
use crate::topics::Topics;
use crate::workers::Workers;
use message::{Message, StoredMessage, property};
use ops::Ops;
use parking_lot::Mutex;
use process::clock::Clock;
use process::config::Live;
use process::files::LoadError;
use remoting::Command;
use remoting::body::TransactionMetricsSerializeWrapper;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Appended, MessageStore, PutError};

pub use half::NotHalf;

/// The op thread looks at its work no more often than this, whatever `transactionOpBatchInterval` says.
const OP_SLEEP_MIN: Duration = Duration::from_millis(10);

/// Asks some producer of the group what became of a half message. Must not block.
pub type Ask = Box<dyn Fn(&str, Command) + Send>;

/// What the transactions work on.
#[derive(Clone)]
pub struct Collaborators {
    /// Where half messages and their ends are read.
    pub store: Arc<MessageStore>,
    /// By way of this every message is stored; one that is to wait for a time does so.
    pub delays: Delays,
    /// The settings of the topic of half messages, and of what is given up.
    pub topics: Arc<Topics>,
    /// How far the check is in its own topics.
    pub offsets: Arc<ConsumerOffsets>,
}

/// Half messages, what becomes of them, and the threads that see to it. Java: `TransactionalMessageServiceImpl`.
pub struct Transactions {
    settings: Live<BrokerSettings>,
    store_host: SocketAddr,
    parts: Collaborators,
    clock: Clock,
    metrics: TopicMetrics<TransactionMetricsSerializeWrapper>,
    ops: Ops,
    /// Queue and offset of half messages whose end came after the check had passed them; see `check`.
    late_ends: Mutex<BTreeSet<(i32, i64)>>,
    workers: Workers,
}

impl Transactions {
    /// `metrics_path`: `config/transactionMetrics`. `store_host` is this broker in the op messages. An error if
    /// neither the metrics nor their backup can be read.
    pub fn load(
        metrics_path: &Path,
        settings: Live<BrokerSettings>,
        store_host: SocketAddr,
        parts: Collaborators,
        clock: Clock,
    ) -> Result<Transactions, LoadError> {
        Ok(Transactions {
            settings,
            store_host,
            parts,
            metrics: TopicMetrics::load(metrics_path, clock.clone())?,
            clock,
            ops: Ops::default(),
            late_ends: Mutex::default(),
            workers: Workers::default(),
        })
    }

    /// Stores a half message in place of the message. Java: `asyncPrepareMessage`. Errors are those of
    /// [`Delays::append`].
    pub fn prepare(&self, message: Message<'_>) -> Result<Appended, PutError> {
        let topic = message.topic.clone().into_owned();
        let appended = self.put(half::of(message))?;
        self.metrics.add(&topic, 1);
        Ok(appended)
    }

    /// Stores the message that a half message stands for, and ends the half message.
    /// Java: `EndTransactionProcessor.sendFinalMessage` and `deletePrepareMessage`. [`NotHalf`] if it stands for
    /// none; an error of the store leaves the half message as it is.
    pub fn commit(&self, half: &StoredMessage<'_>) -> Result<Result<Appended, PutError>, NotHalf> {
        let message = half::committed(half)?;
        let topic = message.topic.clone();
        let put = self.put(message);
        if put.is_ok() {
            self.end(half);
            self.metrics.add(&topic, -1);
        }
        Ok(put)
    }

    /// Ends a half message, whose message nobody gets. Java: `deletePrepareMessage`.
    pub fn rollback(&self, half: &StoredMessage<'_>) {
        self.end(half);
        if let Some(topic) = property::find(&half.message.properties, property::REAL_TOPIC) {
            self.metrics.add(topic, -1);
        }
    }

    /// Has a message that was given up checked once more from the start. Java: `resumeCheckHalfMessage`. Errors are
    /// those of [`Delays::append`].
    pub fn resume(&self, given_up: &StoredMessage<'_>) -> Result<Appended, PutError> {
        self.put(half::resumed(given_up))
    }

    /// Whether a half message with a check time of its own is past it: only a producer that was asked may end it then.
    /// Java: `rejectCommitOrRollback`.
    pub fn is_immunity_over(&self, half: &StoredMessage<'_>) -> bool {
        let seconds = property::find(&half.message.properties, property::CHECK_IMMUNITY_TIME_IN_SECONDS);
        seconds.is_some_and(|seconds| {
            let immunity_ms = seconds.parse::<i64>().unwrap_or(0).saturating_mul(1000);
            let age_ms = self.clock.wall_ms().wrapping_sub(half.message.born_timestamp_ms);
            age_ms > immunity_ms.max(self.settings.load().broker.transaction_time_out_ms)
        })
    }

    /// Java: `deletePrepareMessage`.
    fn end(&self, half: &StoredMessage<'_>) {
        if half.message.topic != RMQ_SYS_TRANS_HALF_TOPIC {
            tracing::warn!("the half message at {} lies in {}", half.physical_offset, half.message.topic);
            return;
        }
        let (queue_id, now_ms) = (half.message.queue_id, self.clock.monotonic_ms());
        let Some(bytes) = self.ops.add(queue_id, half.queue_offset, now_ms) else {
            self.write_op(queue_id, &[half.queue_offset]);
            return;
        };
        if bytes > self.settings.load().broker.transaction_op_msg_max_size_bytes {
            self.workers.wake();
        }
    }

    /// Writes the ops that have waited long enough, or all. Java: `batchSendOpMessage`.
    fn write_ops(&self, all: bool) {
        let due = {
            let broker = &self.settings.load().broker;
            let interval_ms = if all { 0 } else { broker.transaction_op_batch_interval_ms };
            self.ops.take_due(
                self.clock.monotonic_ms(),
                interval_ms,
                broker.transaction_op_msg_max_size_bytes,
            )
        };
        for (queue_id, offsets) in due {
            self.write_op(queue_id, &offsets);
        }
    }

    /// Ops that the store does not take wait on.
    fn write_op(&self, queue_id: i32, offsets: &[i64]) {
        let body = ops::body(offsets);
        if let Err(error) = self.put(half::op(queue_id, &body, self.store_host, self.clock.wall_ms())) {
            tracing::warn!("{} half messages of queue {queue_id} are not ended yet: {error}", offsets.len());
            self.ops.put_back(queue_id, offsets);
        }
    }

    fn put(&self, message: Message<'_>) -> Result<Appended, PutError> {
        self.parts.delays.append(&self.parts.store, message)
    }

    /// Starts to check and to write ops. A master's task. An error if the system has no thread left.
    pub fn start(self: &Arc<Self>, ask: Ask) -> io::Result<()> {
        let transactions = self.clone();
        self.workers.start("transaction-check", move || transactions.check_until_stopped(&ask))?;
        let transactions = self.clone();
        self.workers.start("transaction-op", move || transactions.write_until_stopped())
    }

    /// Returns when all ends are in the log. Blocks for the message under way.
    pub fn shutdown(&self) {
        self.workers.stop();
        self.write_ops(true);
        self.metrics.persist();
    }

    fn check_until_stopped(&self, ask: &Ask) {
        let interval_ms = || self.settings.load().broker.transaction_check_interval_ms.max(1);
        while !self.workers.sleep(Duration::from_millis(interval_ms())) {
            self.check(ask);
        }
    }

    fn write_until_stopped(&self) {
        let interval = || Duration::from_millis(self.settings.load().broker.transaction_op_batch_interval_ms);
        let mut flushed_ms = self.clock.monotonic_ms();
        let mut sleep = interval();
        while !self.workers.sleep_or_wake(sleep.max(OP_SLEEP_MIN)) {
            self.write_ops(false);
            let now_ms = self.clock.monotonic_ms();
            if now_ms - flushed_ms >= self.settings.load().broker.transaction_metric_flush_interval_ms {
                self.metrics.persist();
                flushed_ms = now_ms;
            }
            let waited =
                |written_ms| Duration::from_millis(self.clock.monotonic_ms().saturating_sub(written_ms));
            let oldest = self.ops.oldest_write_ms();
            let interval = interval();
            sleep = oldest.map_or(interval, |written_ms| interval.saturating_sub(waited(written_ms)));
        }
    }
}
