//! The PROXY protocol, versions 1 and 2 (haproxy's `doc/proxy-protocol.txt`). Java: Netty's `HAProxyMessageDecoder`.

use super::PreambleError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A version 1 line with its CRLF.
const V1_BYTES_MAX: usize = 107;
const V1_BEGIN: &[u8] = b"PROXY ";
const V2_BEGIN: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// [`V2_BEGIN`], version and command, family, u16 length of what follows.
const V2_HEAD_BYTES: usize = 16;
/// Source and destination: two addresses, two ports.
const V2_IPV4_BYTES: usize = 12;
const V2_IPV6_BYTES: usize = 36;
const V2_UNIX_BYTES: usize = 216;

/// Why a preamble is broken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProxyError {
    /// It began like one only.
    Begin,
    V1TooLong,
    /// What the line says instead.
    V1(String),
    V2Version(u8),
    V2Command(u8),
    V2Family(u8),
    /// Shorter than the addresses of its family.
    V2Length(usize),
}

impl std::fmt::Display for ProxyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProxyError::Begin => f.write_str("it is no PROXY preamble"),
            ProxyError::V1TooLong => write!(f, "no end of line in {V1_BYTES_MAX} bytes"),
            ProxyError::V1(line) => write!(f, "{line:?}"),
            ProxyError::V2Version(version) => write!(f, "version {version}"),
            ProxyError::V2Command(command) => write!(f, "command {command}"),
            ProxyError::V2Family(family) => write!(f, "family and protocol {family:#04x}"),
            ProxyError::V2Length(bytes) => write!(f, "{bytes} bytes of addresses"),
        }
    }
}

impl From<ProxyError> for PreambleError {
    fn from(error: ProxyError) -> PreambleError {
        PreambleError::Proxy(error)
    }
}

/// Whether a connection with this first byte can only begin with a PROXY preamble.
pub(super) fn begins_with(first: u8) -> bool {
    first == V1_BEGIN[0] || first == V2_BEGIN[0]
}

/// Takes the preamble from the stream and not a byte more. The answer is the source that it names, `None` where the
/// socket's address stands: a check by the proxy itself, or a source without an IP address or port.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, PreambleError> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let source = if first[0] == V1_BEGIN[0] { read_v1(stream).await? } else { read_v2(stream).await? };
    // Java sets no port of 0, and without a port it ignores the address (`RemotingHelper.getProxyProtocolAddress`).
    Ok(source.filter(|source| source.port() > 0))
}

async fn read_v1(stream: &mut TcpStream) -> Result<Option<SocketAddr>, PreambleError> {
    let mut line = [0; V1_BYTES_MAX];
    let mut filled = 0;
    loop {
        // Only a peek shows where the line ends; what it showed is taken at once, so that the next one waits for more.
        let seen = stream.peek(&mut line[filled..]).await?;
        let fresh = &line[filled..filled + seen];
        let end = fresh.iter().position(|byte| *byte == b'\n');
        // An end of the stream shows as nothing: the read of one byte says so.
        let taken = end.map_or(seen, |position| position + 1).max(1);
        stream.read_exact(&mut line[filled..filled + taken]).await?;
        filled += taken;
        let compared = filled.min(V1_BEGIN.len());
        if line[..compared] != V1_BEGIN[..compared] {
            return Err(ProxyError::Begin.into());
        }
        if end.is_some() {
            return Ok(parse_v1(&line[..filled])?);
        }
        if filled == V1_BYTES_MAX {
            return Err(ProxyError::V1TooLong.into());
        }
    }
}

/// `PROXY TCP4|TCP6 source destination port port\r\n`, or `PROXY UNKNOWN` and whatever.
fn parse_v1(line: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let broken = || ProxyError::V1(String::from_utf8_lossy(line).into_owned());
    let text = str::from_utf8(line).ok().and_then(|text| text.strip_suffix("\r\n")).ok_or_else(broken)?;
    let words: Vec<&str> = text.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            let end = |ip: &str, port: &str| {
                let ip: IpAddr = match family {
                    "TCP4" => ip.parse::<Ipv4Addr>().ok()?.into(),
                    "TCP6" => ip.parse::<Ipv6Addr>().ok()?.into(),
                    _ => return None,
                };
                Some(SocketAddr::new(ip, port.parse().ok()?))
            };
            end(destination, destination_port).ok_or_else(broken)?;
            end(source, source_port).map(Some).ok_or_else(broken)
        }
        _ => Err(broken()),
    }
}

async fn read_v2(stream: &mut TcpStream) -> Result<Option<SocketAddr>, PreambleError> {
    let mut head = [0; V2_HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    let family = parse_v2_head(&head, length)?;
    let mut addresses = [0; V2_IPV6_BYTES];
    let addresses = &mut addresses[..length.min(V2_IPV6_BYTES)];
    stream.read_exact(addresses).await?;
    skip(stream, length - addresses.len()).await?;
    Ok(family.source(addresses))
}

#[derive(Debug, PartialEq, Eq)]
enum Family {
    Ipv4,
    Ipv6,
    /// None, or a Unix socket.
    Other,
}

impl Family {
    fn source(&self, addresses: &[u8]) -> Option<SocketAddr> {
        match self {
            Family::Ipv4 => {
                let ([ip, _], port) = split::<4>(addresses)?;
                Some((Ipv4Addr::from(ip), port).into())
            }
            Family::Ipv6 => {
                let ([ip, _], port) = split::<16>(addresses)?;
                Some((Ipv6Addr::from(ip), port).into())
            }
            Family::Other => None,
        }
    }
}

/// Both addresses, and the source's port.
fn split<const N: usize>(bytes: &[u8]) -> Option<([[u8; N]; 2], u16)> {
    let (source, rest) = bytes.split_first_chunk()?;
    let (destination, rest) = rest.split_first_chunk()?;
    let (port, _) = rest.split_first_chunk()?;
    Some(([*source, *destination], u16::from_be_bytes(*port)))
}

fn parse_v2_head(head: &[u8; V2_HEAD_BYTES], length: usize) -> Result<Family, ProxyError> {
    if head[..12] != V2_BEGIN {
        return Err(ProxyError::Begin);
    }
    if head[12] >> 4 != 2 {
        return Err(ProxyError::V2Version(head[12] >> 4));
    }
    match head[12] & 0xf {
        0 => return Ok(Family::Other),
        1 => {}
        command => return Err(ProxyError::V2Command(command)),
    }
    let (family, needed) = match head[13] {
        0x00 => (Family::Other, 0),
        0x11 | 0x12 => (Family::Ipv4, V2_IPV4_BYTES),
        0x21 | 0x22 => (Family::Ipv6, V2_IPV6_BYTES),
        0x31 | 0x32 => (Family::Other, V2_UNIX_BYTES),
        family => return Err(ProxyError::V2Family(family)),
    };
    if length < needed { Err(ProxyError::V2Length(length)) } else { Ok(family) }
}

/// Drops what only a later version, or somebody else, has a use for. The u16 length of the preamble limits it.
async fn skip(stream: &mut TcpStream, bytes: usize) -> io::Result<()> {
    let skipped = tokio::io::copy(&mut stream.take(bytes as u64), &mut tokio::io::sink()).await?;
    if skipped < bytes as u64 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
