//! Looks for half messages that nobody has ended, and asks their producers. Java: `TransactionalMessageServiceImpl.check`.

use super::half::{self, REMOVE_TAG};
use super::{Ask, Transactions, ops};
use crate::topic_validator::{
    RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC, TRANS_CHECK_MAX_TIME_TOPIC,
};
use crate::topics::{perm, queue_ids};
use message::property::{
    CHECK_IMMUNITY_TIME_IN_SECONDS, PRODUCER_GROUP, REAL_TOPIC, TAGS, TRANSACTION_CHECK_TIMES,
    TRANSACTION_PREPARED_QUEUE_OFFSET, UNIQ_KEY,
};
use message::{Properties, PropertyCrc, Record, StoredMessage, id, property, record};
use remoting::header::transaction::CheckTransactionStateRequestHeader;
use remoting::{Command, RequestCode};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use store::get::PULL_BYTES_MAX;
use store::{AccessError, Appended, Everything, GetMessageResult, GetMessageStatus, GetRequest};

/// Java: `MixAll.CID_SYS_RMQ_TRANS`; its offsets say how far the check has come in both topics.
pub(super) const GROUP: &str = "CID_RMQ_SYS_TRANS";
/// Queues of the topic of messages given up. Java: `TCMT_QUEUE_NUMS`.
const GIVEN_UP_QUEUE_NUMS: i32 = 1;
/// Java: `MAX_PROCESS_TIME_LIMIT`, for one queue.
const PROCESS_MS_MAX: u64 = 60_000;
/// Java: `OP_MSG_PULL_NUMS`.
const OP_MSG_PULL_NUMS: usize = 32;
/// Unreadable half messages that one pass steps over. Java: `MAX_RETRY_COUNT_WHEN_HALF_NULL`.
const MISSES_MAX: u32 = 1;
/// A pass waits no longer for the ops written before it; it may then ask for what has just been ended.
const DERIVE_MS_MAX: u64 = 1000;
const DERIVE_POLL: Duration = Duration::from_millis(1);
/// Late ends remembered; the oldest offsets go first.
const LATE_ENDS_MAX: usize = 10_000;

impl Transactions {
    /// One pass over all queues of half messages.
    pub(super) fn check(&self, ask: &Ask) {
        // What has been ended must not be asked for.
        self.write_ops(true);
        self.wait_until_derived();
        let queue_nums =
            self.parts.topics.find(RMQ_SYS_TRANS_HALF_TOPIC).map_or(0, |topic| topic.read_queue_nums);
        for queue_id in queue_ids(queue_nums) {
            Pass::new(self, ask, queue_id).run();
        }
    }

    /// Waits until the queues have what the log has now, or for too long.
    fn wait_until_derived(&self) {
        let store = &self.parts.store;
        let (end, give_up_ms) = (store.max_phy_offset(), self.clock.monotonic_ms() + DERIVE_MS_MAX);
        while store.max_phy_offset() - store.dispatch_behind_bytes() < end
            && self.clock.monotonic_ms() < give_up_ms
        {
            if self.workers.sleep(DERIVE_POLL) {
                return;
            }
        }
    }

    /// Java: `fetchConsumeOffset`.
    fn progress(&self, topic: &str, queue_id: i32) -> i64 {
        match self.parts.offsets.query(GROUP, topic, queue_id) {
            -1 => self.parts.store.min_offset_in_queue(topic, queue_id),
            offset => offset,
        }
    }

    fn set_progress(&self, topic: &str, queue_id: i32, offset: i64) {
        // A system group has room always.
        let _ = self.parts.offsets.commit(&self.store_host, GROUP, topic, queue_id, offset);
    }

    fn read(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        count_max: usize,
    ) -> Result<GetMessageResult, AccessError> {
        let request = GetRequest { topic, queue_id, offset, count_max, bytes_max: PULL_BYTES_MAX };
        self.parts.store.get_message(request, &Everything)
    }
}

