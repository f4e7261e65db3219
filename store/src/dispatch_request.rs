//! A record on its way from the log to what is derived from it (`DispatchRequest`, `CommitLogDispatcher`).

use std::io;

use message::{StoredMessage, property, sys_flag, tags_code};

use super::config::MessageStoreConfig;
use super::layout::QueueEntry;
use super::multi_dispatch::MultiDispatch;
use super::topic_name::SCHEDULE_TOPIC_XXXX;

/// A record on its way to queues and indexes (`DispatchRequest`).
#[derive(Debug)]
pub struct DispatchRequest<'a> {
    pub stored: StoredMessage<'a>,
    /// Hash of the tags; in [`SCHEDULE_TOPIC_XXXX`] the deliver time in milliseconds.
    pub tags_code: i64,
    /// Which queues besides its own get it.
    pub multi_dispatch: MultiDispatch,
    /// Whether the index gets it.
    pub is_indexed: bool,
}

impl<'a> DispatchRequest<'a> {
    pub fn new(config: &MessageStoreConfig, stored: StoredMessage<'a>) -> Self {
        let tags_code = tags_code_of(config, &stored);
        Self {
            stored,
            tags_code,
            multi_dispatch: MultiDispatch::of(config),
            is_indexed: config.writes_index(),
        }
    }

    pub fn entry(&self) -> QueueEntry {
        let StoredMessage { physical_offset, size, .. } = self.stored;
        QueueEntry { physical_offset, size: size as i32, tags_code: self.tags_code }
    }
}

fn tags_code_of(config: &MessageStoreConfig, stored: &StoredMessage<'_>) -> i64 {
    let properties = &*stored.message.properties;
    if stored.message.topic == SCHEDULE_TOPIC_XXXX
        && let Some(level) = property::find(properties, property::DELAY_TIME_LEVEL)
        && let Ok(level) = level.parse()
        && let Some(deliver_ms) =
            config.message_delay_level.deliver_timestamp_ms(level, stored.store_timestamp_ms)
    {
        return deliver_ms;
    }
    property::find(properties, property::TAGS).map_or(0, tags_code)
}

/// Something derived from the log. Called in log order, by one thread, again for a record if it has failed, and after a
/// crash for records it may know already.
pub trait CommitLogDispatcher: Send + Sync {
    fn dispatch(&self, request: &DispatchRequest<'_>) -> io::Result<()>;
}

/// Prepared and rolled back transactions are not for consumers.
pub fn is_for_queue(sys_flag: i32) -> bool {
    matches!(sys_flag::transaction(sys_flag), sys_flag::TRANSACTION_NOT | sys_flag::TRANSACTION_COMMIT)
}
