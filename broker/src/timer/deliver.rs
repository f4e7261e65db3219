//! Out of the wheel, into the real topics. Java: `TimerDequeueGetService`, `TimerDequeueGetMessageService`,
//! `TimerDequeuePutMessageService`.

use super::Timer;
use super::enter::NEVER_ENTERED;
use crate::real_place;
use crate::topic_validator::RMQ_SYS_WHEEL_TIMER;
use crate::unreadable::Unreadable;
use message::property::{
    self, REAL_TOPIC, TIMER_DEL_UNIQKEY, TIMER_DEQUEUE_MS, TIMER_ENQUEUE_MS, TIMER_OUT_MS, TIMER_ROLL_TIMES,
    UNIQ_KEY,
};
use message::{Message, PROPERTIES_BYTES_MAX, Properties, Record, StoredMessage, property_crc};
use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;
use store::PutError;
use store::layout::TimerLogRecord;

/// Until a message that the store did not take is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The timer stops before the message could be delivered.
pub(super) struct Stopped;

/// Which messages of a slot are put into the timer's queue again, and not delivered.
#[derive(Clone, Copy)]
pub(super) enum Rolls {
    /// Those whose records say so.
    Marked,
    All,
    None,
}

impl Rolls {
    fn of(self, record: &TimerLogRecord) -> bool {
        match self {
            Rolls::Marked => record.rolls(),
            Rolls::All => true,
            Rolls::None => false,
        }
    }
}

impl Timer {
    /// Delivers the slots that are over.
    pub(super) fn deliver_due(&self) {
        if !self.store.config().timer_stop_dequeue {
            let write_ms = self.progress.lock().write_ms;
            self.deliver_until(write_ms);
        }
    }

    /// Delivers the slots before `end_ms`. Stops early only between two slots, or where the store takes no message.
    pub(super) fn deliver_until(&self, end_ms: i64) {
        let mut slot_ms = self.progress.lock().read_ms;
        while slot_ms < end_ms && !self.workers.is_stopping() {
            let Ok(places) = self.places(slot_ms) else { return };
            if !places.is_empty() && self.deliver_slot(&places, Rolls::Marked).is_err() {
                return;
            }
            slot_ms += self.tick_ms;
            match places.is_empty() {
                true => self.progress.lock().read_ms = slot_ms,
                false => self.moved(|progress| progress.read_ms = slot_ms),
            }
        }
    }

    /// Places of the records of a slot.
    pub(super) fn places(&self, slot_ms: i64) -> Result<Vec<i64>, Stopped> {
        self.files.places(slot_ms).map_err(|error| {
            tracing::error!("timed messages wait, the slot of {slot_ms} cannot be read: {error}");
            Stopped
        })
    }

    pub(super) fn deliver_slot(&self, places: &[i64], rolls: Rolls) -> Result<(), Stopped> {
        let mut records = Vec::with_capacity(places.len());
        for place in places {
            records.extend(self.files.record(*place).map_err(|error| {
                tracing::error!("timed messages wait, the timer log cannot be read: {error}");
                Stopped
            })?);
        }
        let recalls = |record: &TimerLogRecord| record.deletes() && !rolls.of(record);
        let mut recalled = HashSet::new();
        for record in records.iter().filter(|record| recalls(record)) {
            self.with_message(record, |recall| {
                if let Some(key) = property::find(&recall.message.properties, TIMER_DEL_UNIQKEY) {
                    // It was counted as one message less, which now shows whether there is one.
                    self.count(recall, 1);
                    recalled.insert(key.to_owned());
                }
                Ok(())
            })?;
        }
        for record in records.iter().filter(|record| !recalls(record)) {
            self.with_message(record, |stored| {
                if self.is_recalled(stored, &recalled) {
                    self.count(stored, -1);
                    return Ok(());
                }
                self.deliver(stored, record.write_time_ms, rolls.of(record))
            })?;
        }
        Ok(())
    }