/// One pass over one queue.
struct Pass<'a> {
    transactions: &'a Transactions,
    ask: &'a Ask,
    queue_id: i32,
    /// When it must be over, on the monotonic clock.
    deadline_ms: u64,
    /// The half message it begins with.
    first: i64,
    /// Where half messages and op messages ended when it began. Java goes by the wall clock, which may be set: what came
    /// later is for the next pass.
    end: i64,
    ops_end: i64,
    /// Half message to the op message that ends it.
    ended: HashMap<i64, i64>,
    /// Op message to the number of its half messages that the pass has not come to.
    open_ops: HashMap<i64, usize>,
    /// Op messages that are done with.
    done_ops: BTreeSet<i64>,
    first_op: i64,
    next_op: i64,
}

/// What becomes of a pass after a look at a half message.
enum Step {
    Next,
    /// With more op messages.
    Again,
    Stop,
}

impl<'a> Pass<'a> {
    fn new(transactions: &'a Transactions, ask: &'a Ask, queue_id: i32) -> Pass<'a> {
        let first_op = transactions.progress(RMQ_SYS_TRANS_OP_HALF_TOPIC, queue_id);
        let end_of = |topic| transactions.parts.store.max_offset_in_queue(topic, queue_id);
        Pass {
            transactions,
            ask,
            queue_id,
            deadline_ms: transactions.clock.monotonic_ms() + PROCESS_MS_MAX,
            first: transactions.progress(RMQ_SYS_TRANS_HALF_TOPIC, queue_id),
            end: end_of(RMQ_SYS_TRANS_HALF_TOPIC),
            ops_end: end_of(RMQ_SYS_TRANS_OP_HALF_TOPIC),
            ended: HashMap::new(),
            open_ops: HashMap::new(),
            done_ops: BTreeSet::new(),
            first_op,
            next_op: first_op,
        }
    }

    fn run(mut self) {
        if let Err(error) = self.look_at_all() {
            tracing::error!("the check of queue {} stops: {error}", self.queue_id);
        }
    }

    fn look_at_all(&mut self) -> Result<(), AccessError> {
        self.read_ops()?;
        let (mut at, mut misses) = (self.first, 0);
        while self.transactions.clock.monotonic_ms() <= self.deadline_ms
            && !self.transactions.workers.is_stopping()
        {
            if self.take_ended(at) {
                at += 1;
                continue;
            }
            let found = self.transactions.read(RMQ_SYS_TRANS_HALF_TOPIC, self.queue_id, at, 1);
            let read =
                found.and_then(|found| Ok((found.status, found.next_begin_offset, found.into_copy()?)));
            let (status, next, bytes) = read.inspect_err(|_| self.keep_progress(at))?;
            let Ok(Record::Message(half)) = Record::decode(&bytes) else {
                misses += 1;
                if misses > MISSES_MAX || is_end(status) {
                    break;
                }
                tracing::warn!("half message {at} of queue {} is missing: going on at {next}", self.queue_id);
                at = next;
                continue;
            };
            match self.look_at(&half).inspect_err(|_| self.keep_progress(at))? {
                Step::Next => at += 1,
                Step::Again => {}
                Step::Stop => break,
            }
        }
        self.keep_progress(at);
        Ok(())
    }

    fn keep_progress(&self, at: i64) {
        if at != self.first {
            self.transactions.set_progress(RMQ_SYS_TRANS_HALF_TOPIC, self.queue_id, at);
        }
        let is_in_row = |(op, expected): &(i64, i64)| op == expected;
        let done =
            self.done_ops.range(self.first_op..).copied().zip(self.first_op..).take_while(is_in_row).count();
        if done > 0 {
            let next_op = self.first_op + done as i64;
            self.transactions.set_progress(RMQ_SYS_TRANS_OP_HALF_TOPIC, self.queue_id, next_op);
        }
        if at != self.first || done > 0 {
            let (queue_id, first) = (self.queue_id, self.first);
            tracing::info!("half messages of queue {queue_id} checked from {first} to {at}, {done} ops done");
        }
    }

    fn look_at(&mut self, half: &StoredMessage<'_>) -> Result<Step, AccessError> {
        let mut properties = Properties::parse(&half.message.properties);
        if self.has_ended_before(&properties) {
            return Ok(Step::Next);
        }
        if half.queue_offset >= self.end {
            return Ok(Step::Stop);
        }
        let settings = self.transactions.settings.load();
        let age_ms = self.age_ms(half);
        // Java: `needSkip`, which comes behind the count.
        if age_ms > settings.store.file_reserved_time().as_millis() as i64 {
            count_check(&mut properties, settings.broker.transaction_check_max);
            return Ok(self.give_up(half, &properties));
        }
        let timeout_ms = settings.broker.transaction_time_out_ms;
        let own_immunity_ms =
            properties.get(CHECK_IMMUNITY_TIME_IN_SECONDS).map(|seconds| match seconds.parse::<i64>() {
                Err(_) | Ok(-1) => timeout_ms,
                Ok(seconds) => seconds.saturating_mul(1000),
            });
        match own_immunity_ms {
            // Out of the way, so that those behind it can be looked at. Nobody is asked; Java counts a check all the same.
            Some(immunity_ms) if age_ms <= immunity_ms => {
                let renewed = half::renewed_immune(half, &properties);
                return Ok(self.or_stop(self.transactions.put(renewed).map(drop)));
            }
            // A producer whose clock is ahead is asked at once.
            None if (0..=timeout_ms).contains(&age_ms) => return Ok(Step::Stop),
            _ => {}
        }
        if !count_check(&mut properties, settings.broker.transaction_check_max) {
            return Ok(self.give_up(half, &properties));
        }
        if self.next_op < self.ops_end && self.read_ops()? {
            return Ok(Step::Again);
        }
        if self.transactions.ops.is_pending(self.queue_id, half.queue_offset) {
            return Ok(Step::Next);
        }
        Ok(self.ask_for(half, &properties))
    }

    /// Whether an op message has ended the half message that this one, once put out of the way, stands for. Java looks
    /// only among those read in the same pass, and asks for a message that was ended in time.
    fn has_ended_before(&mut self, properties: &Properties) -> bool {
        let prepared =
            properties.get(TRANSACTION_PREPARED_QUEUE_OFFSET).and_then(|offset| offset.parse().ok());
        let Some(prepared) = prepared else { return false };
        let is_late = self.transactions.late_ends.lock().remove(&(self.queue_id, prepared));
        is_late || self.take_ended(prepared)
    }

    /// Java: `resolveDiscardMsg`.
    fn give_up(&self, half: &StoredMessage<'_>, properties: &Properties) -> Step {
        let at = half.physical_offset;
        tracing::error!("the half message at {at} is given up: to {TRANS_CHECK_MAX_TIME_TOPIC}");
        let (topics, rw) = (&self.transactions.parts.topics, perm::READ | perm::WRITE);
        topics.create_in_send_message_back(TRANS_CHECK_MAX_TIME_TOPIC, GIVEN_UP_QUEUE_NUMS, rw, false, 0);
        let put = self.transactions.put(half::given_up(half, properties));
        if let (Ok(_), Some(topic)) = (&put, properties.get(REAL_TOPIC)) {
            self.transactions.metrics.add(topic, -1);
        }
        self.or_stop(put.map(drop))
    }

    /// Puts the half message back behind the others, and asks its producer about the new one.
    fn ask_for(&self, half: &StoredMessage<'_>, properties: &Properties) -> Step {
        let put = self.transactions.put(half::renewed(half, properties));
        if let Ok(appended) = put {
            let group = properties.get(PRODUCER_GROUP).unwrap_or_default();
            match self.question(half, properties, appended) {
                Some(question) => (self.ask)(group, question),
                None => {
                    tracing::error!("nobody can be asked for the half message at {}", half.physical_offset)
                }
            }
        }
        self.or_stop(put.map(drop))
    }

    /// Java: `sendCheckMessage`.
    fn question(
        &self,
        half: &StoredMessage<'_>,
        properties: &Properties,
        appended: Appended,
    ) -> Option<Command> {
        let message = half::asked_for(half, properties).ok()?;
        let mut body = Vec::new();
        let record = message.encode(PropertyCrc::Omit, &mut body).ok()?;
        let (queue_offset, physical_offset) = (appended.queue_offset, appended.physical_offset);
        record.place(&mut body, queue_offset, physical_offset, half.store_timestamp_ms);
        let msg_id = properties.get(UNIQ_KEY);
        let header = CheckTransactionStateRequestHeader {
            topic: Some(RMQ_SYS_TRANS_HALF_TOPIC),
            tran_state_table_offset: Some(queue_offset),
            commit_log_offset: Some(physical_offset),
            msg_id,
            transaction_id: msg_id,
            offset_msg_id: Some(&id::offset_message_id(half.message.store_host, physical_offset)),
            broker_name: Some(&self.transactions.settings.load().identity.broker_name),
            ..Default::default()
        };
        Some(Command {
            body: body.into(),
            ..Command::request(RequestCode::CHECK_TRANSACTION_STATE, header.encode())
        })
    }

    /// What the store does not take now is tried again in the next pass. Java goes on at once, and loses what it gave up.
    fn or_stop(&self, put: Result<(), store::PutError>) -> Step {
        match put {
            Ok(()) => Step::Next,
            Err(error) => {
                tracing::warn!("the check of queue {} stops: {error}", self.queue_id);
                Step::Stop
            }
        }
    }

    /// Reads on in the op messages; false if it comes no further. Java: `fillOpRemoveMap`.
    fn read_ops(&mut self) -> Result<bool, AccessError> {
        let (topic, from) = (RMQ_SYS_TRANS_OP_HALF_TOPIC, self.next_op);
        let found = self.transactions.read(topic, self.queue_id, from, OP_MSG_PULL_NUMS)?;
        let next_op = found.next_begin_offset;
        if found.status != GetMessageStatus::Found && !is_end(found.status) {
            tracing::warn!("op message {from} of queue {} is missing", self.queue_id);
            self.transactions.set_progress(topic, self.queue_id, next_op);
        }
        let ops = found.into_copy()?;
        self.next_op = next_op;
        record::messages(&ops).for_each(|op| self.take_op(&op));
        Ok(self.next_op > from)
    }

    fn take_op(&mut self, op: &StoredMessage<'_>) {
        if property::find(&op.message.properties, TAGS) != Some(REMOVE_TAG) {
            tracing::error!("the op message at {} has another tag", op.physical_offset);
        } else {
            for half in ops::offsets(op.message.body) {
                self.take_end(half, op.queue_offset);
            }
        }
        if !self.open_ops.contains_key(&op.queue_offset) {
            self.done_ops.insert(op.queue_offset);
        }
    }

    fn take_end(&mut self, half: i64, op: i64) {
        if half < self.first {
            let mut late_ends = self.transactions.late_ends.lock();
            late_ends.insert((self.queue_id, half));
            if late_ends.len() > LATE_ENDS_MAX {
                late_ends.pop_first();
            }
            return;
        }
        if self.ended.get(&half) == Some(&op) {
            return;
        }
        // Ended twice: the first op message is not waited for.
        self.take_ended(half);
        self.ended.insert(half, op);
        *self.open_ops.entry(op).or_default() += 1;
    }

    /// Whether an op message ends the half message; if so it has been come to.
    fn take_ended(&mut self, half: i64) -> bool {
        let Some(op) = self.ended.remove(&half) else { return false };
        if let Some(open) = self.open_ops.get_mut(&op) {
            *open -= 1;
            if *open == 0 {
                self.open_ops.remove(&op);
                self.done_ops.insert(op);
            }
        }
        true
    }

    /// A producer may have sent any time; as in Java the difference wraps.
    fn age_ms(&self, half: &StoredMessage<'_>) -> i64 {
        self.transactions.clock.wall_ms().wrapping_sub(half.message.born_timestamp_ms)
    }
}

/// Nothing more in the queue. Java: `PullStatus.NO_NEW_MSG`.
fn is_end(status: GetMessageStatus) -> bool {
    matches!(status, GetMessageStatus::NoMessageInQueue | GetMessageStatus::OffsetOverflowOne)
}

/// Counts one check more among the properties; false if there were enough. Java: `needDiscard`.
fn count_check(properties: &mut Properties, check_max: i32) -> bool {
    let checked = properties.get(TRANSACTION_CHECK_TIMES).map(|times| times.parse::<i32>().unwrap_or(-1));
    if checked.is_some_and(|checked| checked >= check_max) {
        return false;
    }
    properties.put(TRANSACTION_CHECK_TIMES, &(checked.unwrap_or(0) + 1).to_string());
    true
}
