//! The stored layout of a message: what a commit log file holds and what a pull reply's body is made of.
//!
//! `size i32 | magic i32 | bodyCRC i32 | queueId i32 | flag i32 | queueOffset i64 | physicalOffset i64 | sysFlag i32 |
//! bornTimestamp i64 | bornHost | storeTimestamp i64 | storeHost | reconsumeTimes i32 | preparedTransactionOffset i64 |
//! bodyLen i32 | body | topicLen u8 or i16 | topic | propertiesLen i16 | properties`, big-endian; a host is 4 or 16 bytes
//! of address and a port as i32. (`MessageExtEncoder.encode`, `CommitLog.checkMessageAndReturnSize`.)

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{PROPERTIES_BYTES_MAX, PropertyCrc, RecordError, crc32, property, property_crc, sys_flag};

/// `MessageDecoder.MESSAGE_MAGIC_CODE`: the topic's length is one byte.
pub const MAGIC_V1: u32 = 0xdaa3_20a7;
/// `MessageDecoder.MESSAGE_MAGIC_CODE_V2`: the topic's length is two bytes.
pub const MAGIC_V2: u32 = 0xdaa3_20ab;
/// `CommitLog.BLANK_MAGIC_CODE`: the rest of the file holds no record.
pub const MAGIC_BLANK: u32 = 0xcbd4_3194;

const MAGIC_AT: usize = 4;
const QUEUE_OFFSET_AT: usize = 20;
const PHYSICAL_OFFSET_AT: usize = 28;
const SYS_FLAG_AT: usize = 36;
const BORN_HOST_AT: usize = 48;
/// Bytes besides hosts, body, topic and properties, with a one-byte topic length.
const FIXED_BYTES: usize = BORN_HOST_AT + 8 + 4 + 8 + 4 + 1 + 2;

/// Longest topic of a v1 record in bytes; a longer one makes a v2 record.
pub const TOPIC_BYTES_MAX_V1: usize = i8::MAX as usize;

/// A message as its sender and the broker's rules made it, not yet given a place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it goes.
    pub topic: Cow<'a, str>,
    /// The queue of the topic.
    pub queue_id: i32,
    /// The user's own flag; the broker gives it no meaning.
    pub flag: i32,
    /// Bits of [`sys_flag`]. The two IPv6 bits follow from the hosts when the record is encoded.
    pub sys_flag: i32,
    /// When the producer made it, in milliseconds since the epoch.
    pub born_timestamp_ms: i64,
    /// The producer.
    pub born_host: SocketAddr,
    /// The broker.
    pub store_host: SocketAddr,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// Of a committed message: the physical offset of its half message. Else 0.
    pub prepared_transaction_offset: i64,
    /// What the producer sent.
    pub body: &'a [u8],
    /// See [`super::property`].
    pub properties: Cow<'a, str>,
}

/// A message and its place, read from the log. Borrows body and texts from the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage<'a> {
    /// What it is.
    pub message: Message<'a>,
    /// Bytes of the whole record.
    pub size: usize,
    /// [`crc32`] of the body, as the record says.
    pub body_crc: i32,
    /// Its place in its queue.
    pub queue_offset: i64,
    /// Its place in the log, in bytes from the log's first ever.
    pub physical_offset: i64,
    /// When it was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
}

/// What lies at a record boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A message.
    Message(StoredMessage<'a>),
    /// Nothing more in this file.
    Blank,
}

/// Where an encoded record lies in its buffer, and where in it the fields go that are known only under the append lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPatch {
    /// Start of the record in the buffer.
    pub at: usize,
    /// Bytes of the record.
    pub size: usize,
    store_timestamp_at: usize,
    crc: PropertyCrc,
}

impl RecordPatch {
    /// Sets queue offset, physical offset and store time of the record, and its own checksum if it has one. `buffer` is
    /// the one it was encoded into.
    pub fn place(&self, buffer: &mut [u8], queue_offset: i64, physical_offset: i64, store_timestamp_ms: i64) {
        put_i64(buffer, self.at + QUEUE_OFFSET_AT, queue_offset);
        put_i64(buffer, self.at + PHYSICAL_OFFSET_AT, physical_offset);
        put_i64(buffer, self.store_timestamp_at, store_timestamp_ms);
        if self.crc == PropertyCrc::Append {
            property_crc::write(&mut buffer[self.at..self.at + self.size]);
        }
    }
}