    /// Reads the message of a record; one that is gone is left out.
    fn with_message(
        &self,
        record: &TimerLogRecord,
        use_it: impl FnOnce(&StoredMessage<'_>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let bytes = self.message_bytes(record.physical_offset)?;
        match bytes.as_deref().map(Record::decode) {
            Some(Ok(Record::Message(stored)))
                if stored.message.topic == RMQ_SYS_WHEEL_TIMER
                    && stored.size == record.message_bytes as usize =>
            {
                use_it(&stored)
            }
            _ => {
                tracing::error!("the timed message at {} is gone", record.physical_offset);
                Ok(())
            }
        }
    }

    /// What the store has at an offset; nothing where it cannot be read for long.
    fn message_bytes(&self, physical_offset: i64) -> Result<Option<Vec<u8>>, Stopped> {
        let mut unreadable = Unreadable::default();
        loop {
            match self.store.look_message_by_offset(physical_offset) {
                Ok(bytes) => return Ok(bytes),
                Err(error) if unreadable.failed("timed messages", physical_offset, &error) => {
                    return Ok(None);
                }
                Err(_) if self.workers.sleep(RETRY) => return Err(Stopped),
                Err(_) => {}
            }
        }
    }

    fn is_recalled(&self, stored: &StoredMessage<'_>, recalled: &HashSet<String>) -> bool {
        if recalled.is_empty() {
            return false;
        }
        let find = |name| property::find(&stored.message.properties, name).unwrap_or_default();
        recalled.contains(&self.delete_key(find(REAL_TOPIC), find(UNIQ_KEY)))
    }

    /// What a recall says of its message. Java: `buildDeleteKey`.
    pub fn delete_key(&self, topic: &str, uniq_key: &str) -> String {
        match self.store.config().append_topic_for_timer_delete_key {
            true => format!("{topic}+{uniq_key}"),
            false => uniq_key.to_owned(),
        }
    }

    /// Appends a message to its real topic, or to the timer's once more if it rolls; tries until the store takes it.
    /// Java gives up after three times.
    pub(super) fn deliver(
        &self,
        stored: &StoredMessage<'_>,
        entered_ms: i64,
        rolls: bool,
    ) -> Result<(), Stopped> {
        let Some(message) = self.due(stored, entered_ms, rolls) else { return Ok(()) };
        if entered_ms != NEVER_ENTERED {
            let recalls = property::find(&stored.message.properties, TIMER_DEL_UNIQKEY).is_some();
            // A recall that rolls counts again when it is entered; Java's counts go wrong here.
            self.count(stored, if recalls { 1 } else { -1 });
        }
        loop {
            let error = match self.store.append(&message) {
                Ok(appended) => {
                    self.moved(|progress| progress.delivered_end = appended.end_offset());
                    return Ok(());
                }
                Err(error) => error,
            };
            if is_final(&error) {
                tracing::error!("the timed message at {} is dropped: {error}", stored.physical_offset);
                return Ok(());
            }
            tracing::warn!("the timed message at {} is not delivered yet: {error}", stored.physical_offset);
            if self.workers.sleep(RETRY) {
                return Err(Stopped);
            }
        }
    }

    /// The message as it is delivered or rolls on; none if it is not to. Java: `convert`.
    fn due<'a>(&self, stored: &'a StoredMessage<'_>, entered_ms: i64, rolls: bool) -> Option<Message<'a>> {
        let message = &stored.message;
        let mut properties = Properties::parse(&message.properties);
        if !rolls && properties.get(TIMER_DEL_UNIQKEY).is_some() {
            tracing::info!("the recall at {} comes too late", stored.physical_offset);
            return None;
        }
        properties.put(TIMER_ENQUEUE_MS, &entered_ms.to_string());
        if rolls {
            let times = properties.get(TIMER_ROLL_TIMES).and_then(|times| times.parse::<i32>().ok());
            properties.put(TIMER_ROLL_TIMES, &(times.unwrap_or(0).wrapping_add(1)).to_string());
        }
        properties.put(TIMER_DEQUEUE_MS, &self.clock.wall_ms().to_string());
        let (topic, queue_id) = match rolls {
            true => (RMQ_SYS_WHEEL_TIMER, message.queue_id),
            false => real_place::of(&message.properties).or_else(|| {
                tracing::error!(
                    "no real topic and queue: the message at {} is dropped",
                    stored.physical_offset
                );
                None
            })?,
        };
        Some(Message {
            topic: Cow::Borrowed(topic),
            queue_id,
            prepared_transaction_offset: 0,
            properties: Cow::Owned(fitting(properties, rolls)),
            ..message.clone()
        })
    }
}

/// The properties, without what the timer says of itself where there is no room for it: Java takes messages whose properties are
/// so long, and drops them here.
fn fitting(mut properties: Properties, rolls: bool) -> String {
    let text = properties.encode();
    if text.len() <= PROPERTIES_BYTES_MAX - property_crc::RESERVED_BYTES {
        return text;
    }
    let more: &[&str] = if rolls { &[] } else { &[TIMER_OUT_MS] };
    for name in [TIMER_ENQUEUE_MS, TIMER_DEQUEUE_MS, TIMER_ROLL_TIMES].iter().chain(more) {
        properties.remove(name);
    }
    properties.encode()
}

/// Whether it would be the same the next time. Java: `PUT_NO_RETRY`.
fn is_final(error: &PutError) -> bool {
    match error {
        PutError::MessageIllegal(_)
        | PutError::BatchIllegal(_)
        | PutError::PropertiesSizeExceeded
        | PutError::WheelTimer(_) => true,
        PutError::ServiceNotAvailable(_)
        | PutError::CreateMappedFileFailed(_)
        | PutError::InSyncReplicasNotEnough
        | PutError::LmqConsumeQueueNumExceeded
        | PutError::OsPageCacheBusy => false,
    }
}
