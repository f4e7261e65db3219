//! Reads stored message records, as pull replies carry them (`MessageDecoder`), into one line of text each.

use std::collections::BTreeMap;
use std::fmt;

const MAGIC_V1: u32 = 0xDAA3_20A7;
const MAGIC_V2: u32 = 0xDAA3_20AB;
const SYS_FLAG_BORN_V6: i32 = 0x10;
const SYS_FLAG_STORE_V6: i32 = 0x20;

/// What a client sees of a record. Times, hosts and physical offset differ from server to server and are left out.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub queue_id: i32,
    pub queue_offset: i64,
    pub flag: i32,
    pub sys_flag: i32,
    pub reconsume_times: i32,
    pub prepared_offset: i64,
    pub body: Vec<u8>,
    pub properties: BTreeMap<String, String>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("topic", &self.topic)
            .field("queue_id", &self.queue_id)
            .field("queue_offset", &self.queue_offset)
            .field("flag", &self.flag)
            .field("sys_flag", &self.sys_flag)
            .field("reconsume_times", &self.reconsume_times)
            .field("prepared_offset", &self.prepared_offset)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// All records in a pull reply's body.
pub fn decode_all(mut bytes: &[u8]) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let size = Reader { bytes, at: 0 }.int()? as usize;
        let record = bytes.get(..size).ok_or_else(|| format!("record of {size} bytes in {}", bytes.len()))?;
        records.push(decode(record)?);
        bytes = &bytes[size..];
    }
    Ok(records)
}

fn decode(bytes: &[u8]) -> Result<Record, String> {
    let mut r = Reader { bytes, at: 4 };
    let magic = r.int()? as u32;
    if magic != MAGIC_V1 && magic != MAGIC_V2 {
        return Err(format!("magic {magic:08x}"));
    }
    let body_crc = r.int()?;
    let queue_id = r.int()?;
    let flag = r.int()?;
    let queue_offset = r.long()?;
    let _physical_offset = r.long()?;
    let sys_flag = r.int()?;
    let _born_time = r.long()?;
    r.take(if sys_flag & SYS_FLAG_BORN_V6 == 0 { 8 } else { 20 })?;
    let _store_time = r.long()?;
    r.take(if sys_flag & SYS_FLAG_STORE_V6 == 0 { 8 } else { 20 })?;
    let reconsume_times = r.int()?;
    let prepared_offset = r.long()?;
    let body_bytes = r.int()? as usize;
    let body = r.take(body_bytes)?.to_vec();
    let crc = (crc32fast::hash(&body) & 0x7FFF_FFFF) as i32;
    if crc != body_crc {
        return Err(format!("body CRC {body_crc}, but the body has {crc}"));
    }
    let topic_bytes = if magic == MAGIC_V1 { r.take(1)?[0] as usize } else { r.short()? as usize };
    let topic = String::from_utf8_lossy(r.take(topic_bytes)?).into_owned();
    let properties_bytes = r.short()? as usize;
    let properties = properties(&String::from_utf8_lossy(r.take(properties_bytes)?));
    if r.at != bytes.len() {
        return Err(format!("{} bytes behind the record", bytes.len() - r.at));
    }
    Ok(Record {
        topic,
        queue_id,
        queue_offset,
        flag,
        sys_flag,
        reconsume_times,
        prepared_offset,
        body,
        properties,
    })
}

/// `name 0x01 value 0x02 ...` (`MessageDecoder.string2messageProperties`).
pub fn properties(text: &str) -> BTreeMap<String, String> {
    text.split('\u{2}')
        .filter_map(|pair| pair.split_once('\u{1}'))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// The inverse of [`properties`], as a 5.x client writes it (a 0x02 behind each).
pub fn properties_string(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}\u{1}{value}\u{2}")).collect()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.saturating_add(count);
        let part = self.bytes.get(self.at..end).ok_or_else(|| format!("record ends before byte {end}"))?;
        self.at = end;
        Ok(part)
    }

    fn short(&mut self) -> Result<u16, String> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into().unwrap()))
    }

    fn int(&mut self) -> Result<i32, String> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into().unwrap()))
    }

    fn long(&mut self) -> Result<i64, String> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into().unwrap()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_records_are_errors() {
        assert_eq!(decode_all(&[]), Ok(vec![]));
        assert!(decode_all(&[0, 0]).is_err());
        assert!(decode_all(&[0, 0, 0, 100, 1, 2]).is_err());
        assert!(decode_all(&[0, 0, 0, 4]).is_err());
    }

    #[test]
    fn properties_read_what_was_written() {
        let text = properties_string(&[("TAGS", "A"), ("KEYS", "k 1")]);
        assert_eq!(properties(&text)["KEYS"], "k 1");
    }
}
