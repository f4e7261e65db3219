//! One record, several queues: the light message queues (LMQ) that a message names in `INNER_MULTI_DISPATCH`
//! (`LmqDispatch`, `MultiDispatchUtils`; 4.9.7 `MultiDispatch`).
//!
//! Appending adds `INNER_MULTI_QUEUE_OFFSET`, the message's offset in each of them, to the record; deriving makes the
//! entries from the two properties.

use message::{Message, property};
use tracing::{error, warn};

use super::config::MessageStoreConfig;
use super::dispatch_request::is_for_queue;
use super::topic_name::{
    DLQ_GROUP_TOPIC_PREFIX, RETRY_GROUP_TOPIC_PREFIX, SCHEDULE_TOPIC_XXXX, SYSTEM_TOPIC_PREFIX, is_lmq,
};
use super::{Appended, MessageStore, PutError};

/// `MixAll.LMQ_QUEUE_ID`: the one queue that an LMQ has.
const LMQ_QUEUE_ID: i32 = 0;
/// `MixAll.LMQ_DISPATCH_SEPARATOR`.
const SEPARATOR: char = ',';

/// The part of the configuration that says which queues a record belongs to.
#[derive(Clone, Copy, Debug)]
pub struct MultiDispatch {
    pub enable_lmq: bool,
    pub enable_multi_dispatch: bool,
}

impl MultiDispatch {
    pub fn of(config: &MessageStoreConfig) -> Self {
        Self { enable_lmq: config.enable_lmq, enable_multi_dispatch: config.enable_multi_dispatch }
    }

    /// The queues besides its own that have a stored message, and its offset in each. None where the property is wrong:
    /// Java's dispatch stops for good at an offset that is no number.
    pub fn targets<'a>(self, message: &'a Message<'_>) -> impl Iterator<Item = Target<'a>> {
        let listed = self.enable_multi_dispatch.then(|| listed(message)).flatten();
        let own_queue_id = message.queue_id;
        listed.into_iter().flatten().filter_map(move |(topic, offset)| {
            let queue_offset = offset.parse().ok().filter(|offset| *offset >= 0);
            if queue_offset.is_none() {
                error!(topic, offset, "no offset in INNER_MULTI_QUEUE_OFFSET");
            }
            let one_queue = self.enable_lmq && is_lmq(topic);
            let queue_id = if one_queue { LMQ_QUEUE_ID } else { own_queue_id };
            Some(Target { topic, queue_id, queue_offset: queue_offset? })
        })
    }
}

/// A queue besides its own that has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub topic: &'a str,
    pub queue_id: i32,
    pub queue_offset: i64,
}

/// Names and offsets of a stored message, `None` if it has none or not as many of both.
fn listed<'a>(message: &'a Message<'_>) -> Option<impl Iterator<Item = (&'a str, &'a str)>> {
    let topic = &*message.topic;
    if topic.starts_with(RETRY_GROUP_TOPIC_PREFIX) || is_of_broker(topic) {
        return None;
    }
    let names = list_in(message, property::INNER_MULTI_DISPATCH)?;
    let offsets = list_in(message, property::INNER_MULTI_QUEUE_OFFSET)?;
    if names.split(SEPARATOR).count() != offsets.split(SEPARATOR).count() {
        error!(topic, names, offsets, "not as many offsets as queues");
        return None;
    }
    // `/` would lead to another directory; Java leaves such a name out too.
    Some(names.split(SEPARATOR).zip(offsets.split(SEPARATOR)).filter(|(name, _)| !name.contains('/')))
}

fn is_of_broker(topic: &str) -> bool {
    topic.starts_with(SYSTEM_TOPIC_PREFIX) || topic == SCHEDULE_TOPIC_XXXX
}

/// A list as Java splits it: empty items at its end do not count.
fn list_in<'a>(message: &'a Message<'_>, name: &str) -> Option<&'a str> {
    let list = property::find(&message.properties, name)?.trim_end_matches(SEPARATOR);
    (!list.trim().is_empty()).then_some(list)
}

/// The message without offsets that its sender has set, if it has such. Java overwrites them where it dispatches, and
/// derives those of a message that it does not dispatch: so any sender moves any queue.
pub fn without_sent_offsets<'a>(message: &Message<'a>) -> Option<Message<'a>> {
    property::find(&message.properties, property::INNER_MULTI_QUEUE_OFFSET)?;
    let properties = property::without(&message.properties, property::INNER_MULTI_QUEUE_OFFSET).into();
    Some(Message { properties, ..message.clone() })
}

/// The LMQs that a message yet to be stored is for (`MessageExtBrokerInner.needDispatchLMQ`).
fn lmqs_of<'a>(message: &'a Message<'_>) -> Vec<&'a str> {
    let topic = &*message.topic;
    if topic.starts_with(RETRY_GROUP_TOPIC_PREFIX)
        || topic.starts_with(DLQ_GROUP_TOPIC_PREFIX)
        || is_of_broker(topic)
    {
        return Vec::new();
    }
    let Some(names) = list_in(message, property::INNER_MULTI_DISPATCH) else { return Vec::new() };
    // A list with another name in it makes offsets that no Java broker can read.
    if !names.split(SEPARATOR).all(is_lmq) {
        warn!(topic, names, "not only LMQs in INNER_MULTI_DISPATCH, message goes to its own queue only");
        return Vec::new();
    }
    names.split(SEPARATOR).collect()
}

