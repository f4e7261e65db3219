//! What waits to be written to a connection.

use super::budget::{Budget, OUTBOX_FREE_BYTES, Share};
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

pub(super) struct Outbox {
    /// Headers and short bodies, back to back.
    text: Vec<u8>,
    pieces: Vec<Piece>,
    bytes: usize,
    /// Of what is more than [`OUTBOX_FREE_BYTES`].
    pub(super) share: Share,
}

/// Why no more may wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overfull {
    /// More waits than [`OUTBOX_BYTES_MAX`].
    Outbox,
    /// More waits than is free, and all connections together hold as much as they may.
    Budget,
}

impl std::fmt::Display for Overfull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Overfull::Outbox => write!(f, "{OUTBOX_BYTES_MAX} bytes wait"),
            Overfull::Budget => {
                write!(f, "{OUTBOX_FREE_BYTES} bytes wait, and all connections hold as much as they may")
            }
        }
    }
}

enum Piece {
    /// Up to this end in `text`, from where the text piece before ended.
    Text(usize),
    Segment(Bytes),
}

impl Outbox {
    pub(super) fn new(budget: &'static Budget) -> Outbox {
        Outbox { text: Vec::new(), pieces: Vec::new(), bytes: 0, share: Share::of(&budget.replies) }
    }

    /// The buffer of one before, emptied.
    pub(super) fn set_buffer(&mut self, text: Vec<u8>) {
        self.text = text;
    }

    /// Whoever pushed too much is to be cut off.
    pub(super) fn push(&mut self, command: Command, codec: Codec) -> Result<(), Overfull> {
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
        if self.bytes > OUTBOX_BYTES_MAX {
            return Err(Overfull::Outbox);
        }
        let counted = self.bytes.saturating_sub(OUTBOX_FREE_BYTES);
        if self.share.try_grow_to(counted) { Ok(()) } else { Err(Overfull::Budget) }
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
        let mut outbox = Outbox::new(Budget::of_process());
        let mut whole = Vec::new();
        for body_bytes in [0, 10, COPY_BYTES_MAX, 5000, 3] {
            let body = vec![body_bytes as u8; body_bytes];
            let command = Command::request(RequestCode::SEND_MESSAGE, ExtFields::default()).with_body(body);
            whole.extend(frame::encode(&command, Codec::Json));
            outbox.push(command, Codec::Json).unwrap();
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
