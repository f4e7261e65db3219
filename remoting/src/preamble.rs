//! What may come before the first frame of a connection: a PROXY preamble, and a TLS handshake. Java:
//! `NettyRemotingServer.HandshakeHandler`, `HAProxyMessageHandler`, `TlsModeHandler`.
//!
//! One byte tells them apart: read as the first byte of a frame's length, each would be far above the frame limit.

mod proxy;

use crate::connection::Peer;
use crate::tls::{Tls, TlsMode};
use proxy::ProxyError;
use std::io;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The record type of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// What carries the frames. A TLS session is boxed: it is big, and most connections have none.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why a connection does not get as far as its first frame.
#[derive(Debug)]
pub(crate) enum PreambleError {
    /// The peer ended it. Port probes do.
    Closed,
    Io(io::Error),
    Proxy(ProxyError),
    /// `tls.server.mode` is `disabled`, and this is a TLS client.
    TlsDisabled,
    /// `tls.server.mode` is `enforcing`, and this is a plain client.
    TlsEnforced,
    /// The certificate cannot be used; why was logged when it was read.
    NoCertificate,
    Handshake(io::Error),
}

impl std::fmt::Display for PreambleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PreambleError::Closed => f.write_str("its peer ended it before a frame came"),
            PreambleError::Io(error) => write!(f, "it broke before a frame came: {error}"),
            PreambleError::Proxy(error) => write!(f, "its PROXY preamble is broken: {error}"),
            PreambleError::TlsDisabled => f.write_str("it wants TLS, and the TLS mode is disabled"),
            PreambleError::TlsEnforced => f.write_str("it is plain, and the TLS mode is enforcing"),
            PreambleError::NoCertificate => f.write_str("it wants TLS, and the certificate cannot be used"),
            PreambleError::Handshake(error) => write!(f, "the TLS handshake failed: {error}"),
        }
    }
}

impl From<io::Error> for PreambleError {
    fn from(error: io::Error) -> PreambleError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => PreambleError::Closed,
            _ => PreambleError::Io(error),
        }
    }
}

/// Takes what comes before the first frame; tells `peer` the address that a PROXY preamble names. Waits as long as the
/// other end is silent: the idle rule counts from the start of the connection.
pub(crate) async fn open(mut stream: TcpStream, peer: &Peer, tls: &Tls) -> Result<Stream, PreambleError> {
    let mut first = first_byte(&stream).await?;
    if proxy::begins_with(first) {
        // Boxed, as TLS below: the task of a plain connection must not carry room for it.
        if let Some(source) = Box::pin(proxy::read(&mut stream)).await? {
            peer.proxied_from(source);
        }
        first = first_byte(&stream).await?;
    }
    match (first == TLS_HANDSHAKE, tls.mode()) {
        (false, TlsMode::Disabled | TlsMode::Permissive) => Ok(Stream::Plain(stream)),
        (false, TlsMode::Enforcing) => Err(PreambleError::TlsEnforced),
        (true, TlsMode::Disabled) => Err(PreambleError::TlsDisabled),
        (true, TlsMode::Permissive | TlsMode::Enforcing) => {
            let acceptor = tls.acceptor().ok_or(PreambleError::NoCertificate)?;
            let stream = Box::pin(acceptor.accept(stream)).await.map_err(PreambleError::Handshake)?;
            Ok(Stream::Tls(Box::new(stream)))
        }
    }
}

async fn first_byte(stream: &TcpStream) -> Result<u8, PreambleError> {
    let mut byte = [0];
    match stream.peek(&mut byte).await? {
        0 => Err(PreambleError::Closed),
        _ => Ok(byte[0]),
    }
}

#[cfg(test)]
pub(crate) mod tests;
