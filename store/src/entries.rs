//! The entries of one queue file, one after another, copied out some at a time.

use std::marker::PhantomData;
use std::sync::Arc;

use super::error::AccessError;
use super::mapped_file::MappedFile;
use super::probe::Entry;

/// Copied at once, at most: as many entries as clients ask for by default. More would be read in vain by most pulls.
const BLOCK_BYTES_MAX: usize = 640;

/// Entries of one file from some place on.
#[derive(Debug)]
pub struct Entries<E> {
    file: Arc<MappedFile>,
    /// Where in the file what is not copied yet begins and ends.
    rest: std::ops::Range<usize>,
    block: Vec<u8>,
    /// So much of the block is handed out.
    given: usize,
    entry: PhantomData<E>,
}

impl<E: Entry> Entries<E> {
    pub fn new(file: Arc<MappedFile>, at: usize, end: usize) -> Self {
        Self { file, rest: at..end, block: Vec::new(), given: 0, entry: PhantomData }
    }

    fn fill(&mut self) -> Result<(), AccessError> {
        let (from, bytes) =
            (self.rest.start, self.rest.len().min(BLOCK_BYTES_MAX - BLOCK_BYTES_MAX % E::BYTES));
        self.rest.start = from + bytes;
        self.given = 0;
        self.block.clear();
        self.file.read_to(from, bytes, &mut self.block).or_else(|error| {
            // The entries before what cannot be read.
            let before = (error.at() as usize).saturating_sub(from).min(bytes);
            let whole = before - before % E::BYTES;
            self.rest.start = from + whole;
            if whole == 0 { Err(error) } else { self.file.read_to(from, whole, &mut self.block) }
        })
    }
}

impl<E: Entry> Iterator for Entries<E> {
    type Item = Result<E, AccessError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.given == self.block.len() {
            if self.rest.is_empty() {
                return None;
            }
            if let Err(error) = self.fill() {
                self.rest = 0..0;
                return Some(Err(error));
            }
        }
        let entry = E::decode(&self.block[self.given..])?;
        self.given += E::BYTES;
        if !entry.is_written()
            && let Err(cut) = self.file.check_length()
        {
            return Some(Err(cut));
        }
        Some(Ok(entry))
    }
}
