//! Inputs made of others, the same on every run.

/// Lengths and counts that have a way of going wrong.
const NUMBERS: [i32; 12] =
    [0, 1, -1, 4, 127, 128, 255, i16::MAX as i32, i16::MAX as i32 + 1, 0x0100_0000, i32::MAX, i32::MIN];
/// Bytes that mean something to one of the formats.
const SIGNS: &[u8] = b"{}[]\"\\:,=$.\x00\x01\x02\xff\xed0-e|+% \nnu";
const CHANGES_MAX: u64 = 6;

/// Marsaglia's xorshift.
pub struct Mutator(u64);

impl Mutator {
    pub fn new(seed: u64) -> Mutator {
        Mutator(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 to `end` - 1; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of `seeds`, changed in a few places.
    pub fn mutant(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.next() % CHANGES_MAX {
            self.change(&mut bytes, seeds);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        let end = at + self.below((bytes.len() - at).min(64) + 1);
        match self.next() % 9 {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.next() as u8,
            2 => bytes.insert(at, SIGNS[self.below(SIGNS.len())]),
            3 if at < bytes.len() => bytes[at] = SIGNS[self.below(SIGNS.len())],
            4 => drop(bytes.drain(at..end)),
            5 => {
                let piece = bytes[at..end].to_vec();
                let copies = 1 + self.below(4);
                bytes.splice(at..at, piece.repeat(copies));
            }
            6 => bytes.truncate(at),
            7 => {
                let number = NUMBERS[self.below(NUMBERS.len())].to_be_bytes();
                let width = [1, 2, 4][self.below(3)];
                let stop = (at + width).min(bytes.len());
                bytes.splice(at..stop, number[4 - width..].iter().copied());
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                let to = from + self.below((other.len() - from).min(64) + 1);
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
}
