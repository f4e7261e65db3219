use super::proxy::begins_with;
use crate::connection::{Call, Outcome, Service};
use crate::frame;
use crate::server::{Server, ServerConfig};
use crate::{Codec, Command, ExtFields, Refusal, RequestCode};
use bytes::BytesMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Answers with the address that it sees, and with the body that came.
struct WhoAmI;

impl Service for WhoAmI {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        assert_eq!(call.peer().socket_addr().ip().to_string(), "127.0.0.1");
        let remark = call.peer().remote_addr().to_string();
        Ok(Outcome::Now(Command::success().with_remark(remark).with_body(call.request.body.bytes())))
    }
}

pub(crate) fn start(config: ServerConfig) -> Server {
    Server::start(([127, 0, 0, 1], 0).into(), config, Arc::new(WhoAmI)).unwrap()
}

pub(crate) fn request(body_bytes: usize) -> Vec<u8> {
    let request = Command::request(RequestCode(10), ExtFields::default()).with_body(vec![7; body_bytes]);
    frame::encode(&request, Codec::Json)
}

/// The next reply; `None` where the connection ends instead.
pub(crate) async fn reply(stream: &mut (impl AsyncRead + Unpin)) -> Option<Command> {
    let read = async {
        let mut input = BytesMut::new();
        loop {
            if let Some(reply) = frame::take(&mut input).unwrap() {
                return Some(reply);
            }
            // A reset is as good as an end.
            if stream.read_buf(&mut input).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("a reply or the end")
}

/// Asks on a stream whose preamble is written; the address that the server sees.
pub(crate) async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    stream.write_all(&request(100_000)).await.unwrap();
    stream.flush().await.unwrap();
    let reply = reply(stream).await.expect("a reply");
    assert_eq!(reply.body.len(), 100_000);
    reply.remark.unwrap().to_string()
}

/// What the server makes of these bytes and a request after them.
async fn seen(server: &Server, preamble: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(&[preamble, &request(0)].concat()).await.unwrap();
    let mine = stream.local_addr().unwrap().to_string();
    let remark = reply(&mut stream).await?.remark.unwrap().to_string();
    Some(if remark == mine { "the socket's".to_owned() } else { remark })
}

pub(crate) fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &length, addresses].concat()
}

const IPV4: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 0x04, 0x57, 0x08, 0xae];

fn ipv6() -> Vec<u8> {
    let mut addresses = vec![0; 36];
    addresses[15] = 1;
    addresses[32..].copy_from_slice(&[0x04, 0x57, 0x08, 0xae]);
    addresses
}

#[tokio::test]
async fn proxy_preambles_name_the_client() {
    let server = start(ServerConfig::default());
    let socket = "the socket's";
    let long = [&IPV4[..], &[0; 60_000]].concat();
    let cases: &[(&[u8], &str)] = &[
        (b"", socket),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", "1.2.3.4:1111"),
        (b"PROXY TCP6 ::1 ::2 1111 2222\r\n", "[::1]:1111"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 0 2222\r\n", socket),
        (b"PROXY UNKNOWN\r\n", socket),
        (b"PROXY UNKNOWN ffff::1 what ever it is\r\n", socket),
        (&v2(1, 0x11, &IPV4), "1.2.3.4:1111"),
        (&v2(1, 0x12, &IPV4), "1.2.3.4:1111"),
        (&v2(1, 0x11, &long), "1.2.3.4:1111"),
        (&v2(1, 0x21, &ipv6()), "[::1]:1111"),
        (&v2(1, 0x31, &[0; 216]), socket),
        (&v2(1, 0x00, &[]), socket),
        (&v2(0, 0x00, &[]), socket),
        (&v2(0, 0x11, &IPV4), socket),
    ];
    for (preamble, expected) in cases {
        let text = String::from_utf8_lossy(&preamble[..preamble.len().min(40)]).into_owned();
        assert_eq!(seen(&server, preamble).await.as_deref(), Some(*expected), "{text:?}");
    }
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_preamble_may_come_in_bits() {
    let server = start(ServerConfig::default());
    for preamble in [&b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"[..], &v2(1, 0x11, &IPV4)] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in preamble {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(ask(&mut stream).await, "1.2.3.4:1111");
    }
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn broken_preambles_close_their_connection_only() {
    let server = start(ServerConfig::default());
    let mut other = TcpStream::connect(server.local_addr()).await.unwrap();
    ask(&mut other).await;
    let cases: &[&[u8]] = &[
        b"POST / HTTP/1.1\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1111\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\n",
        b"PROXY TCP4 ::1 ::1 1111 2222\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 65536\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 1\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1111 2222\r\n",
        b"PROXY \xff\xfe\r\n",
        &[b'P'; 200],
        &[&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
        &[b'\r'; 200],
        &v2(2, 0x11, &IPV4),
        &v2(1, 0x13, &IPV4),
        &v2(1, 0x11, &IPV4[..11]),
        &v2(1, 0x21, &IPV4),
        &[b"\r\n\r\n\0\r\nQUIT\n", &[0x11, 0x11, 0, 0][..]].concat(),
    ];
    for case in cases {
        assert_eq!(seen(&server, case).await, None, "{:?}", String::from_utf8_lossy(case));
    }
    ask(&mut other).await;
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn half_a_preamble_and_silence_is_idle() {
    let config = ServerConfig { idle_max: Duration::from_millis(200), ..ServerConfig::default() };
    let server = start(config);
    for half in [&b""[..], b"PROXY TCP4 1.2", b"\r\n\r\n\0", &v2(1, 0x11, &IPV4)[..20], b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.write_all(half).await.unwrap();
        assert!(reply(&mut stream).await.is_none());
    }
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_preamble() {
    let server = start(ServerConfig::default());
    let addr: SocketAddr = server.local_addr();
    let mut silent = TcpStream::connect(addr).await.unwrap();
    let mut half = TcpStream::connect(addr).await.unwrap();
    half.write_all(b"PROXY ").await.unwrap();
    // Accepted after them: so they are being served.
    ask(&mut TcpStream::connect(addr).await.unwrap()).await;
    tokio::time::timeout(PATIENCE / 2, server.shutdown(PATIENCE)).await.expect("in time");
    assert!(reply(&mut silent).await.is_none());
    assert!(reply(&mut half).await.is_none());
}

#[test]
fn no_frame_begins_like_a_preamble() {
    let longest = u32::try_from(frame::FRAME_BYTES_MAX).unwrap().to_be_bytes()[0];
    for first in 0..=longest {
        assert!(!begins_with(first) && first != super::TLS_HANDSHAKE);
    }
}
