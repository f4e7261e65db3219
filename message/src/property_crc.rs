//! The checksum of a whole record that 5.x can append to its properties (`enabledAppendPropCRC`): the property
//! `__CRC32#`, always last and of fixed length.
//!
//! `name 0x01 ten digits 0x02`, the digits beginning with the lowest (`MessageDecoder.createCrc32`,
//! `CommitLog.checkMessageAndReturnSize`).

use super::{crc32, property};

/// `MessageConst.PROPERTY_CRC32`.
pub const PROPERTY_CRC32: &str = "__CRC32#";
const DIGITS: usize = 10;
/// `CommitLog.CRC32_RESERVED_LEN`: what the property takes at the end of a record.
pub const RESERVED_BYTES: usize = PROPERTY_CRC32.len() + 1 + DIGITS + 1;

/// Whether records end in a checksum of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyCrc {
    /// They do not.
    Omit,
    /// They do.
    Append,
}

impl PropertyCrc {
    /// By the setting `enabledAppendPropCRC`.
    pub const fn of(is_appended: bool) -> Self {
        if is_appended { Self::Append } else { Self::Omit }
    }

    /// What it takes at the end of each record.
    pub const fn reserved_bytes(self) -> usize {
        match self {
            Self::Omit => 0,
            Self::Append => RESERVED_BYTES,
        }
    }
}

/// Writes the property over the last [`RESERVED_BYTES`] of a record whose other bytes are final.
pub fn write(record: &mut [u8]) {
    let Some((checked, property)) = record.split_last_chunk_mut::<RESERVED_BYTES>() else { return };
    let mut rest = crc32(checked);
    let (name, value) = property.split_at_mut(PROPERTY_CRC32.len());
    name.copy_from_slice(PROPERTY_CRC32.as_bytes());
    value[0] = 1;
    for digit in &mut value[1..=DIGITS] {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    value[DIGITS + 1] = 2;
}

/// Whether a record ends as those do that a broker has appended a checksum to. A sender can write the property, too.
pub fn is_in_place(record: &[u8]) -> bool {
    record.split_last_chunk::<RESERVED_BYTES>().is_some_and(|(_, property)| {
        property
            .strip_prefix(PROPERTY_CRC32.as_bytes())
            .is_some_and(|rest| rest[0] == 1 && rest[DIGITS + 1] == 2)
    })
}

/// Whether a record of these `properties` has the checksum that they say. Without one it has not.
pub fn is_intact(record: &[u8], properties: &str) -> bool {
    let said = property::find(properties, PROPERTY_CRC32).and_then(|digits| {
        let number = digits.bytes().rev().try_fold(0i64, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })?;
        i32::try_from(number).ok()
    });
    let checked = record.split_last_chunk::<RESERVED_BYTES>().map(|(checked, _)| crc32(checked));
    said.is_some() && said == checked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_begin_with_the_lowest() {
        // crc32("abc") is 891568578.
        let mut record = [b"abc".as_slice(), &[0; RESERVED_BYTES]].concat();
        write(&mut record);
        assert_eq!(&record[3..], b"__CRC32#\x018758651980\x02");
        let properties = std::str::from_utf8(&record[3..]).unwrap();
        assert!(is_intact(&record, properties) && is_in_place(&record));
        assert!(!is_in_place(&record[..record.len() - 1]) && !is_in_place(b"abc"));
        assert!(!is_intact(&record, "TAGS\u{1}T\u{2}"));
        assert!(!is_intact(&record[1..], properties));
        for wrong in ["__CRC32#\u{1}x758651980\u{2}", "__CRC32#\u{1}99999999999999999999999\u{2}"] {
            assert!(!is_intact(&record, wrong));
        }
        write(&mut [0; 5]);
    }
}
