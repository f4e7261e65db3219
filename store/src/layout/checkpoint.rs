//! The `checkpoint` file (`StoreCheckpoint`, 5.5.0; 4.9.7 has the first three fields).

/// `DefaultMappedFile.OS_PAGE_SIZE`.
pub const FILE_BYTES: usize = 4096;
/// Where [`Fields::physic_msg_timestamp`] lies.
pub const PHYSIC_MSG_TIMESTAMP: usize = 0;
/// Where [`Fields::logics_msg_timestamp`] lies.
pub const LOGICS_MSG_TIMESTAMP: usize = 8;
/// Where [`Fields::index_msg_timestamp`] lies.
pub const INDEX_MSG_TIMESTAMP: usize = 16;
/// Where [`Fields::master_flushed_offset`] lies.
pub const MASTER_FLUSHED_OFFSET: usize = 24;
/// Where [`Fields::confirm_phy_offset`] lies.
pub const CONFIRM_PHY_OFFSET: usize = 32;
/// Where [`Fields::logics_physical_offset`] lies.
pub const LOGICS_PHYSICAL_OFFSET: usize = 40;
/// Ours, in the part of the page that Java neither reads nor writes: [`DURABLE_MARK`], then the start of a message
/// up to which log and queues are on disk. Java notes its offsets without having flushed its log.
pub const DURABLE: usize = FILE_BYTES - 16;
/// Says that the offset behind it was written by us; Java leaves zeros.
pub const DURABLE_MARK: i64 = i64::from_be_bytes(*b"durable\x01");

/// The fields of the file. Times in milliseconds since the epoch, offsets in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Store time of the last message that is on disk in the log.
    pub physic_msg_timestamp: i64,
    /// Store time of the last message whose queue entry is on disk.
    pub logics_msg_timestamp: i64,
    /// Store time of the last message in the index files that are on disk.
    pub index_msg_timestamp: i64,
    /// Up to where the master's log is on its disk, as a slave heard last; kept as it was read.
    pub master_flushed_offset: i64,
    /// Java's confirm offset as it was noted last: at a start, where the last whole message begins.
    pub confirm_phy_offset: i64,
    /// Start of the last message whose queue entry is on disk. 0 in stores of 4.9.7.
    pub logics_physical_offset: i64,
    /// Start of the last message which is on disk itself, with all before it, in log and queues. Ours; 0 where unknown.
    pub durable_offset: i64,
}

impl Fields {
    /// Reads a file's bytes; what is missing counts as 0.
    pub fn decode(bytes: &[u8]) -> Self {
        let field = |at: usize| {
            bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| i64::from_be_bytes(*bytes))
        };
        Self {
            physic_msg_timestamp: field(PHYSIC_MSG_TIMESTAMP),
            logics_msg_timestamp: field(LOGICS_MSG_TIMESTAMP),
            index_msg_timestamp: field(INDEX_MSG_TIMESTAMP),
            master_flushed_offset: field(MASTER_FLUSHED_OFFSET),
            confirm_phy_offset: field(CONFIRM_PHY_OFFSET),
            logics_physical_offset: field(LOGICS_PHYSICAL_OFFSET),
            durable_offset: match field(DURABLE) {
                DURABLE_MARK => field(DURABLE + 8),
                _ => 0,
            },
        }
    }

    /// The file.
    pub fn encode(&self) -> [u8; FILE_BYTES] {
        let mut bytes = [0; FILE_BYTES];
        let mut put = |at: usize, value: i64| bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
        put(PHYSIC_MSG_TIMESTAMP, self.physic_msg_timestamp);
        put(LOGICS_MSG_TIMESTAMP, self.logics_msg_timestamp);
        put(INDEX_MSG_TIMESTAMP, self.index_msg_timestamp);
        put(MASTER_FLUSHED_OFFSET, self.master_flushed_offset);
        put(CONFIRM_PHY_OFFSET, self.confirm_phy_offset);
        put(LOGICS_PHYSICAL_OFFSET, self.logics_physical_offset);
        if self.durable_offset > 0 {
            put(DURABLE, DURABLE_MARK);
            put(DURABLE + 8, self.durable_offset);
        }
        bytes
    }
}
