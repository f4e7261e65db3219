//! The Bloom filter whose bits tell which groups' expressions a message matched. Java: `BloomFilter`, `BitsArray`,
//! `BloomFilterData` of `org.apache.rocketmq.filter.util`, and Guava's `murmur3_128`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many bits, and which of them belong to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BloomFilter {
    hashes: usize,
    bits: usize,
}

/// A limit that [`BloomFilter::new`] was given and cannot keep. Limits and texts are Java's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloomError {
    /// Percent of wrong answers, not from 1 to 99.
    ErrorRate(i32),
    /// Names expected, below 1.
    Expected(i32),
}

impl fmt::Display for BloomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BloomError::ErrorRate(_) => "f must be greater or equal than 1 and less than 100",
            BloomError::Expected(_) => "n must be greater than 0",
        })
    }
}

impl std::error::Error for BloomError {}

/// The bits that belong to one consumer group and topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BloomFilterData {
    /// Of the filter that made them.
    #[serde(default)]
    pub bit_num: i32,
    /// Positions in the filter, one for each hash.
    #[serde(default)]
    pub bit_pos: Vec<i32>,
}

impl BloomFilter {
    /// For `expected` names with `error_rate` wrong answers in a hundred. An error if a number is out of its range. Java:
    /// `createByFn`.
    pub fn new(error_rate: i32, expected: i32) -> Result<BloomFilter, BloomError> {
        if !(1..100).contains(&error_rate) {
            return Err(BloomError::ErrorRate(error_rate));
        }
        if expected < 1 {
            return Err(BloomError::Expected(expected));
        }
        let log = |base: f64, value: f64| value.ln() / base.ln();
        let rate = f64::from(error_rate) / 100.0;
        let hashes = log(0.5, rate).ceil() as usize;
        let bits = f64::from(expected) * log(2.0, 1.0 / rate) * log(2.0, std::f64::consts::E);
        let bits = bits.ceil().min(f64::from(i32::MAX - 7)) as usize;
        Ok(BloomFilter { hashes, bits: bits.next_multiple_of(8) })
    }

    /// Bits of the whole filter, a multiple of 8.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Bytes of the whole filter.
    pub fn bytes(&self) -> usize {
        self.bits / 8
    }

    /// The bits that belong to a name. Java: `generate`.
    pub fn generate(&self, name: &str) -> BloomFilterData {
        let hash = murmur3(name.as_bytes());
        let (first, second) = (hash as i32, (hash >> 32) as i32);
        let position = |i: i32| {
            let combined = first.wrapping_add(i.wrapping_mul(second));
            let positive = if combined < 0 { !combined } else { combined };
            positive % self.bits as i32
        };
        BloomFilterData {
            bit_num: self.bits as i32,
            bit_pos: (1..=self.hashes as i32).map(position).collect(),
        }
    }

    /// Whether the bits were made by a filter like this one.
    pub fn is_valid(&self, data: &BloomFilterData) -> bool {
        data.bit_num == self.bits as i32 && data.bit_pos.len() == self.hashes
    }

    /// Sets the bits in `map`, which is of [`bytes`](Self::bytes) bytes; bits outside of it are passed over.
    pub fn hash_to(&self, data: &BloomFilterData, map: &mut [u8]) {
        for (byte, mask) in data.bit_pos.iter().filter_map(place) {
            if let Some(byte) = map.get_mut(byte) {
                *byte |= mask;
            }
        }
    }

    /// Whether all the bits are set in `map`.
    pub fn is_hit(&self, data: &BloomFilterData, map: &[u8]) -> bool {
        data.bit_pos.iter().all(|position| {
            place(position).is_some_and(|(byte, mask)| map.get(byte).is_some_and(|byte| byte & mask != 0))
        })
    }
}

fn place(position: &i32) -> Option<(usize, u8)> {
    let position = usize::try_from(*position).ok()?;
    Some((position / 8, 1 << (position % 8)))
}

/// The first half of MurmurHash3 x64 128 with seed 0.
fn murmur3(bytes: &[u8]) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let (mut h1, mut h2) = (0u64, 0u64);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        h1 = (h1 ^ mix1(word(&block[..8]))).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(word(&block[8..]))).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(word(high));
    h1 ^= mix1(word(low));
    h1 ^= bytes.len() as u64;
    h2 ^= bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

/// Up to 8 bytes, little-endian.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn finish(k: u64) -> u64 {
    let k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}
