//! Reads what either fastjson generation writes, and what looser clients do.

use super::scanner::{ScanError, Scanner};
use super::{DEPTH_MAX, JsonError};
use serde::de::{self, Deserialize, DeserializeSeed, IntoDeserializer as _, Visitor};
use std::borrow::Cow;

/// Text that all references of a body together may make us read again.
const REFERENCE_BYTES_MAX: usize = 64 << 20;
/// What Java writes makes values of some 3 times its text; `[{},{},{}]` could make 60 times as much.
const VALUE_BYTES_PER_TEXT_BYTE_MAX: usize = 8;
/// For short texts, on top of the above.
const VALUE_BYTES_FREE: usize = 64 << 10;

pub(super) fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, JsonError> {
    let mut reader = Reader {
        text,
        scanner: Scanner::new(text),
        depth: 0,
        reference_bytes_left: REFERENCE_BYTES_MAX,
        value_bytes_left: VALUE_BYTES_FREE + VALUE_BYTES_PER_TEXT_BYTE_MAX * text.len(),
    };
    let value = T::deserialize(&mut reader)?;
    reader.scanner.expect_end()?;
    Ok(value)
}

struct Reader<'de> {
    text: &'de str,
    scanner: Scanner<'de>,
    depth: usize,
    reference_bytes_left: usize,
    value_bytes_left: usize,
}

impl<'de> Reader<'de> {
    /// Counts a value that is about to be read into some collection, or into a field (so these count twice).
    fn charge<T>(&mut self) -> Result<(), JsonError> {
        self.value_bytes_left =
            self.value_bytes_left.checked_sub(size_of::<T>()).ok_or(JsonError::TooLarge(self.scanner.at))?;
        Ok(())
    }

    /// A number's text, be it in quotes or bare; "0" for null, as Java's primitives.
    fn number(&mut self) -> Result<Cow<'de, str>, JsonError> {
        match self.scanner.peek()? {
            b'n' => Ok(self.scanner.null().map(|_| Cow::Borrowed("0"))?),
            b'"' | b'\'' => Ok(self.scanner.string()?),
            b'-' | b'+' | b'.' | b'0'..=b'9' => Ok(Cow::Borrowed(self.scanner.raw_value()?)),
            _ => Err(ScanError::Syntax(self.scanner.at).into()),
        }
    }

    fn integer<T: std::str::FromStr>(&mut self, from_float: fn(f64) -> T) -> Result<T, JsonError> {
        let text = self.number()?;
        let text = text.trim();
        text.parse().or_else(|_| match text.parse::<f64>() {
            Ok(value) => Ok(from_float(value)),
            Err(_) if text.is_empty() => Ok(from_float(0.0)),
            Err(_) => Err(JsonError::Unfit(format!("{text:?} is no number"))),
        })
    }

    fn float(&mut self) -> Result<f64, JsonError> {
        let text = self.number()?;
        text.trim().parse().map_err(|_| JsonError::Unfit(format!("{text:?} is no number")))
    }

    fn boolean(&mut self) -> Result<bool, JsonError> {
        let mut text = String::new();
        self.scanner.value_into(&mut text)?;
        Ok(text.eq_ignore_ascii_case("true") || text == "1")
    }

    fn text(&mut self) -> Result<Cow<'de, str>, JsonError> {
        match self.scanner.peek()? {
            b'"' | b'\'' => Ok(self.scanner.string()?),
            b'n' => Ok(self.scanner.null().map(|_| Cow::Borrowed(""))?),
            _ => Ok(Cow::Borrowed(self.scanner.raw_value()?)),
        }
    }

    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        let text = self.number()?;
        match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(value), _) => visitor.visit_i64(value),
            (_, Ok(value)) => visitor.visit_f64(value),
            _ => Err(JsonError::Unfit(format!("{text:?} is no number"))),
        }
    }

    /// Reads members up to `close`; null counts as having none.
    fn members<T>(
        &mut self,
        open: u8,
        visit: impl FnOnce(Members<'_, 'de>) -> Result<T, JsonError>,
    ) -> Result<T, JsonError> {
        let close = open + 2;
        if self.scanner.null()? {
            return visit(Members { reader: self, close, first: true, done: true });
        }
        self.scanner.expect(open)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ScanError::TooDeep.into());
        }
        let value = visit(Members { reader: self, close, first: true, done: false })?;
        self.depth -= 1;
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, JsonError> {
        match self.reference()? {
            Some(target) => self.follow(target, visitor),
            None => self.members(b'{', |members| visitor.visit_map(members)),
        }
    }

    /// The path, if what stands here is `{"$ref":"path"}`; taken then.
    fn reference(&mut self) -> Result<Option<Cow<'de, str>>, JsonError> {
        self.scanner.peek()?;
        if !self.text[self.scanner.at..].starts_with("{\"$ref\":\"") {
            return Ok(None);
        }
        self.scanner.at += "{\"$ref\":".len();
        let path = self.scanner.string()?;
        self.scanner.expect(b'}')?;
        Ok(Some(path))
    }

    /// Reads the object at `path` in place of the one here. What is referred to holds no references itself.
    fn follow<V: Visitor<'de>>(&mut self, path: Cow<'de, str>, visitor: V) -> Result<V::Value, JsonError> {
        let here = self.scanner.clone();
        let broken = JsonError::Reference(here.at);
        self.scanner = locate(self.text, &path).ok_or(broken.clone())?;
        if self.reference()?.is_some() {
            return Err(broken);
        }
        let value = self.members(b'{', |members| visitor.visit_map(members))?;
        self.reference_bytes_left = self.reference_bytes_left.checked_sub(self.scanner.at).ok_or(broken)?;
        self.scanner = here;
        Ok(value)
    }
}

