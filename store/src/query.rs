//! Messages by key: what the index says, looked up in the log (`DefaultMessageStore.queryMessage`).

use tracing::error;

use super::MessageStore;
use super::error::AccessError;
use super::index::KeyQuery;
use super::mapped_file::MappedRange;

/// The messages of a key (`QueryMessageResult`).
#[derive(Debug, Default)]
pub struct QueryMessageResult {
    /// One of each message, oldest first; looked at just now, so in memory.
    pub ranges: Vec<MappedRange>,
    /// Store time and place of the last message in the index; 0 if none was found.
    pub index_last_update_timestamp_ms: i64,
    /// Where that message begins in the log.
    pub index_last_update_offset: i64,
}

impl MessageStore {
    /// The newest messages of a key. Messages of other keys with the same hash are among them. Reads from the disk what is
    /// not in memory; an error if the disk fails. Nothing if the log is being cut off meanwhile.
    pub fn query_message(&self, query: KeyQuery<'_>) -> Result<QueryMessageResult, AccessError> {
        self.parts
            .log
            .undisturbed(|| self.query_log(query))
            .unwrap_or_else(|| Ok(QueryMessageResult::default()))
    }

    fn query_log(&self, query: KeyQuery<'_>) -> Result<QueryMessageResult, AccessError> {
        let config = self.config();
        if !config.index_file_read_enable {
            return Ok(QueryMessageResult::default());
        }
        let count_max = query.count_max.min(config.max_msgs_num_batch);
        let found = self.parts.index.query(&KeyQuery { count_max, ..query })?;
        let mut ranges = Vec::with_capacity(found.physical_offsets.len());
        for offset in found.physical_offsets {
            match self.look_message_by_offset(offset)? {
                Some(record) => ranges.extend(self.parts.log.range(offset, record.len())),
                None if offset < self.min_phy_offset() => {}
                None => error!(offset, "no intact message where the index knows one, left out"),
            }
        }
        Ok(QueryMessageResult {
            ranges,
            index_last_update_timestamp_ms: found.last_update_timestamp_ms,
            index_last_update_offset: found.last_update_offset,
        })
    }
}