impl MessageStore {
    /// Appends a message, with `enableLmq`, to its queue and to the LMQs that it names.
    pub(super) fn append_with_lmqs(
        &self,
        config: &MessageStoreConfig,
        message: &Message<'_>,
    ) -> Result<Appended, PutError> {
        let names = lmqs_of(message);
        if names.is_empty() && !is_lmq(&message.topic) {
            return self.append_one(config, message);
        }
        self.check_lmq_quota(config, &names)?;
        // From reading the LMQs' next offsets, which become part of the record, until they are taken.
        let _one_at_a_time = self.parts.lmq_order.lock();
        if names.is_empty() {
            return self.append_one(config, message);
        }
        let queues: Option<Vec<_>> =
            names.iter().map(|name| self.parts.queues.find_or_create(name, LMQ_QUEUE_ID)).collect();
        let queues = queues.ok_or_else(|| PutError::MessageIllegal(format!("LMQs {names:?}")))?;
        let offsets: Vec<_> = queues.iter().map(|queue| queue.next_offset()).collect();
        let listed: Vec<_> = offsets.iter().map(i64::to_string).collect();
        let mut properties = property::without(&message.properties, property::INNER_MULTI_QUEUE_OFFSET);
        property::append(&mut properties, property::INNER_MULTI_QUEUE_OFFSET, &listed.join(","));
        let appended =
            self.append_one(config, &Message { properties: properties.into(), ..message.clone() })?;
        // What no queue gets takes no offset, or the LMQ would have a hole.
        if is_for_queue(message.sys_flag) {
            queues.iter().zip(offsets).for_each(|(queue, offset)| queue.set_next_offset(offset + 1));
        }
        Ok(appended)
    }

    /// `HookUtils.handleLmqQuota`.
    fn check_lmq_quota(&self, config: &MessageStoreConfig, names: &[&str]) -> Result<(), PutError> {
        let queues = &self.parts.queues;
        if !config.enable_lmq_quota || !config.enable_multi_dispatch {
            return Ok(());
        }
        let is_new = |name: &&str| queues.find(name, LMQ_QUEUE_ID).is_none();
        match queues.lmq_count() >= config.max_lmq_consume_queue_num && names.iter().any(is_new) {
            true => Err(PutError::LmqConsumeQueueNumExceeded),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::testing::message;

    const ON: MultiDispatch = MultiDispatch { enable_lmq: true, enable_multi_dispatch: true };

    fn stored<'a>(topic: &'a str, names: &str, offsets: &str) -> Message<'a> {
        let mut properties = String::new();
        property::append(&mut properties, property::INNER_MULTI_DISPATCH, names);
        property::append(&mut properties, property::INNER_MULTI_QUEUE_OFFSET, offsets);
        Message { properties: Cow::Owned(properties), ..message(topic, 3, b"", "") }
    }

    fn targets(config: MultiDispatch, topic: &str, names: &str, offsets: &str) -> Vec<(String, i32, i64)> {
        let message = stored(topic, names, offsets);
        let owned = |target: Target<'_>| (target.topic.to_owned(), target.queue_id, target.queue_offset);
        config.targets(&message).map(owned).collect()
    }

    #[test]
    fn both_properties_say_the_queues() {
        let (x, y) = ("%LMQ%x".to_owned(), "y".to_owned());
        assert_eq!(targets(ON, "T", "%LMQ%x,y", "5,6"), [(x.clone(), 0, 5), (y.clone(), 3, 6)]);
        // Of 4.9.7 without LMQs.
        let plain = MultiDispatch { enable_lmq: false, ..ON };
        assert_eq!(targets(plain, "T", "%LMQ%x,y", "5,6"), [(x.clone(), 3, 5), (y, 3, 6)]);
        assert_eq!(targets(ON, "T", "%LMQ%x,", "5"), [(x.clone(), 0, 5)]);
        assert_eq!(targets(ON, "T", "a/b,%LMQ%x", "1,5"), [(x.clone(), 0, 5)]);
        assert_eq!(targets(ON, "T", "%LMQ%x,%LMQ%y", "5,z"), [(x.clone(), 0, 5)]);
        assert_eq!(targets(ON, "T", "%LMQ%x,%LMQ%y", "5,-1"), [(x, 0, 5)]);
    }

    #[test]
    fn nothing_where_java_dispatches_nothing() {
        let off = MultiDispatch { enable_multi_dispatch: false, ..ON };
        for (config, topic, names, offsets) in [
            (off, "T", "%LMQ%x", "5"),
            (ON, "%RETRY%g", "%LMQ%x", "5"),
            (ON, "rmq_sys_T", "%LMQ%x", "5"),
            (ON, SCHEDULE_TOPIC_XXXX, "%LMQ%x", "5"),
            (ON, "T", "%LMQ%x,%LMQ%y", "5"),
            (ON, "T", ",", "5"),
            (ON, "T", " ", "5"),
            (ON, "T", "%LMQ%x", ""),
        ] {
            assert_eq!(targets(config, topic, names, offsets), [], "{topic} {names} {offsets}");
        }
    }

    #[test]
    fn who_is_stored_for_lmqs() {
        let lmqs = |topic: &str, names: &str| lmqs_of(&stored(topic, names, "")).len();
        assert_eq!(lmqs("T", "%LMQ%x,%LMQ%y"), 2);
        assert_eq!(lmqs("T", "%LMQ%x,y"), 0, "not only LMQs");
        for topic in ["%RETRY%g", "%DLQ%g", "rmq_sys_T", SCHEDULE_TOPIC_XXXX] {
            assert_eq!(lmqs(topic, "%LMQ%x"), 0, "{topic}");
        }
    }
}
