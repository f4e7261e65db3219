//! The JSON header encoding. Java: `RemotingSerializable` over fastjson2.
//!
//! Written keys stand in alphabetical order; null remark and ext fields are left out. The reader
//! makes no tree of values: it walks the bytes once and copies ext fields into one text.

use super::{Codec, Command, HeaderError, Language};
use crate::ext_fields::ExtFields;
use crate::json::scanner::{ScanError, Scanner};
use crate::json::write_string;

pub(super) fn encode(command: &Command, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"{\"code\":");
    out.extend_from_slice(number.format(command.code).as_bytes());
    if !command.ext.is_null() {
        out.extend_from_slice(b",\"extFields\":{");
        for (i, (key, value)) in command.ext.written().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_string(key, out);
            out.push(b':');
            write_string(value, out);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b",\"flag\":");
    out.extend_from_slice(number.format(command.flag).as_bytes());
    if let Some(language) = command.language.name() {
        out.extend_from_slice(b",\"language\":\"");
        out.extend_from_slice(language.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"opaque\":");
    out.extend_from_slice(number.format(command.opaque).as_bytes());
    if let Some(remark) = &command.remark {
        out.extend_from_slice(b",\"remark\":");
        write_string(remark, out);
    }
    out.extend_from_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    out.extend_from_slice(number.format(command.version).as_bytes());
    out.push(b'}');
}

pub(super) fn decode(header: &[u8]) -> Result<Command, HeaderError> {
    let text = std::str::from_utf8(header).map_err(|_| HeaderError::NotUtf8)?;
    let mut scanner = Scanner::new(text);
    let mut command = Command { codec: Codec::Json, ..Command::default() };
    let mut key = String::new();
    scanner.object(|scanner| {
        key.clear();
        scanner.string_into(&mut key)?;
        scanner.expect(b':')?;
        match key.as_str() {
            "code" => command.code = integer(scanner)?,
            "flag" => command.flag = integer(scanner)?,
            "opaque" => command.opaque = integer(scanner)?,
            "version" => command.version = integer(scanner)?,
            "language" => {
                let mut name = String::new();
                if scanner.value_into(&mut name)? {
                    command.language = Language::of_name(&name);
                }
            }
            "remark" => {
                let mut remark = String::new();
                command.remark = scanner.value_into(&mut remark)?.then(|| remark.into());
            }
            "extFields" => command.ext = ext_fields(scanner)?,
            _ => scanner.skip_value(0)?,
        }
        Ok(())
    })?;
    scanner.expect_end()?;
    Ok(command)
}

fn ext_fields(scanner: &mut Scanner) -> Result<ExtFields, ScanError> {
    if scanner.null()? {
        return Ok(ExtFields::default());
    }
    let mut ext = ExtFields::with_capacity(scanner.rest_bytes());
    scanner.object(|scanner| {
        let text = ext.text_mut();
        let start = text.len();
        scanner.string_into(text)?;
        let value = text.len();
        scanner.expect(b':')?;
        if scanner.value_into(text)? {
            ext.end_pair(start as u32, value as u32);
        } else {
            text.truncate(start);
        }
        Ok(())
    })?;
    Ok(ext)
}

/// An `int` property: a number, or one in quotes; null leaves Java's default of 0.
fn integer(scanner: &mut Scanner) -> Result<i32, ScanError> {
    let at = scanner.at;
    let mut text = String::new();
    if !scanner.value_into(&mut text)? {
        return Ok(0);
    }
    text.parse().map_err(|_| ScanError::Syntax(at))
}