fn put_i64(buffer: &mut [u8], at: usize, value: i64) {
    buffer[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

impl Message<'_> {
    /// Appends the record to `out`, with zeros where [`RecordPatch::place`] writes later. [`RecordError::PropertiesTooLong`] or
    /// [`RecordError::TooLong`], and nothing appended, if it does not fit the layout.
    pub fn encode(&self, crc: PropertyCrc, out: &mut Vec<u8>) -> Result<RecordPatch, RecordError> {
        self.encode_parts(self.flag, self.body, self.properties.as_bytes(), crc, out)
    }

    /// As [`encode`](Self::encode), errors too, with flag, body and properties of one item of a batch.
    pub fn encode_item(
        &self,
        item: super::batch::BatchItem<'_>,
        crc: PropertyCrc,
        out: &mut Vec<u8>,
    ) -> Result<RecordPatch, RecordError> {
        self.encode_parts(item.flag, item.body, item.properties, crc, out)
    }

    fn encode_parts(
        &self,
        flag: i32,
        body: &[u8],
        properties: &[u8],
        crc: PropertyCrc,
        out: &mut Vec<u8>,
    ) -> Result<RecordPatch, RecordError> {
        // The checksum must not become part of the last value. And no record may end with a zero: a start takes one that is
        // the log's last for a record of which a part is missing.
        let closed =
            properties.last() == Some(&0) || crc == PropertyCrc::Append && property::is_open(properties);
        let properties_bytes = properties.len() + usize::from(closed) + crc.reserved_bytes();
        if properties_bytes > PROPERTIES_BYTES_MAX {
            return Err(RecordError::PropertiesTooLong { bytes: properties_bytes });
        }
        let topic = self.topic.as_bytes();
        if topic.len() > i16::MAX as usize {
            return Err(RecordError::TooLong { bytes: topic.len() });
        }
        let v2 = topic.len() > TOPIC_BYTES_MAX_V1;
        let (born, store) = (self.born_host.ip().to_canonical(), self.store_host.ip().to_canonical());
        let variable_bytes = body.len() + topic.len() + usize::from(v2) + properties_bytes;
        let size = FIXED_BYTES + host_bytes(born.is_ipv6()) + host_bytes(store.is_ipv6()) + variable_bytes;
        let size_field = i32::try_from(size).map_err(|_| RecordError::TooLong { bytes: size })?;

        let at = out.len();
        out.reserve(size);
        put(out, &size_field.to_be_bytes());
        put(out, &if v2 { MAGIC_V2 } else { MAGIC_V1 }.to_be_bytes());
        put(out, &crc32(body).to_be_bytes());
        put(out, &self.queue_id.to_be_bytes());
        put(out, &flag.to_be_bytes());
        put(out, &[0; 16]);
        put(out, &host_flags(self.sys_flag, born, store).to_be_bytes());
        put(out, &self.born_timestamp_ms.to_be_bytes());
        put_host(out, born, self.born_host.port());
        let store_timestamp_at = out.len();
        put(out, &[0; 8]);
        put_host(out, store, self.store_host.port());
        put(out, &self.reconsume_times.to_be_bytes());
        put(out, &self.prepared_transaction_offset.to_be_bytes());
        put(out, &(body.len() as i32).to_be_bytes());
        put(out, body);
        match v2 {
            true => put(out, &(topic.len() as i16).to_be_bytes()),
            false => out.push(topic.len() as u8),
        }
        put(out, topic);
        put(out, &(properties_bytes as i16).to_be_bytes());
        put(out, properties);
        if closed {
            out.push(property::PROPERTY_SEPARATOR as u8);
        }
        out.resize(out.len() + crc.reserved_bytes(), 0);
        debug_assert_eq!(out.len(), at + size);
        Ok(RecordPatch { at, size, store_timestamp_at, crc })
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

fn put_host(out: &mut Vec<u8>, ip: IpAddr, port: u16) {
    match ip {
        IpAddr::V4(ip) => put(out, &ip.octets()),
        IpAddr::V6(ip) => put(out, &ip.octets()),
    }
    put(out, &u32::from(port).to_be_bytes());
}

const fn host_bytes(v6: bool) -> usize {
    if v6 { 20 } else { 8 }
}

/// The IPv6 bits must agree with the addresses written, whatever a sender claimed.
fn host_flags(flags: i32, born: IpAddr, store: IpAddr) -> i32 {
    let mut flags = flags & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
    if born.is_ipv6() {
        flags |= sys_flag::BORN_HOST_V6;
    }
    if store.is_ipv6() {
        flags |= sys_flag::STORE_HOST_V6;
    }
    flags
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`, which may run on behind it. Does not look at the body's checksum:
    /// see [`StoredMessage::body_is_intact`].
    ///
    /// Accepts what `CommitLog.checkMessageAndReturnSize` accepts; text that is not UTF-8 is replaced as Java does.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader(bytes);
        let size = usize::try_from(reader.i32()?).map_err(|_| RecordError::Short)?;
        let magic = reader.i32()? as u32;
        if bytes.len() < size {
            return Err(RecordError::Short);
        }
        let v2 = match magic {
            MAGIC_V1 => false,
            MAGIC_V2 => true,
            MAGIC_BLANK => return Ok(Self::Blank),
            other => return Err(RecordError::Magic(other)),
        };
        let body_of_record = bytes.get(MAGIC_AT + 4..size).ok_or(RecordError::Short)?;
        let mut reader = Reader(body_of_record);
        let stored = reader.message(v2, size)?;
        match reader.0.len() {
            0 => Ok(Self::Message(stored)),
            left => Err(RecordError::Size { declared: size, read: size - left }),
        }
    }
}

/// The messages of `bytes`, one record behind the other, up to the first that is none.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = StoredMessage<'_>> {
    std::iter::from_fn(move || match Record::decode(bytes) {
        Ok(Record::Message(stored)) => {
            bytes = &bytes[stored.size..];
            Some(stored)
        }
        _ => None,
    })
}

impl StoredMessage<'_> {
    /// Whether the body has the checksum that the record says.
    pub fn body_is_intact(&self) -> bool {
        // Java skips the check where there is no body.
        self.message.body.is_empty() || crc32(self.message.body) == self.body_crc
    }
}

/// Store time of the record at the start of `bytes`, read without decoding the rest.
pub fn store_timestamp_ms(bytes: &[u8]) -> Option<i64> {
    let sys_flag = i32::from_be_bytes(*bytes.get(SYS_FLAG_AT..)?.first_chunk()?);
    let at = BORN_HOST_AT + host_bytes(sys_flag & sys_flag::BORN_HOST_V6 != 0);
    Some(i64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Properties text of the record at the start of `bytes`, if it is one.
pub fn properties(bytes: &[u8]) -> Option<Cow<'_, str>> {
    match Record::decode(bytes) {
        Ok(Record::Message(stored)) => Some(stored.message.properties),
        _ => None,
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn message(&mut self, v2: bool, size: usize) -> Result<StoredMessage<'a>, RecordError> {
        let body_crc = self.i32()?;
        let queue_id = self.i32()?;
        let flag = self.i32()?;
        let queue_offset = self.i64()?;
        let physical_offset = self.i64()?;
        let sys_flag = self.i32()?;
        let born_timestamp_ms = self.i64()?;
        let born_host = self.host(sys_flag & sys_flag::BORN_HOST_V6 != 0)?;
        let store_timestamp_ms = self.i64()?;
        let store_host = self.host(sys_flag & sys_flag::STORE_HOST_V6 != 0)?;
        let reconsume_times = self.i32()?;
        let prepared_transaction_offset = self.i64()?;
        // Java reads a negative length of body or properties as none, but not one of the topic.
        let body_bytes = self.i32()?.max(0) as usize;
        let body = self.take(body_bytes)?;
        let topic_bytes = if v2 { i32::from(self.i16()?) } else { i32::from(self.take(1)?[0] as i8) };
        let topic = self.text(usize::try_from(topic_bytes).map_err(|_| RecordError::Short)?)?;
        let properties_bytes = self.i16()?.max(0) as usize;
        let properties = self.text(properties_bytes)?;
        let message = Message {
            topic,
            queue_id,
            flag,
            sys_flag,
            born_timestamp_ms,
            born_host,
            store_host,
            reconsume_times,
            prepared_transaction_offset,
            body,
            properties,
        };
        Ok(StoredMessage { message, size, body_crc, queue_offset, physical_offset, store_timestamp_ms })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(RecordError::Short)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(RecordError::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    fn i16(&mut self) -> Result<i16, RecordError> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_be_bytes)
    }

    fn host(&mut self, v6: bool) -> Result<SocketAddr, RecordError> {
        let ip = match v6 {
            false => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            true => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
        };
        Ok(SocketAddr::new(ip, self.i32()? as u16))
    }

    fn text(&mut self, bytes: usize) -> Result<Cow<'a, str>, RecordError> {
        let bytes = self.take(bytes)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        })
    }
}

#[cfg(test)]
mod tests;
