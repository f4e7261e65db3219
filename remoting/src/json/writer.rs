//! Writes values as fastjson2 does.

use super::JsonError;
use serde::ser::{self, Serialize, SerializeMap as _};
use std::io::Write as _;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Compact,
    Pretty,
    Standard,
}

pub(super) fn write<T: Serialize + ?Sized>(value: &T, style: Style) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(128), style, depth: 0, null: false };
    // Only a type that asks for a form of value which the dialect lacks can fail: a mistake in our own code.
    value.serialize(&mut writer).unwrap_or_else(|error| panic!("{}: {error}", std::any::type_name::<T>()));
    writer.out
}

/// Escapes as fastjson does: the short forms where JSON has one, `\u00xx` for other control characters.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
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
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[plain_from..]);
    out.push(b'"');
}

struct Writer {
    out: Vec<u8>,
    style: Style,
    depth: usize,
    /// The value just written was a null: an object leaves such a member out.
    null: bool,
}

impl Writer {
    fn new_line(&mut self) {
        if self.style == Style::Pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + self.depth, b'\t');
        }
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.depth += 1;
    }

    fn close(&mut self, bracket: u8, own_line: bool) {
        self.depth -= 1;
        if own_line {
            self.new_line();
        }
        self.out.push(bracket);
    }

    fn integer(&mut self, value: impl itoa::Integer) -> Result<(), JsonError> {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        Ok(())
    }

    /// Java's `Double.toString`: at least one decimal, an exponent outside 0.001..10,000,000; null where there is no number.
    fn float(
        &mut self,
        value: impl Into<f64> + std::fmt::Debug + std::fmt::UpperExp + Copy,
    ) -> Result<(), JsonError> {
        let size = value.into().abs();
        if !size.is_finite() {
            self.out.extend_from_slice(b"null");
        } else if size == 0.0 || (1e-3..1e7).contains(&size) {
            let _ = write!(self.out, "{value:?}");
        } else {
            let text = format!("{value:E}");
            let (digits, exponent) = text.split_once('E').unwrap_or((&text, "0"));
            let decimal = if digits.contains('.') { "" } else { ".0" };
            let _ = write!(self.out, "{digits}{decimal}E{exponent}");
        }
        Ok(())
    }
}

fn unwanted<T>(what: &str) -> Result<T, JsonError> {
    Err(JsonError::Unfit(format!("the dialect has no {what}")))
}

macro_rules! numbers {
    ($write:ident: $($method:ident $number:ty),+) => {
        $(fn $method(self, value: $number) -> Result<(), JsonError> {
            self.$write(value)
        })+
    };
}

impl<'w> ser::Serializer for &'w mut Writer {
    type Ok = ();
    type Error = JsonError;
    type SerializeSeq = List<'w>;
    type SerializeTuple = ser::Impossible<(), JsonError>;
    type SerializeTupleStruct = ser::Impossible<(), JsonError>;
    type SerializeTupleVariant = ser::Impossible<(), JsonError>;
    type SerializeMap = Object<'w>;
    type SerializeStruct = Object<'w>;
    type SerializeStructVariant = ser::Impossible<(), JsonError>;

    fn serialize_bool(self, value: bool) -> Result<(), JsonError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    numbers! { integer: serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64 }
    numbers! { integer: serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64 }
    numbers! { float: serialize_f32 f32, serialize_f64 f64 }

    fn serialize_char(self, value: char) -> Result<(), JsonError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), JsonError> {
        write_string(value, &mut self.out);
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), JsonError> {
        unwanted("bytes")
    }

    fn serialize_none(self) -> Result<(), JsonError> {
        self.out.extend_from_slice(b"null");
        self.null = true;
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), JsonError> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JsonError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), JsonError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), JsonError> {
        unwanted("variant with content")
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'w>, JsonError> {
        self.open(b'[');
        Ok(List { writer: self, empty: true, numbers: false })
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, JsonError> {
        unwanted("tuple")
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, JsonError> {
        unwanted("tuple")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, JsonError> {
        unwanted("variant with content")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'w>, JsonError> {
        self.open(b'{');
        Ok(Object { member_at: self.out.len(), writer: self, empty: true, is_bean: false })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'w>, JsonError> {
        self.open(b'{');
        Ok(Object { member_at: self.out.len(), writer: self, empty: true, is_bean: true })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, JsonError> {
        unwanted("variant with content")
    }
}

struct List<'w> {
    writer: &'w mut Writer,
    empty: bool,
    /// Java keeps lists of numbers on one line, even in files.
    numbers: bool,
}

impl ser::SerializeSeq for List<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let writer = &mut *self.writer;
        if !self.empty {
            writer.out.push(b',');
        }
        let line_at = writer.out.len();
        if !self.numbers {
            writer.new_line();
        }
        let at = writer.out.len();
        value.serialize(&mut *writer)?;
        writer.null = false;
        if self.empty && matches!(writer.out[at], b'-' | b'0'..=b'9') {
            self.numbers = true;
            writer.out.drain(line_at..at);
        }
        self.empty = false;
        Ok(())
    }

    fn end(self) -> Result<(), JsonError> {
        self.writer.close(b']', !self.empty && !self.numbers);
        Ok(())
    }
}

struct Object<'w> {
    writer: &'w mut Writer,
    empty: bool,
    /// Where the member under way began, to take it back if its value is null.
    member_at: usize,
    /// A Java bean, not a map. Matters only if it has no members.
    is_bean: bool,
}

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JsonError> {
        let writer = &mut *self.writer;
        self.member_at = writer.out.len();
        if !self.empty {
            writer.out.push(b',');
        }
        writer.new_line();
        let at = writer.out.len();
        key.serialize(&mut *writer)?;
        if writer.style == Style::Standard && !matches!(writer.out[at], b'"' | b'{') {
            writer.out.insert(at, b'"');
            writer.out.push(b'"');
        }
        writer.out.push(b':');
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        value.serialize(&mut *self.writer)?;
        if std::mem::take(&mut self.writer.null) {
            self.writer.out.truncate(self.member_at);
        } else {
            self.empty = false;
        }
        Ok(())
    }

    fn end(self) -> Result<(), JsonError> {
        if self.empty && self.is_bean {
            self.writer.new_line();
        }
        self.writer.close(b'}', !self.empty || self.is_bean);
        Ok(())
    }
}

impl ser::SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = JsonError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), JsonError> {
        self.serialize_entry(key, value)
    }

    fn end(self) -> Result<(), JsonError> {
        ser::SerializeMap::end(self)
    }
}
