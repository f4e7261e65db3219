//! Length framing: `len: i32` (all that follows), `codec: u8` and `header length: u24`, header, body; big-endian.

use crate::command::{Codec, Command, HeaderError};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Longest frame, its length word included. Java: `NettyDecoder.FRAME_MAX_LENGTH`.
pub const FRAME_BYTES_MAX: usize = 16_777_216;

const LENGTH_BYTES: usize = 4;
const HEADER_MARK_BYTES: usize = 4;
const FRAME_BYTES_MIN: usize = LENGTH_BYTES + HEADER_MARK_BYTES;

/// Why the connection that sent this cannot go on; nothing is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A length word below that of the shortest frame, or over [`FRAME_BYTES_MAX`].
    Length(i32),
    /// A header longer than the rest of its frame.
    HeaderLength(u32),
    /// Neither JSON (0) nor ROCKETMQ (1).
    UnknownCodec(u8),
    /// A header that does not decode.
    Header(HeaderError),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::Length(length) => write!(f, "frame length {length}"),
            FrameError::HeaderLength(length) => write!(f, "header length {length} is beyond its frame"),
            FrameError::UnknownCodec(code) => write!(f, "unknown header encoding {code}"),
            FrameError::Header(error) => write!(f, "unreadable header: {error}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// How many bytes the frame at the front of `input` has in all, or the few that it takes to tell. [`FrameError::Length`] if
/// no frame begins so.
pub fn length_needed(input: &[u8]) -> Result<usize, FrameError> {
    let Some(word) = input.first_chunk::<LENGTH_BYTES>() else {
        return Ok(LENGTH_BYTES);
    };
    let length = i32::from_be_bytes(*word);
    match usize::try_from(length).ok().and_then(|rest| rest.checked_add(LENGTH_BYTES)) {
        Some(whole) if (FRAME_BYTES_MIN..=FRAME_BYTES_MAX).contains(&whole) => Ok(whole),
        _ => Err(FrameError::Length(length)),
    }
}

/// Takes one command off the front of `input`, if a whole one is there. An error ends the connection.
pub fn take(input: &mut BytesMut) -> Result<Option<Command>, FrameError> {
    let whole = length_needed(input)?;
    if input.len() < whole || whole == LENGTH_BYTES {
        return Ok(None);
    }
    let mut frame = input.split_to(whole).freeze();
    frame.advance(LENGTH_BYTES);
    decode(frame).map(Some)
}

/// Decodes a frame that has lost its length word. Any [`FrameError`] can come of it.
pub fn decode(mut frame: Bytes) -> Result<Command, FrameError> {
    if frame.len() < HEADER_MARK_BYTES {
        return Err(FrameError::Length(frame.len() as i32));
    }
    let mark = frame.get_u32();
    let header_length = mark & 0x00ff_ffff;
    if header_length as usize > frame.len() {
        return Err(FrameError::HeaderLength(header_length));
    }
    let codec = Codec::of_wire((mark >> 24) as u8).ok_or(FrameError::UnknownCodec((mark >> 24) as u8))?;
    let mut command = codec.decode(&frame[..header_length as usize]).map_err(FrameError::Header)?;
    frame.advance(header_length as usize);
    command.body = frame.into();
    Ok(command)
}

/// Appends everything of the frame but the body, whose length it counts in.
pub fn encode_head(command: &Command, codec: Codec, out: &mut Vec<u8>) {
    let start = out.len();
    out.put_u64(0);
    codec.encode(command, out);
    let header_length = out.len() - start - LENGTH_BYTES - HEADER_MARK_BYTES;
    let length = HEADER_MARK_BYTES + header_length + command.body.len();
    out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes());
    let mark = (codec.wire() as u32) << 24 | header_length as u32;
    out[start + 4..start + 8].copy_from_slice(&mark.to_be_bytes());
}

/// The whole frame as one piece, body copied.
pub fn encode(command: &Command, codec: Codec) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + command.body.len());
    encode_head(command, codec, &mut out);
    command.body.segments().for_each(|segment| out.extend_from_slice(segment));
    out
}

#[cfg(test)]
mod tests;
