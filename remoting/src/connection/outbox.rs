//! What waits to be written to a connection.

use crate::command::{Codec, Command};
use crate::frame;
use bytes::Bytes;
use std::io::IoSlice;

/// A peer that lets more than this pile up is cut off: it has stopped reading.
pub const OUTBOX_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A body segment below this is copied behind its header; a longer one is written from where it lies.
pub(super) const COPY_BYTES_MAX: usize = 1024;

/// Slices given to one vectored write (Linux takes up to 1,024).
pub(super) const SLICES_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Outbox {
    /// Headers and short bodies, back to back.
    text: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: usize,
}

enum Piece {
    /// Up to this end in `text`, from where the text piece before ended.
    Text(usize),
    Segment(Bytes),
}

impl Outbox {
    pub(super) fn with_buffer(text: Vec<u8>) -> Outbox {
        Outbox { text, ..Outbox::default() }
    }

    pub(super) fn push(&mut self, command: Command, codec: Codec) {
        let before = self.text.len();
        frame::encode_head(&command, codec, &mut self.text);
        self.bytes += self.text.len() - before;
        for segment in command.body.into_segments() {
            self.bytes += segment.len();
            if segment.len() < COPY_BYTES_MAX {
                self.text.extend_from_slice(&segment);
            } else {
                self.close_text();
                self.pieces.push(Piece::Segment(segment));
            }
        }
        self.close_text();
    }

    /// Ends the running piece of text, or makes the one before longer.
    fn close_text(&mut self) {
        match self.pieces.last_mut() {
            Some(Piece::Text(end)) => *end = self.text.len(),
            _ => self.pieces.push(Piece::Text(self.text.len())),
        }
    }

    /// Bytes that were pushed.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The emptied text buffer, to be used again.
    pub(super) fn into_buffer(mut self) -> Vec<u8> {
        self.text.clear();
        self.text
    }

    /// Fills `slices` from the `skip`th byte on and says how many slices there are.
    pub(super) fn slices<'a>(&'a self, mut skip: usize, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let (mut count, mut text_from) = (0, 0);
        for piece in &self.pieces {
            let bytes: &[u8] = match piece {
                Piece::Text(end) => {
                    let text = &self.text[text_from..*end];
                    text_from = *end;
                    text
                }
                Piece::Segment(segment) => segment,
            };
            if skip >= bytes.len() {
                skip -= bytes.len();
                continue;
            }
            slices[count] = IoSlice::new(&bytes[skip..]);
            skip = 0;
            count += 1;
            if count == SLICES_MAX {
                break;
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtFields;
    use crate::code::RequestCode;

    #[test]
    fn slices_are_the_frames_wherever_a_write_stopped() {
        let mut outbox = Outbox::default();
        let mut whole = Vec::new();
        for body_bytes in [0, 10, COPY_BYTES_MAX, 5000, 3] {
            let body = vec![body_bytes as u8; body_bytes];
            let command = Command::request(RequestCode::SEND_MESSAGE, ExtFields::default()).with_body(body);
            whole.extend(frame::encode(&command, Codec::Json));
            outbox.push(command, Codec::Json);
        }
        assert_eq!(outbox.len(), whole.len());
        assert_eq!(outbox.pieces.len(), 5);
        for skip in 0..=whole.len() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = outbox.slices(skip, &mut slices);
            let written: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert_eq!(written, &whole[skip..], "from {skip}");
        }
    }
}
