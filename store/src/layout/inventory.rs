//! `queueInventory`, ours: what queues there are, and how far each goes at least. Java neither reads nor removes it.
//!
//! `magic i64 | lock file changed at i64 | log end i64 | number of queues i32`, then for each queue `kind i8 | topic bytes i16 |
//! topic | queue id i32 | first file i64 | last file changed at i64 | max offset i64 | end in the log i64`, then `CRC32 of all before i32`.

/// The file's name below the store's root.
pub const INVENTORY_FILE: &str = "queueInventory";
/// Beside it, while it is written.
pub const INVENTORY_FILE_NEW: &str = "queueInventory.new";

const MAGIC: i64 = i64::from_be_bytes(*b"queues\x00\x01");
const CRC_BYTES: usize = 4;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// When the lock file was changed last, in nanoseconds since the epoch. Every Java broker that starts writes it, ours
    /// leaves it: an inventory of another time says nothing, since nobody knows what Java removed.
    pub lock_changed_ns: i64,
    /// All messages before this place of the log had been told to the queues.
    pub log_end: i64,
    /// Those with files.
    pub queues: Vec<QueueExtent>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueExtent {
    /// In `batchconsumequeue`, not in `consumequeue`.
    pub is_batch: bool,
    /// Its topic.
    pub topic: String,
    /// Its number within the topic.
    pub queue_id: i32,
    /// Where its first file starts, in bytes.
    pub first: i64,
    /// When its last file was changed last, in nanoseconds since the epoch; 0: not known.
    pub changed_ns: i64,
    /// Behind its last message.
    pub max_offset: i64,
    /// First byte of the log behind its last message; -1 for none.
    pub physical_end: i64,
}

impl Inventory {
    /// The file's bytes. Queues whose topic is longer than a file's name are left out.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 * (self.queues.len() + 1));
        for number in [MAGIC, self.lock_changed_ns, self.log_end] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let fits = |queue: &&QueueExtent| i16::try_from(queue.topic.len()).is_ok();
        let count = self.queues.iter().filter(fits).count() as i32;
        bytes.extend_from_slice(&count.to_be_bytes());
        for queue in self.queues.iter().filter(fits) {
            bytes.push(queue.is_batch.into());
            bytes.extend_from_slice(&(queue.topic.len() as i16).to_be_bytes());
            bytes.extend_from_slice(queue.topic.as_bytes());
            bytes.extend_from_slice(&queue.queue_id.to_be_bytes());
            bytes.extend_from_slice(&queue.first.to_be_bytes());
            bytes.extend_from_slice(&queue.changed_ns.to_be_bytes());
            bytes.extend_from_slice(&queue.max_offset.to_be_bytes());
            bytes.extend_from_slice(&queue.physical_end.to_be_bytes());
        }
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    /// `None` for bytes that are no whole file.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, crc) = bytes.split_at_checked(bytes.len().checked_sub(CRC_BYTES)?)?;
        if crc != crc32fast::hash(content).to_be_bytes() {
            return None;
        }
        let mut reader = Reader(content);
        if reader.i64()? != MAGIC {
            return None;
        }
        let (lock_changed_ns, log_end, count) = (reader.i64()?, reader.i64()?, reader.i32()?);
        let queues = (0..count).map(|_| reader.queue()).collect::<Option<_>>()?;
        reader.0.is_empty().then_some(Self { lock_changed_ns, log_end, queues })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn queue(&mut self) -> Option<QueueExtent> {
        let is_batch = self.array() == Some([1]);
        let topic_bytes = usize::try_from(i16::from_be_bytes(self.array()?)).ok()?;
        let (topic, rest) = self.0.split_at_checked(topic_bytes)?;
        self.0 = rest;
        Some(QueueExtent {
            is_batch,
            topic: String::from_utf8(topic.to_vec()).ok()?,
            queue_id: self.i32()?,
            first: self.i64()?,
            changed_ns: self.i64()?,
            max_offset: self.i64()?,
            physical_end: self.i64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_counts() {
        let queue = |topic: &str, queue_id| QueueExtent {
            is_batch: queue_id == 1,
            topic: topic.to_owned(),
            queue_id,
            first: 2000,
            changed_ns: 7,
            max_offset: 350,
            physical_end: 1 << 39,
        };
        let queues = vec![queue("T", 0), queue("%LMQ%\n", 1)];
        let inventory = Inventory { lock_changed_ns: 5, log_end: 1 << 40, queues };
        let bytes = inventory.encode();
        assert_eq!(Inventory::decode(&bytes), Some(inventory));
        for cut in 0..bytes.len() {
            assert_eq!(Inventory::decode(&bytes[..cut]), None, "{cut}");
            let mut flipped = bytes.clone();
            flipped[cut] ^= 4;
            assert_eq!(Inventory::decode(&flipped), None, "{cut}");
        }
        assert_eq!(Inventory::decode(&[0; 8]), None);
    }
}
