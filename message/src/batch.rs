//! The body of `SEND_BATCH_MESSAGE`: items one after another (`MessageDecoder.encodeMessage`).
//!
//! `size i32 | magic i32 | crc i32 | flag i32 | bodyLen i32 | body | propertiesLen i16 | properties`; the broker reads
//! none of the first three.

use super::RecordError;

const SKIPPED_BYTES: usize = 12;

/// One message of a batch. Topic, queue and hosts are those of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchItem<'a> {
    /// The user's own flag.
    pub flag: i32,
    /// What the producer sent.
    pub body: &'a [u8],
    /// As they came: the last one may be open. See [`property`](super::property).
    pub properties: &'a [u8],
}

/// Splits a batch body. Every item is checked against the bytes that are there.
pub fn split(body: &[u8]) -> impl Iterator<Item = Result<BatchItem<'_>, RecordError>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let item = next_item(&mut rest);
        if item.is_none() {
            rest = &[];
        }
        Some(item.ok_or(RecordError::Short))
    })
}

fn next_item<'a>(rest: &mut &'a [u8]) -> Option<BatchItem<'a>> {
    take(rest, SKIPPED_BYTES)?;
    let flag = i32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
    let body_bytes = i32::from_be_bytes(take(rest, 4)?.try_into().ok()?);
    let body = take(rest, usize::try_from(body_bytes).ok()?)?;
    let properties_bytes = i16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    let properties = take(rest, usize::try_from(properties_bytes).ok()?)?;
    Some(BatchItem { flag, body, properties })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    // As 5.5.0's client makes it: a whole item with its properties.
    const ITEM: &[u8] = b"\0\0\0\x1f\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x02hi\0\x07KEYS\x01k\x02";

    #[test]
    fn splits_items() {
        let body = [ITEM, ITEM].concat();
        let items: Vec<_> = split(&body).collect::<Result<_, _>>().unwrap();
        assert_eq!(items, [BatchItem { flag: 7, body: b"hi", properties: b"KEYS\x01k\x02" }; 2]);
        assert_eq!(split(b"").count(), 0);
    }

    #[test]
    fn every_cut_is_an_error() {
        for cut in 1..ITEM.len() {
            assert_eq!(split(&ITEM[..cut]).collect::<Vec<_>>(), [Err(RecordError::Short)], "cut {cut}");
        }
    }
}
