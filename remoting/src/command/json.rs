//! The JSON header encoding. Java: `RemotingSerializable` over fastjson2.
//!
//! Written keys stand in alphabetical order; null remark and ext fields are left out (quirks.md A6). The reader
//! makes no tree of values: it walks the bytes once and copies ext fields into one text.

use super::{Codec, Command, HeaderError, Language};
use crate::ext_fields::ExtFields;

/// Headers are two levels deep; what is deeper is an unknown key's value.
const DEPTH_MAX: usize = 64;

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

/// Escapes as fastjson does: the short forms where JSON has one, `\u00xx` for other control characters.
fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain_from = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain_from..i]);
        plain_from = i + 1;
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[(byte >> 4) as usize]);
                out.push(HEX[(byte & 15) as usize]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

pub(super) fn decode(header: &[u8]) -> Result<Command, HeaderError> {
    let text = std::str::from_utf8(header).map_err(|_| HeaderError::NotUtf8)?;
    let mut scanner = Scanner { text, at: 0 };
    let mut command = Command { codec: Codec::Json, ..Command::default() };
    let mut key = String::new();
    scanner.object(|scanner| {
        key.clear();
        scanner.string_into(&mut key)?;
        scanner.expect(b':')?;
        match key.as_str() {
            "code" => command.code = scanner.integer()?,
            "flag" => command.flag = scanner.integer()?,
            "opaque" => command.opaque = scanner.integer()?,
            "version" => command.version = scanner.integer()?,
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
            "extFields" => command.ext = scanner.ext_fields()?,
            _ => scanner.skip_value(0)?,
        }
        Ok(())
    })?;
    scanner.skip_blanks();
    if scanner.at < header.len() { Err(HeaderError::Syntax(scanner.at)) } else { Ok(command) }
}

/// A cursor over the header's text.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl Scanner<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, not yet taken.
    fn peek(&mut self) -> Result<u8, HeaderError> {
        self.skip_blanks();
        self.byte().ok_or(HeaderError::Truncated)
    }

    fn expect(&mut self, byte: u8) -> Result<(), HeaderError> {
        if self.peek()? != byte {
            return Err(HeaderError::Syntax(self.at));
        }
        self.at += 1;
        Ok(())
    }

    /// Walks the members of an object; `member` takes one, key and value.
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Result<(), HeaderError>,
    ) -> Result<(), HeaderError> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            member(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(HeaderError::Syntax(self.at)),
            }
        }
    }

    fn ext_fields(&mut self) -> Result<ExtFields, HeaderError> {
        if self.peek()? == b'n' {
            self.literal("null")?;
            return Ok(ExtFields::default());
        }
        let mut ext = ExtFields::with_capacity(self.text.len() - self.at);
        self.object(|scanner| {
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

    /// Appends a value's text: a string's content, or a number, boolean, array or object as it stands.
    /// False for null, which appends nothing.
    fn value_into(&mut self, out: &mut String) -> Result<bool, HeaderError> {
        match self.peek()? {
            b'"' => self.string_into(out)?,
            b'n' => {
                self.literal("null")?;
                return Ok(false);
            }
            _ => {
                let from = self.at;
                self.skip_value(0)?;
                out.push_str(&self.text[from..self.at]);
            }
        }
        Ok(true)
    }

    fn string_into(&mut self, out: &mut String) -> Result<(), HeaderError> {
        self.expect(b'"')?;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let plain = memchr::memchr2(b'"', b'\\', rest).ok_or(HeaderError::Truncated)?;
            out.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain + 1;
            if rest[plain] == b'"' {
                return Ok(());
            }
            self.escape_into(out)?;
        }
    }

    fn escape_into(&mut self, out: &mut String) -> Result<(), HeaderError> {
        let byte = self.byte().ok_or(HeaderError::Truncated)?;
        self.at += 1;
        out.push(match byte {
            b'"' | b'\\' | b'/' | b'\'' => byte as char,
            b'b' => '\u{8}',
            b't' => '\t',
            b'n' => '\n',
            b'v' => '\u{b}',
            b'f' => '\u{c}',
            b'r' => '\r',
            b'0'..=b'7' => (byte - b'0') as char,
            b'u' => self.unicode_escape()?,
            _ => return Err(HeaderError::Syntax(self.at - 1)),
        });
        Ok(())
    }

    /// `\uXXXX`, or the two of a surrogate pair; half a pair becomes the replacement character.
    fn unicode_escape(&mut self) -> Result<char, HeaderError> {
        let unit = self.hex4()?;
        if !(0xd800..0xdc00).contains(&unit) || !self.text[self.at..].starts_with("\\u") {
            return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at += 2;
        let low = self.hex4()?;
        let whole = 0x10000 + ((unit - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
        let paired = (0xdc00..0xe000).contains(&low);
        Ok(char::from_u32(whole).filter(|_| paired).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32, HeaderError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or(HeaderError::Truncated)?;
        let unit = digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?));
        let unit = unit.ok_or(HeaderError::Syntax(self.at))?;
        self.at += 4;
        Ok(unit)
    }

    /// An `int` property: a number, or one in quotes; null leaves Java's default of 0.
    fn integer(&mut self) -> Result<i32, HeaderError> {
        let at = self.at;
        let mut text = String::new();
        if !self.value_into(&mut text)? {
            return Ok(0);
        }
        text.parse().map_err(|_| HeaderError::Syntax(at))
    }

    fn literal(&mut self, word: &str) -> Result<(), HeaderError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(HeaderError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(())
    }

    fn skip_value(&mut self, depth: usize) -> Result<(), HeaderError> {
        if depth > DEPTH_MAX {
            return Err(HeaderError::TooDeep);
        }
        match self.peek()? {
            b'"' => self.string_into(&mut String::new()),
            b'{' => self.object(|scanner| {
                scanner.string_into(&mut String::new())?;
                scanner.expect(b':')?;
                scanner.skip_value(depth + 1)
            }),
            b'[' => self.skip_array(depth),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => {
                while matches!(self.byte(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
                    self.at += 1;
                }
                Ok(())
            }
            _ => Err(HeaderError::Syntax(self.at)),
        }
    }

    fn skip_array(&mut self, depth: usize) -> Result<(), HeaderError> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_value(depth + 1)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(HeaderError::Syntax(self.at)),
            }
        }
    }
}
