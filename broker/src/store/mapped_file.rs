//! Files mapped into memory: the only unsafe code.
#![allow(unsafe_code)]

use std::sync::Arc;

/// A file mapped as a whole (`DefaultMappedFile`).
#[derive(Debug)]
pub struct MappedFile {}

/// Bytes of a mapped file. Keeps the mapping alive: deleting the file does not invalidate it.
#[derive(Clone, Debug)]
pub struct MappedRange {
    file: Arc<MappedFile>,
    offset: usize,
    len: usize,
}

impl AsRef<[u8]> for MappedRange {
    fn as_ref(&self) -> &[u8] {
        let _ = (&self.file, self.offset, self.len);
        todo!()
    }
}

impl MappedRange {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
