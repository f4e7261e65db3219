//! The ROCKETMQ header encoding. Java: `RocketMQSerializable`.
//!
//! `code i16, language u8, version i16, opaque i32, flag i32, remark (i32 length), ext length i32`, then pairs of
//! key (i16 length) and value (i32 length). The code is cut to 16 bits, as Java cuts it.

use super::{Codec, Command, HeaderError, Language};
use crate::ext_fields::ExtFields;
use bytes::BufMut;

pub(super) fn encode(command: &Command, out: &mut Vec<u8>) {
    out.put_i16(command.code as i16);
    out.put_u8(command.language.0);
    out.put_i16(command.version as i16);
    out.put_i32(command.opaque);
    out.put_i32(command.flag);
    let remark = command.remark.as_deref().unwrap_or_default();
    out.put_i32(remark.len() as i32);
    out.put_slice(remark.as_bytes());
    let mark = out.len();
    out.put_i32(0);
    for (key, value) in command.ext.written() {
        out.put_i16(key.len() as i16);
        out.put_slice(key.as_bytes());
        out.put_i32(value.len() as i32);
        out.put_slice(value.as_bytes());
    }
    let ext_length = (out.len() - mark - 4) as i32;
    out[mark..mark + 4].copy_from_slice(&ext_length.to_be_bytes());
}

pub(super) fn decode(header: &[u8]) -> Result<Command, HeaderError> {
    let mut input = Input(header);
    let code = i16::from_be_bytes(input.array()?) as i32;
    let [language] = input.array()?;
    let version = i16::from_be_bytes(input.array()?) as i32;
    let opaque = i32::from_be_bytes(input.array()?);
    let flag = i32::from_be_bytes(input.array()?);
    let remark_length = i32::from_be_bytes(input.array()?);
    let remark = match input.slice(remark_length)? {
        [] => None,
        bytes => Some(String::from_utf8_lossy(bytes).into_owned().into()),
    };
    let ext_length = i32::from_be_bytes(input.array()?);
    let ext = if ext_length <= 0 { ExtFields::default() } else { decode_ext(input.slice(ext_length)?)? };
    let language = Language(language);
    let language = language.name().map_or(Language::UNKNOWN, |_| language);
    Ok(Command {
        code,
        language,
        version,
        opaque,
        flag,
        remark,
        ext,
        codec: Codec::Rocketmq,
        ..Command::default()
    })
}

fn decode_ext(bytes: &[u8]) -> Result<ExtFields, HeaderError> {
    let mut ext = ExtFields::with_capacity(bytes.len()).with_empty_as_null();
    let mut input = Input(bytes);
    while !input.0.is_empty() {
        let key_length = i16::from_be_bytes(input.array()?) as i32;
        let key = String::from_utf8_lossy(input.slice(key_length)?);
        let value_length = i32::from_be_bytes(input.array()?);
        let value = String::from_utf8_lossy(input.slice(value_length)?);
        ext.push(&key, &*value);
    }
    Ok(ext)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderError> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(HeaderError::Truncated)?;
        self.0 = rest;
        Ok(*array)
    }

    fn slice(&mut self, length: i32) -> Result<&'a [u8], HeaderError> {
        let length_bytes = usize::try_from(length).map_err(|_| HeaderError::Length(length))?;
        let (slice, rest) = self.0.split_at_checked(length_bytes).ok_or(HeaderError::Length(length))?;
        self.0 = rest;
        Ok(slice)
    }
}