/// The value at a path like `$.mqSet[0]`.
fn locate<'de>(text: &'de str, path: &str) -> Option<Scanner<'de>> {
    let mut scanner = Scanner::new(text);
    let mut path = path.strip_prefix('$')?;
    while !path.is_empty() {
        if let Some(rest) = path.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            find_member(&mut scanner, &rest[..end])?;
            path = &rest[end..];
        } else {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            find_element(&mut scanner, index.parse().ok()?)?;
            path = rest;
        }
    }
    Some(scanner)
}

fn find_member(scanner: &mut Scanner, name: &str) -> Option<()> {
    scanner.expect(b'{').ok()?;
    let mut first = true;
    while scanner.another(b'}', &mut first).ok()? {
        let found = matches!(scanner.peek(), Ok(b'"')) && scanner.clone().string().ok()? == name;
        scanner.skip_value(0).ok()?;
        scanner.expect(b':').ok()?;
        if found {
            return Some(());
        }
        scanner.skip_value(0).ok()?;
    }
    None
}

fn find_element(scanner: &mut Scanner, index: usize) -> Option<()> {
    scanner.expect(b'[').ok()?;
    let mut first = true;
    for _ in 0..index {
        if !scanner.another(b']', &mut first).ok()? {
            return None;
        }
        scanner.skip_value(0).ok()?;
    }
    scanner.another(b']', &mut first).ok()?.then_some(())
}

macro_rules! integers {
    ($($name:ident $visit:ident $type:ty,)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            visitor.$visit(self.integer(|value| value as $type)?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.scanner.peek()? {
            b'"' | b'\'' => self.deserialize_str(visitor),
            b'{' => self.object(visitor),
            b'[' => self.deserialize_seq(visitor),
            b't' | b'f' => visitor.visit_bool(self.boolean()?),
            b'n' => {
                self.scanner.null()?;
                visitor.visit_unit()
            }
            _ => self.visit_number(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.scanner.null()? { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.members(b'[', |members| visitor.visit_seq(members))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.object(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        constants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let text = self.text()?;
        // C++ clients write ordinals.
        let by_ordinal = text.parse::<usize>().ok().and_then(|ordinal| constants.get(ordinal));
        visitor.visit_enum(by_ordinal.map_or(text, |name| Cow::Borrowed(name)).into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.scanner.skip_value(self.depth)?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! { char bytes byte_buf unit unit_struct }
}

/// The members of an object or the elements of an array, one after the other.
struct Members<'r, 'de> {
    reader: &'r mut Reader<'de>,
    close: u8,
    first: bool,
    done: bool,
}

impl Members<'_, '_> {
    fn another(&mut self) -> Result<bool, JsonError> {
        self.done = self.done || !self.reader.scanner.another(self.close, &mut self.first)?;
        Ok(!self.done)
    }
}

impl<'de> de::SeqAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        if !self.another()? {
            return Ok(None);
        }
        self.reader.charge::<T::Value>()?;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> de::MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        if !self.another()? {
            return Ok(None);
        }
        self.reader.charge::<K::Value>()?;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        self.reader.scanner.expect(b':')?;
        self.reader.charge::<V::Value>()?;
        seed.deserialize(&mut *self.reader)
    }
}
