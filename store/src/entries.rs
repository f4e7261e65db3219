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
    block: [u8; BLOCK_BYTES_MAX],
    /// What of the block is not handed out yet.
    ready: std::ops::Range<usize>,
    entry: PhantomData<E>,
}

impl<E: Entry> Entries<E> {
    pub fn new(file: Arc<MappedFile>, at: usize, end: usize) -> Self {
        Self { file, rest: at..end, block: [0; BLOCK_BYTES_MAX], ready: 0..0, entry: PhantomData }
    }

    fn fill(&mut self) -> Result<(), AccessError> {
        let whole = BLOCK_BYTES_MAX - BLOCK_BYTES_MAX % E::BYTES;
        let bytes = self.rest.len().min(whole);
        let bytes = match self.file.read(self.rest.start, &mut self.block[..bytes]) {
            Ok(()) => bytes,
            // The entries before what cannot be read.
            Err(error) => {
                let before = (error.at() as usize).saturating_sub(self.rest.start).min(bytes);
                let whole = before - before % E::BYTES;
                if whole == 0 {
                    return Err(error);
                }
                self.file.read(self.rest.start, &mut self.block[..whole])?;
                whole
            }
        };
        self.rest.start += bytes;
        self.ready = 0..bytes;
        Ok(())
    }
}

impl<E: Entry> Iterator for Entries<E> {
    type Item = Result<E, AccessError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            if self.rest.is_empty() {
                return None;
            }
            if let Err(error) = self.fill() {
                self.rest = 0..0;
                return Some(Err(error));
            }
        }
        let entry = E::decode(&self.block[self.ready.clone()])?;
        self.ready.start += E::BYTES;
        if !entry.is_written()
            && let Err(cut) = self.file.check_length()
        {
            return Some(Err(cut));
        }
        Some(Ok(entry))
    }
}
