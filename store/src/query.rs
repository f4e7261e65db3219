//! Messages by key: what the index says, looked up in the log (`DefaultMessageStore.queryMessage`).

use tracing::error;

use super::MessageStore;
use super::index::KeyQuery;
use super::mapped_file::MappedRange;

/// The messages of a key (`QueryMessageResult`).
#[derive(Debug, Default)]
pub struct QueryMessageResult {
    /// One of each message, oldest first; read just now, so in memory.
    pub ranges: Vec<MappedRange>,
    /// Store time and place of the last message in the index; 0 if none was found.
    pub index_last_update_timestamp_ms: i64,
    pub index_last_update_offset: i64,
}

impl MessageStore {
    /// The newest messages of a key. Messages of other keys with the same hash are among them. Reads from the disk what is
    /// not in memory.
    pub fn query_message(&self, query: KeyQuery<'_>) -> QueryMessageResult {
        let config = self.config();
        if !config.index_file_read_enable {
            return QueryMessageResult::default();
        }
        let count_max = query.count_max.min(config.max_msgs_num_batch);
        let found = self.parts.index.query(&KeyQuery { count_max, ..query });
        let message = |offset: i64| {
            let range = self.look_message_by_offset(offset);
            if range.is_none() && offset >= self.min_phy_offset() {
                error!(offset, "no intact message where the index knows one, left out");
            }
            range
        };
        QueryMessageResult {
            ranges: found.physical_offsets.into_iter().filter_map(message).collect(),
            index_last_update_timestamp_ms: found.last_update_timestamp_ms,
            index_last_update_offset: found.last_update_offset,
        }
    }
}
