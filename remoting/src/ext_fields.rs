//! The ext fields of a command: ordered text pairs, held in one allocation.

use smallvec::SmallVec;

/// Java: `RemotingCommand.extFields`, a `HashMap<String, String>` that may be null.
///
/// Order is kept as read or pushed, so that a decoded command encodes back to the same bytes. Where a key
/// stands twice, the later value wins, as in Java's map.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtFields {
    text: String,
    spans: SmallVec<[Span; 16]>,
    /// An empty map is written as `{}`, a null one not at all.
    present: bool,
    /// Read from the ROCKETMQ encoding, where an empty value stands for null.
    empty_is_null: bool,
}

/// Ends of one pair in `text`; each starts where the one before ended.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    value: u32,
    end: u32,
}

impl ExtFields {
    /// A map that is there, though empty.
    pub fn empty() -> ExtFields {
        ExtFields { present: true, ..ExtFields::default() }
    }

    /// As [`empty`](Self::empty), with room for so many bytes of keys and values.
    pub fn with_capacity(text_bytes: usize) -> ExtFields {
        ExtFields { text: String::with_capacity(text_bytes), present: true, ..ExtFields::default() }
    }

    pub(crate) fn with_empty_as_null(mut self) -> ExtFields {
        self.empty_is_null = true;
        self
    }

    /// Whether Java would hold null here.
    pub fn is_null(&self) -> bool {
        !self.present
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What it takes of memory, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let spilled = if self.spans.spilled() { self.spans.capacity() * size_of::<Span>() } else { 0 };
        self.text.capacity() + spilled
    }

    /// The value of a key; `None` also where Java would hold null.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().rev().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// The pairs whose value is not null.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.written().filter(|(_, value)| !(self.empty_is_null && value.is_empty()))
    }

    /// The pairs as they stand on the wire.
    pub(crate) fn written(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.spans.iter().map(|s| {
            (&self.text[s.start as usize..s.value as usize], &self.text[s.value as usize..s.end as usize])
        })
    }

    /// Adds a pair.
    pub fn push(&mut self, key: &str, value: impl FieldValue) {
        self.push_with(key, |text| value.append_to(text));
    }

    /// Pushes a pair whose value `write` appends to the text.
    pub fn push_with(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        let start = self.text.len() as u32;
        self.text.push_str(key);
        let value = self.text.len() as u32;
        write(&mut self.text);
        self.end_pair(start, value);
    }

    /// For decoders, which write key and value into the text themselves.
    pub(crate) fn text_mut(&mut self) -> &mut String {
        self.present = true;
        &mut self.text
    }

    /// Closes the pair whose key began at `start` and whose value began at `value`.
    pub(crate) fn end_pair(&mut self, start: u32, value: u32) {
        self.present = true;
        self.spans.push(Span { start, value, end: self.text.len() as u32 });
    }
}

impl std::fmt::Debug for ExtFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A value in the text form that Java gives it.
pub trait FieldValue {
    /// Appends the value.
    fn append_to(&self, text: &mut String);
}

impl FieldValue for str {
    fn append_to(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl FieldValue for String {
    fn append_to(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl FieldValue for bool {
    fn append_to(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }
}

macro_rules! integer_field_value {
    ($($type:ty)*) => {$(
        impl FieldValue for $type {
            fn append_to(&self, text: &mut String) {
                text.push_str(itoa::Buffer::new().format(*self));
            }
        }
    )*};
}
integer_field_value!(i32 i64 u32 u64 usize);

impl<T: FieldValue + ?Sized> FieldValue for &T {
    fn append_to(&self, text: &mut String) {
        (**self).append_to(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_two_values_wins() {
        let mut ext = ExtFields::default();
        assert!(ext.is_null());
        ext.push("a", "1");
        ext.push("b", 2i64);
        ext.push("a", true);
        assert_eq!(ext.get("a"), Some("true"));
        assert_eq!(ext.get("b"), Some("2"));
        assert_eq!(ext.get("c"), None);
        assert_eq!(ext.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("a", "true")]);
    }
}
