//! Reading the log record by record, from copies of pieces of it.

use std::sync::Arc;

use message::record::{MAGIC_BLANK, MAGIC_V1, MAGIC_V2};
use message::{Record, RecordError, StoredMessage};

use super::error::AccessError;
use super::mapped_file::LogFile;

/// Copied at once, at most, unless a single record is longer. A window keeps so much memory.
pub const WINDOW_BYTES: usize = 1 << 20;

/// What every record begins with: `size i32 | magic i32`.
const HEAD_BYTES: usize = 8;

/// A piece of a log file, and what is known of the rest of what was asked for.
#[derive(Default)]
pub struct Window {
    file: Option<Arc<LogFile>>,
    bytes: Vec<u8>,
    /// Bytes that follow in the file.
    left: usize,
    /// Why they could not be taken in.
    unreadable: Option<AccessError>,
}

/// What stands somewhere in a window.
pub enum Found<'a> {
    Message(StoredMessage<'a>),
    /// The rest of the file is left out.
    Blank,
    /// Another window has to begin here; where that is empty too, there is nothing more.
    End,
    NoRecord(RecordError),
}

impl Window {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(WINDOW_BYTES);
        (self.file, self.left, self.unreadable) = (None, 0, None);
    }

    /// Takes in the `len` bytes at `at`, as far as there is room and the file can be read.
    pub fn fill(&mut self, file: &Arc<LogFile>, at: usize, len: usize) {
        self.clear();
        self.file = Some(Arc::clone(file));
        self.left = len;
        self.extend(at, len.min(WINDOW_BYTES));
        if let Some((size, MAGIC_V1 | MAGIC_V2)) = head(&self.bytes)
            && (self.bytes.len() + 1..=len).contains(&size)
        {
            self.extend(at + self.bytes.len(), size - self.bytes.len());
        }
    }

    fn extend(&mut self, at: usize, len: usize) {
        let Some(file) = self.file.as_ref().filter(|_| self.unreadable.is_none()) else { return };
        let before = self.bytes.len();
        if let Err(error) = file.read_to(at, len, &mut self.bytes) {
            let readable = (error.at() as usize).saturating_sub(at).min(len);
            let _ = file.read_to(at, readable, &mut self.bytes);
            self.unreadable = Some(error);
        }
        self.left -= self.bytes.len() - before;
    }

    /// What the window holds from `at` on.
    pub fn bytes(&self, at: usize) -> &[u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Bytes in the window and behind it, from `at` on.
    pub fn rest(&self, at: usize) -> usize {
        self.bytes.len() + self.left - at
    }

    /// What stands at `at`. An error where it cannot be read, or the file turns out to be cut.
    pub fn look(&self, at: usize) -> Result<Found<'_>, AccessError> {
        let bytes = self.bytes(at);
        let wanted = match head(bytes) {
            Some((_, MAGIC_BLANK)) => return Ok(Found::Blank),
            Some((size, MAGIC_V1 | MAGIC_V2)) => size,
            _ => HEAD_BYTES,
        };
        if wanted > bytes.len() && wanted <= self.rest(at) {
            return match &self.unreadable {
                Some(error) if at == 0 => Err(error.clone()),
                _ => Ok(Found::End),
            };
        }
        if bytes.is_empty() {
            return Ok(Found::End);
        }
        match Record::decode(bytes) {
            Ok(Record::Message(stored)) => {
                // Behind a cut the page reads as zeros to its end.
                if bytes[stored.size - 1] == 0 {
                    self.check_length()?;
                }
                Ok(Found::Message(stored))
            }
            Ok(Record::Blank) => Ok(Found::Blank),
            Err(error) => self.check_length().map(|()| Found::NoRecord(error)),
        }
    }

    fn check_length(&self) -> Result<(), AccessError> {
        self.file.as_ref().map_or(Ok(()), |file| file.check_length())
    }
}

fn head(bytes: &[u8]) -> Option<(usize, u32)> {
    let (size, rest) = bytes.split_first_chunk()?;
    let magic = u32::from_be_bytes(*rest.first_chunk()?);
    Some((usize::try_from(i32::from_be_bytes(*size)).ok()?, magic))
}

/// Whether a record or a blank seems to begin at `at`, or the file ends there.
pub fn begins_at(file: &LogFile, at: usize) -> Result<bool, AccessError> {
    if file.len() - at < HEAD_BYTES {
        return Ok(true);
    }
    let head = head(&file.read_array::<HEAD_BYTES>(at)?);
    Ok(matches!(head, Some((_, MAGIC_V1 | MAGIC_V2 | MAGIC_BLANK))))
}

/// The bytes of the record at `at`, which has at most `len`; `None` if none can begin there.
pub fn record_at(file: &LogFile, at: usize, len: usize) -> Result<Option<Vec<u8>>, AccessError> {
    if len < HEAD_BYTES {
        return Ok(None);
    }
    match head(&file.read_array::<HEAD_BYTES>(at)?) {
        Some((size, MAGIC_V1 | MAGIC_V2)) if size <= len => {
            file.check_record(at, size)?;
            let mut bytes = Vec::new();
            file.read_to(at, size, &mut bytes)?;
            Ok(Some(bytes))
        }
        _ => file.check_length().map(|()| None),
    }
}

/// What `look` makes of the message at `at`, which has at most `len` bytes; `None` if there is none.
pub fn message_at<T>(
    file: &LogFile,
    at: usize,
    len: usize,
    look: impl FnOnce(&StoredMessage<'_>) -> T,
) -> Result<Option<T>, AccessError> {
    let bytes = record_at(file, at, len)?;
    Ok(match bytes.as_deref().map(Record::decode) {
        Some(Ok(Record::Message(message))) => Some(look(&message)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn a_wrong_head_is_no_record_however_long_it_says_to_be() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = 3 * WINDOW_BYTES;
        let file = Arc::new(LogFile::create(&Disk::real(), &dir.path().join("0"), 0, bytes).unwrap());
        let mut head = Vec::from((2 * WINDOW_BYTES as i32).to_be_bytes());
        head.extend_from_slice(b"none");
        file.appender(0).unwrap().append(&head).unwrap();
        let mut window = Window::default();
        window.fill(&file, 0, bytes);
        // Not the end of the window: the next one would begin at the same place.
        assert!(matches!(window.look(0), Ok(Found::NoRecord(_))));
    }
}
