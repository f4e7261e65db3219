//! Room in the properties of a message that is sent for those that are added later: who gets a success can rely on it that the
//! message can be given back, wait and become a dead letter. Java takes what just fits, and drops it when more has to be added.

use super::Sent;
use crate::topic_validator::{DLQ_GROUP_TOPIC_PREFIX, RETRY_GROUP_TOPIC_PREFIX};
use message::{PROPERTIES_BYTES_MAX, id, property, property_crc};
use remoting::Refusal;
use store::PutError;

/// A number of 32 or 64 bits, with its sign.
const I32: usize = 11;
const I64: usize = 20;
/// The longest topic: of a group's retries.
const TOPIC: usize = 255;

/// What a message gets that is to wait: name, and bytes of the longest value.
const WAITING: &[(&str, usize)] = &[
    (property::REAL_TOPIC, TOPIC),
    (property::REAL_QUEUE_ID, I32),
    (property::TIMER_OUT_MS, I64),
    (property::TIMER_ENQUEUE_MS, I64),
    (property::TIMER_DEQUEUE_MS, I64),
    (property::TIMER_ROLL_TIMES, I32),
];
/// What a message gets that its consumer gives back, from the broker or from the client, which then sends it itself.
const GIVEN_BACK: &[(&str, usize)] = &[
    (property::RETRY_TOPIC, TOPIC),
    (property::ORIGIN_MESSAGE_ID, id::IPV6_CHARS),
    (property::DELAY_TIME_LEVEL, I32),
    (property::WAIT_STORE_MSG_OK, "false".len()),
    ("RECONSUME_TIME", I32),
    ("MAX_RECONSUME_TIMES", I32),
];
/// What half messages get.
const HALF: &[(&str, usize)] =
    &[(property::TRANSACTION_CHECK_TIMES, I32), (property::TRANSACTION_PREPARED_QUEUE_OFFSET, I64)];

/// The most that the properties of a message may take as it comes in, and of one that a client sends to a retry topic, which
/// has been given back already.
pub(super) const SENT_BYTES_MAX: usize = GIVEN_BACK_BYTES_MAX - bytes(GIVEN_BACK) - bytes(HALF);
const GIVEN_BACK_BYTES_MAX: usize = PROPERTIES_BYTES_MAX - property_crc::RESERVED_BYTES - bytes(WAITING);

/// So long can each offset get in the list that a message has for the light queues that it names.
const LMQ_OFFSET_BYTES: usize = I64 + ",".len();
/// Shorter properties cannot name so many that their offsets do not fit.
const LMQS_BYTES: usize = SENT_BYTES_MAX / (1 + LMQ_OFFSET_BYTES);

const fn bytes(properties: &[(&str, usize)]) -> usize {
    let (mut sum, mut index) = (0, 0);
    while index < properties.len() {
        // With two separators.
        sum += properties[index].0.len() + properties[index].1 + 2;
        index += 1;
    }
    sum
}

impl Sent<'_> {
    /// Refused are properties that leave no room, with 13 as those that are too long in themselves.
    pub(super) fn refuse_without_room(&self, properties: &str) -> Result<(), Refusal> {
        let topic = self.topic();
        let bytes_max = if topic.starts_with(RETRY_GROUP_TOPIC_PREFIX) {
            GIVEN_BACK_BYTES_MAX
        } else if topic.starts_with(DLQ_GROUP_TOPIC_PREFIX) {
            PROPERTIES_BYTES_MAX
        } else {
            SENT_BYTES_MAX
        };
        match properties.len() + lmq_bytes(properties) > bytes_max {
            true => Err(self.refusal_of(PutError::PropertiesSizeExceeded)),
            false => Ok(()),
        }
    }
}

/// What the offsets may take that a message gets in the light queues that it names, once it has waited.
fn lmq_bytes(properties: &str) -> usize {
    if properties.len() < LMQS_BYTES {
        return 0;
    }
    let names = property::find(properties, property::INNER_MULTI_DISPATCH);
    names.map_or(0, |names| {
        let offsets = names.split(',').count() * LMQ_OFFSET_BYTES;
        offsets + bytes(&[(property::INNER_MULTI_QUEUE_OFFSET, 0)])
    })
}

#[cfg(test)]
mod tests;
