//! The few remoting frames that a load needs, written straight into a byte buffer.
//!
//! Frame: `u32 length | u8 header encoding (0 = JSON) + u24 header length | header | body`, big-endian.

use crate::error::Error;

pub const SUCCESS: i32 = 0;

/// Requests with JSON headers; answers come in the encoding of their request.
const VERSION: i32 = 461;

/// Appends one request frame. `fields` is the inside of the `extFields` object.
pub fn request(out: &mut Vec<u8>, code: i32, opaque: i32, fields: &str, body: &[u8]) {
    let header = format!(
        "{{\"code\":{code},\"extFields\":{{{fields}}},\"flag\":0,\"language\":\"JAVA\",\"opaque\":{opaque},\
         \"serializeTypeCurrentRPC\":\"JSON\",\"version\":{VERSION}}}"
    );
    let length = 4 + header.len() + body.len();
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(&(header.len() as u32).to_be_bytes());
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(body);
}

/// One response, borrowed from the bytes received.
pub struct Response<'a> {
    pub code: i32,
    pub opaque: i32,
    header: &'a [u8],
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    /// The first frame of `bytes` and its length, or `None` while bytes are missing.
    pub fn first(bytes: &'a [u8]) -> Result<Option<(Response<'a>, usize)>, Error> {
        let (Some(length), Some(mark)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else { return Ok(None) };
        let end = 4 + length as usize;
        let header_end = 8 + (mark & 0x00ff_ffff) as usize;
        if mark >> 24 != 0 || header_end > end {
            return Err(Error::NoFrame);
        }
        let Some(frame) = bytes.get(..end) else { return Ok(None) };
        let (header, body) = (&frame[8..header_end], &frame[header_end..]);
        let field = |key| integer(header, key).ok_or(Error::NoFrame);
        let (code, opaque) = (field("code")? as i32, field("opaque")? as i32);
        Ok(Some((Response { code, opaque, header, body }, end)))
    }

    /// An integer of the header, -1 where there is none.
    pub fn number(&self, key: &str) -> i64 {
        integer(self.header, key).unwrap_or(-1)
    }

    pub fn header_text(&self) -> String {
        String::from_utf8_lossy(self.header).into_owned()
    }
}

/// The integer behind `"key":` in a JSON text, in quotes or not.
fn integer(text: &[u8], key: &str) -> Option<i64> {
    let key = format!("\"{key}\":");
    let at = text.windows(key.len()).position(|window| window == key.as_bytes())?;
    let value = &text[at + key.len()..];
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let end = value.iter().position(|b| !b.is_ascii_digit() && *b != b'-').unwrap_or(value.len());
    str::from_utf8(&value[..end]).ok()?.parse().ok()
}

/// One message of a pull's body, which holds the commit log's own records.
pub struct Stored<'a> {
    pub queue_offset: i64,
    pub born_ms: i64,
    pub body: &'a [u8],
}

/// The messages of a pull's body, first to last; ends where no whole record follows.
pub fn stored(body: &[u8]) -> impl Iterator<Item = Stored<'_>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let record = rest.get(..u32_at(rest, 0)? as usize)?;
        let stored = decode(record)?;
        rest = &rest[record.len()..];
        Some(stored)
    })
}

fn decode(record: &[u8]) -> Option<Stored<'_>> {
    const BORN_HOST_IS_V6: u32 = 1 << 4;
    const STORE_HOST_IS_V6: u32 = 1 << 5;
    let sys_flag = u32_at(record, 36)?;
    let host_bytes = |flag: u32| if sys_flag & flag == 0 { 8 } else { 20 };
    let body_at = 48 + host_bytes(BORN_HOST_IS_V6) + 8 + host_bytes(STORE_HOST_IS_V6) + 12;
    let body_bytes = u32_at(record, body_at)? as usize;
    Some(Stored {
        queue_offset: i64_at(record, 20)?,
        born_ms: i64_at(record, 40)?,
        body: record.get(body_at + 4..)?.get(..body_bytes)?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    bytes.get(at..)?.first_chunk().map(|eight| i64::from_be_bytes(*eight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(header: &str, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend((4 + header.len() + body.len()).to_be_bytes()[4..].iter());
        frame.extend(header.len().to_be_bytes()[4..].iter());
        frame.extend(header.as_bytes());
        frame.extend(body);
        frame
    }

    #[test]
    fn frames_come_in_pieces() {
        let header = r#"{"code":0,"extFields":{"queueOffset":"-12","queueId": "3"},"opaque":7}"#;
        let bytes = response(header, b"body");
        for end in 0..bytes.len() {
            assert!(Response::first(&bytes[..end]).unwrap().is_none(), "{end}");
        }
        let (response, length) = Response::first(&bytes).unwrap().unwrap();
        assert_eq!(
            (response.code, response.opaque, response.body, length),
            (0, 7, &b"body"[..], bytes.len())
        );
        assert_eq!((response.number("queueOffset"), response.number("queueId")), (-12, 3));
        assert_eq!(response.number("missing"), -1);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        assert!(Response::first(&[0, 0, 0, 4, 0, 0, 0, 9]).is_err(), "a header longer than its frame");
        assert!(Response::first(&[0, 0, 0, 4, 1, 0, 0, 0]).is_err(), "not JSON");
        assert!(Response::first(&response("{}", b"")).is_err(), "no code");
    }

    #[test]
    fn a_request_reads_like_a_response() {
        let mut out = Vec::new();
        request(&mut out, 310, 5, "\"e\":\"1\"", b"xyz");
        let (read, length) = Response::first(&out).unwrap().unwrap();
        assert_eq!((read.code, read.opaque, read.body, length), (310, 5, &b"xyz"[..], out.len()));
        assert_eq!(read.number("e"), 1);
    }

    #[test]
    fn half_a_record_is_none() {
        let mut record = vec![0; 88];
        record[27] = 9;
        record[87] = 3;
        record.extend(b"abc");
        record[3] = record.len() as u8;
        let twice = [&record[..], &record[..50]].concat();
        let found: Vec<_> = stored(&twice).map(|stored| (stored.queue_offset, stored.body)).collect();
        assert_eq!(found, [(9, &b"abc"[..])]);
        assert_eq!(stored(&[0; 200]).count(), 0);
    }
}
