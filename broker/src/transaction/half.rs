//! What half messages are made of, and what is made of them.

use crate::real_place;
use crate::topic_validator::{
    RMQ_SYS_TRANS_HALF_TOPIC, RMQ_SYS_TRANS_OP_HALF_TOPIC, TRANS_CHECK_MAX_TIME_TOPIC,
};
use message::property::{
    REAL_QUEUE_ID, REAL_TOPIC, TAGS, TRANSACTION_CHECK_TIMES, TRANSACTION_ID,
    TRANSACTION_PREPARED_QUEUE_OFFSET, UNIQ_KEY, WAIT_STORE_MSG_OK,
};
use message::{Message, Properties, StoredMessage, property, sys_flag};
use std::borrow::Cow;
use std::net::SocketAddr;

/// Tag of op messages: their half messages are done with. Java: `TransactionalMessageUtil.REMOVE_TAG`.
pub(super) const REMOVE_TAG: &str = "d";

/// A message without a real topic and queue, so that there is nothing to commit. Java falls over its properties.
#[derive(Debug)]
pub struct NotHalf;

/// Java: `parseHalfMessageInner`.
pub(super) fn of(mut message: Message<'_>) -> Message<'_> {
    let mut properties = Properties::parse(&message.properties);
    if let Some(uniq_key) = properties.get(UNIQ_KEY).map(str::to_owned) {
        properties.put(TRANSACTION_ID, &uniq_key);
    }
    // Only the check writes these: the one would stand for somebody else's half message, which may have ended.
    properties.remove(TRANSACTION_PREPARED_QUEUE_OFFSET);
    properties.remove(TRANSACTION_CHECK_TIMES);
    real_place::redirect(&mut message, properties, RMQ_SYS_TRANS_HALF_TOPIC, 0);
    // Consumed by the check, so it must reach its queue.
    message.sys_flag = sys_flag::with_transaction(message.sys_flag, sys_flag::TRANSACTION_NOT);
    message
}

/// TRAN_MSG stays among the properties, as in Java. Java: `EndTransactionProcessor.endMessageTransaction`.
pub(super) fn committed<'a>(half: &'a StoredMessage<'_>) -> Result<Message<'a>, NotHalf> {
    let message = &half.message;
    let (topic, queue_id) = real_place::of(&message.properties).ok_or(NotHalf)?;
    let mut properties = Properties::parse(&message.properties);
    properties.remove(REAL_TOPIC);
    properties.remove(REAL_QUEUE_ID);
    Ok(Message {
        topic: Cow::Borrowed(topic),
        queue_id,
        sys_flag: sys_flag::with_transaction(message.sys_flag, sys_flag::TRANSACTION_COMMIT),
        prepared_transaction_offset: half.physical_offset,
        properties: Cow::Owned(properties.encode()),
        ..message.clone()
    })
}

/// The half message once more, behind the others. The user's flag does not survive that. Java: `renewHalfMessageInner`.
pub(super) fn renewed<'a>(half: &StoredMessage<'a>, properties: &Properties) -> Message<'a> {
    Message {
        flag: 0,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        properties: Cow::Owned(properties.encode()),
        ..half.message.clone()
    }
}

/// As [`renewed`], and it remembers where it lay first. Java: `renewImmunityHalfMessageInner`.
pub(super) fn renewed_immune<'a>(half: &StoredMessage<'a>, properties: &Properties) -> Message<'a> {
    let mut properties = properties.clone();
    if properties.get(TRANSACTION_PREPARED_QUEUE_OFFSET).is_none() {
        properties.put(TRANSACTION_PREPARED_QUEUE_OFFSET, &half.queue_offset.to_string());
    }
    renewed(half, &properties)
}

/// Java: `DefaultTransactionalMessageCheckListener.toMessageExtBrokerInner`.
pub(super) fn given_up<'a>(half: &StoredMessage<'a>, properties: &Properties) -> Message<'a> {
    Message {
        topic: Cow::Borrowed(TRANS_CHECK_MAX_TIME_TOPIC),
        queue_id: 0,
        prepared_transaction_offset: 0,
        properties: Cow::Owned(properties.encode()),
        ..half.message.clone()
    }
}

/// Java: `AdminBrokerProcessor.toMessageExtBrokerInner`.
pub(super) fn resumed<'a>(given_up: &StoredMessage<'a>) -> Message<'a> {
    let mut properties = Properties::parse(&given_up.message.properties);
    properties.put(TRANSACTION_CHECK_TIMES, "0");
    Message {
        topic: Cow::Borrowed(RMQ_SYS_TRANS_HALF_TOPIC),
        queue_id: 0,
        prepared_transaction_offset: 0,
        properties: Cow::Owned(properties.encode()),
        ..given_up.message.clone()
    }
}

/// The message as its producer sees it when it is asked for it: it differs from what was put back in WAIT.
/// Java: `sendCheckMessage`.
pub(super) fn asked_for<'a>(
    half: &'a StoredMessage<'_>,
    properties: &Properties,
) -> Result<Message<'a>, NotHalf> {
    let (topic, queue_id) = real_place::of(&half.message.properties).ok_or(NotHalf)?;
    let mut properties = properties.clone();
    properties.put(WAIT_STORE_MSG_OK, "false");
    Ok(Message {
        topic: Cow::Borrowed(topic),
        queue_id,
        properties: Cow::Owned(properties.encode()),
        ..half.message.clone()
    })
}

/// Java: `makeOpMessageInner`.
pub(super) fn op(queue_id: i32, body: &str, store_host: SocketAddr, now_ms: i64) -> Message<'_> {
    let mut properties = String::new();
    property::append(&mut properties, WAIT_STORE_MSG_OK, "true");
    property::append(&mut properties, TAGS, REMOVE_TAG);
    Message {
        topic: Cow::Borrowed(RMQ_SYS_TRANS_OP_HALF_TOPIC),
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: now_ms,
        born_host: store_host,
        store_host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: Cow::Owned(properties),
    }
}
