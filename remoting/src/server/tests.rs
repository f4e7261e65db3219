use super::*;
use crate::client::{Client, ClientConfig};
use crate::code::{RequestCode, ResponseCode};
use crate::connection::{Call, CallError, Outcome, Work};
use crate::{Command, ExtFields, Refusal};
use bytes::{BufMut, Bytes};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

const ECHO: RequestCode = RequestCode(10);
const LATER: RequestCode = RequestCode(11);
const CALL_BACK: RequestCode = RequestCode(12);
const PANIC: RequestCode = RequestCode(13);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Echo {
    open: AtomicUsize,
    handled: AtomicUsize,
}

impl Service for Echo {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        let request = &call.request;
        match request.request_code() {
            ECHO => Ok(Outcome::Now(
                Command::success().with_ext(request.ext.clone()).with_body(request.body.bytes()),
            )),
            LATER => {
                let (responder, taken) = call.take_responder();
                tokio::spawn(async move { responder.respond(Command::success()) });
                Ok(Outcome::Later(taken))
            }
            CALL_BACK => {
                let ext = request.ext.clone();
                let (responder, taken) = call.take_responder();
                tokio::spawn(async move {
                    let answer = responder.peer().call(Command::request(ECHO, ext), PATIENCE).await.unwrap();
                    responder.respond(Command::success().with_ext(answer.ext));
                });
                Ok(Outcome::Later(taken))
            }
            PANIC => panic!("as asked"),
            code => Err(Refusal::unsupported(code)),
        }
    }

    fn connected(&self, _peer: &Arc<Peer>) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    fn closed(&self, _peer: &Arc<Peer>) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn start(config: ServerConfig) -> (Server, Arc<Echo>, String) {
    let echo = Arc::new(Echo::default());
    let server = Server::start(([127, 0, 0, 1], 0).into(), config, echo.clone()).unwrap();
    let addr = server.local_addr().to_string();
    (server, echo, addr)
}

fn client() -> Client<Echo> {
    Client::new(ClientConfig::default(), Arc::default())
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The next frame that comes.
async fn next(stream: &mut (impl AsyncRead + Unpin), input: &mut bytes::BytesMut) -> Command {
    loop {
        if let Some(command) = crate::frame::take(input).unwrap() {
            return command;
        }
        assert!(stream.read_buf(input).await.unwrap() > 0);
    }
}

/// A connection that has been served once: a server does not know a silent one's kind.
async fn connect(addr: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = Command::request(ECHO, ExtFields::default());
    stream.write_all(&crate::frame::encode(&request, Codec::Json)).await.unwrap();
    next(&mut stream, &mut bytes::BytesMut::new()).await;
    stream
}

#[tokio::test]
async fn a_handler_that_panics_ends_its_connection_only() {
    let (server, echo, addr) = start(ServerConfig::default());
    let (calm, panicking) = (client(), client());
    calm.call(&addr, Command::request(ECHO, ExtFields::empty()), PATIENCE).await.unwrap();
    let answer = panicking.call(&addr, Command::request(PANIC, ExtFields::empty()), PATIENCE).await;
    assert_eq!(answer, Err(CallError::Closed));
    calm.call(&addr, Command::request(ECHO, ExtFields::empty()), PATIENCE).await.unwrap();
    assert_eq!((echo.open.load(Ordering::SeqCst), server.peers.lock().len()), (1, 1));
}

/// Java's sockets are of both families, and show IPv4 addresses as such.
#[tokio::test]
async fn every_address_is_of_ipv6_too() {
    let echo = Arc::new(Echo::default());
    let config = ServerConfig::default();
    let server = Server::start((Ipv4Addr::UNSPECIFIED, 0).into(), config, echo).unwrap();
    let port = server.local_addr().port();
    let has_ipv6 = std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let hosts: &[IpAddr] = &[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    for host in &hosts[..1 + usize::from(has_ipv6)] {
        let client = client();
        let addr = SocketAddr::new(*host, port).to_string();
        client.call(&addr, Command::request(ECHO, ExtFields::empty()), PATIENCE).await.unwrap();
        let seen: Vec<_> =
            server.peers.lock().values().map(|peer| (peer.remote_addr().ip(), peer.local_addr())).collect();
        assert!(seen.contains(&(*host, SocketAddr::new(*host, port))), "{seen:?}");
    }
    let taken = Server::start(
        (Ipv4Addr::UNSPECIFIED, port).into(),
        ServerConfig::default(),
        Arc::new(Echo::default()),
    );
    assert_eq!(taken.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn calls_replies_and_calls_back() {
    let (server, echo, addr) = start(ServerConfig::default());
    let client = client();
    let mut ext = ExtFields::default();
    ext.push("k", "v");
    for body_bytes in [0, 1, 1023, 1024, 100_000, frame_body_max()] {
        let body = Bytes::from(vec![7; body_bytes]);
        let request = Command::request(ECHO, ext.clone()).with_body(body.clone());
        let reply = client.call(&addr, request, PATIENCE).await.unwrap();
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
        assert_eq!(reply.body.bytes(), body);
    }
    let reply = client.call(&addr, Command::request(LATER, ext.clone()), PATIENCE).await.unwrap();
    assert!(reply.is_response());
    let reply = client.call(&addr, Command::request(CALL_BACK, ext.clone()), PATIENCE).await.unwrap();
    assert_eq!(reply.ext.get("k"), Some("v"));
    let reply = client.call(&addr, Command::request(RequestCode(9999), ext.clone()), PATIENCE).await.unwrap();
    assert_eq!(reply.response_code(), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
    assert_eq!(reply.remark.as_deref(), Some(" request type 9999 not supported"));

    let handled = echo.handled.load(Ordering::SeqCst);
    client.send_oneway(&addr, Command::request(ECHO, ext)).await.unwrap();
    until("the oneway request", || echo.handled.load(Ordering::SeqCst) == handled + 1).await;
    client.shutdown().await;
    until("closed", || echo.open.load(Ordering::SeqCst) == 0).await;
    server.shutdown(PATIENCE).await;
}

fn frame_body_max() -> usize {
    crate::frame::FRAME_BYTES_MAX - 1000
}

#[tokio::test]
async fn many_frames_in_one_write_are_answered_in_order() {
    let (server, _echo, addr) = start(ServerConfig::default());
    let mut stream = TcpStream::connect(&addr).await.unwrap();
    let mut asked = Vec::new();
    for opaque in 0..1000 {
        let mut request = Command::request(ECHO, ExtFields::default()).with_body(vec![1; opaque % 3000]);
        request.opaque = opaque as i32;
        asked.extend(crate::frame::encode(&request, Codec::Json));
    }
    let (mut read, mut write) = stream.split();
    let send = async { write.write_all(&asked).await.unwrap() };
    let receive = async {
        let mut input = bytes::BytesMut::new();
        for opaque in 0..1000 {
            let reply = next(&mut read, &mut input).await;
            assert_eq!((reply.opaque, reply.body.len()), (opaque, opaque as usize % 3000));
        }
    };
    tokio::join!(send, receive);
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_is_no_frame_closes_its_connection_only() {
    let (server, echo, addr) = start(ServerConfig::default());
    let client = client();
    client.call(&addr, Command::request(ECHO, ExtFields::default()), PATIENCE).await.unwrap();
    for word in [0i32, -1, i32::MAX, i32::MIN, 0x4745_5420] {
        let mut stream = TcpStream::connect(&addr).await.unwrap();
        let mut bytes = Vec::new();
        bytes.put_i32(word);
        bytes.put_slice(&[0xff; 64]);
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed");
        assert!(answer.is_empty());
    }
    assert_eq!(echo.open.load(Ordering::SeqCst), 1);
    client.call(&addr, Command::request(ECHO, ExtFields::default()), PATIENCE).await.unwrap();
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_calls_on_them_fail() {
    let config = ServerConfig { idle_max: Duration::from_millis(200), ..ServerConfig::default() };
    let (server, echo, addr) = start(config);
    let mut stream = TcpStream::connect(&addr).await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.expect("closed in time");
    assert_eq!(read.unwrap(), 0);
    until("closed", || echo.open.load(Ordering::SeqCst) == 0).await;
    server.shutdown(PATIENCE).await;
    let refused = client().call(&addr, Command::request(ECHO, ExtFields::default()), PATIENCE).await;
    assert!(matches!(refused, Err(CallError::Connect(_))), "{refused:?}");
}

#[tokio::test]
async fn shutdown_ends_calls_that_wait() {
    let (server, echo, addr) = start(ServerConfig::default());
    let client = Arc::new(client());
    struct Mute;
    impl Service for Mute {
        fn handle(&self, _call: &mut Call) -> Result<Outcome, Refusal> {
            Ok(Outcome::Silent)
        }
    }
    let mute = Server::start(([127, 0, 0, 1], 0).into(), ServerConfig::default(), Arc::new(Mute)).unwrap();
    let mute_addr = mute.local_addr().to_string();
    let caller = client.clone();
    let call = tokio::spawn(async move {
        caller.call(&mute_addr, Command::request(ECHO, ExtFields::default()), PATIENCE).await
    });
    client.call(&addr, Command::request(ECHO, ExtFields::default()), PATIENCE).await.unwrap();
    until("connected", || !mute.peers.lock().is_empty()).await;
    mute.shutdown(PATIENCE).await;
    assert_eq!(call.await.unwrap(), Err(CallError::Closed));
    server.shutdown(PATIENCE).await;
    until("closed", || echo.open.load(Ordering::SeqCst) == 0).await;
}

/// Room for a PROXY preamble or a TLS session must not grow the task of every plain connection.
#[tokio::test]
async fn the_task_of_a_connection_is_small() {
    let (server, echo, addr) = start(ServerConfig::default());
    let shared = Shared {
        service: echo,
        peers: Peers::default(),
        codec: Codec::Json,
        tls: ServerConfig::default().tls,
        budget: Budget::of_process(),
    };
    let stream = TcpStream::connect(&addr).await.unwrap();
    let task_bytes = size_of_val(&serve(stream, server.local_addr(), Arc::new(shared)));
    assert!(task_bytes < 3 * 1024, "{task_bytes} bytes");
    server.shutdown(PATIENCE).await;
}

/// A connection with much to resume takes turns with the others.
#[tokio::test]
async fn resumed_calls_hold_up_nobody() {
    const CALLS: usize = 10_000;
    let (server, echo, addr) = start(ServerConfig::default());
    let (mut busy, calm) = (connect(&addr).await, client());
    assert_eq!(echo.open.load(Ordering::SeqCst), 1);
    let peer = server.peers.lock().values().next().unwrap().clone();
    let done = Arc::new(AtomicUsize::new(0));
    for opaque in 0..CALLS {
        let request = Command { opaque: opaque as i32, ..Command::request(ECHO, ExtFields::default()) };
        let done = done.clone();
        let work = Work::new(Call::new(&peer, request), move |_| {
            done.fetch_add(1, Ordering::SeqCst);
            Ok(Outcome::Now(Command::success()))
        });
        assert!(work.run_on_connection().is_ok());
    }
    calm.call(&addr, Command::request(ECHO, ExtFields::default()), PATIENCE).await.unwrap();
    let before = done.load(Ordering::SeqCst);
    assert!(before < CALLS, "{before} calls first");
    let mut input = bytes::BytesMut::new();
    for opaque in 0..CALLS {
        assert_eq!(next(&mut busy, &mut input).await.opaque, opaque as i32);
    }
    assert_eq!(done.load(Ordering::SeqCst), CALLS);
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_call_resumed_too_late_is_dropped() {
    let (server, echo, addr) = start(ServerConfig::default());
    let stream = connect(&addr).await;
    let peer = server.peers.lock().values().next().unwrap().clone();
    drop(stream);
    until("closed", || echo.open.load(Ordering::SeqCst) == 0).await;
    let call = Call::new(&peer, Command::request(ECHO, ExtFields::default()));
    assert!(Work::new(call, |_| panic!("it ran")).run_on_connection().is_ok());
    server.shutdown(PATIENCE).await;
}

/// A frame but for its last byte.
fn begun_frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0; bytes];
    frame[..4].copy_from_slice(&(bytes as u32 - 3).to_be_bytes());
    frame
}

#[tokio::test]
async fn frames_that_are_never_whole_share_one_budget() {
    const BUDGET_BYTES: usize = 8 << 20;
    let budget = Budget::for_test(BUDGET_BYTES, Duration::from_secs(1), Duration::from_millis(100));
    let (server, echo, addr) = start(ServerConfig { budget, ..ServerConfig::default() });
    let client = client();
    let ask = async |body_bytes| {
        let request = Command::request(ECHO, ExtFields::default()).with_body(vec![7; body_bytes]);
        client.call(&addr, request, PATIENCE).await.map(|reply| reply.body.len())
    };
    assert_eq!(ask(1).await, Ok(1));
    // Some are taken in, for others there is no room.
    let hostile: Vec<_> = (0..8)
        .map(|_| {
            let addr = addr.clone();
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(&addr).await.unwrap();
                // Where the server closes first, it has done what it is to do.
                let _ = stream.write_all(&begun_frame(1 << 20)).await;
                let _ = stream.read(&mut [0]).await;
            })
        })
        .collect();
    until("all is held", || budget.left_bytes() < BUDGET_BYTES * 17 / 32).await;
    assert_eq!(ask(1000).await, Ok(1000), "a short frame waits for nothing");
    assert_eq!(ask(2 << 20).await, Ok(2 << 20), "a long one for those who stand still");
    // The rest may stand still: there is room for them now.
    assert!(echo.open.load(Ordering::SeqCst) < 9);
    hostile.iter().for_each(|task| task.abort());
    until("all is given back", || budget.left_bytes() == BUDGET_BYTES).await;
    until("they are gone", || echo.open.load(Ordering::SeqCst) == 1).await;
    server.shutdown(PATIENCE).await;
}

/// While there is room for all, a frame may take its time.
#[tokio::test]
async fn a_frame_may_take_its_time() {
    let budget = Budget::for_test(32 << 20, Duration::from_millis(1), Duration::from_millis(1));
    let (server, _echo, addr) = start(ServerConfig { budget, ..ServerConfig::default() });
    let request = Command::request(ECHO, ExtFields::default()).with_body(vec![7; 1 << 20]);
    let frame = crate::frame::encode(&request, Codec::Json);
    let mut stream = connect(&addr).await;
    for part in frame.chunks(100_000) {
        stream.write_all(part).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(next(&mut stream, &mut bytes::BytesMut::new()).await.body.len(), 1 << 20);
    until("all is given back", || budget.left_bytes() == 32 << 20).await;
    server.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn little_waits_in_the_kernel_for_who_does_not_read() {
    const REPLY_BYTES: usize = 16 * 1024;
    let (server, echo, addr) = start(ServerConfig::default());
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&addr.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(socket.into()).unwrap();
    let request = Command::request(ECHO, ExtFields::default()).with_body(vec![7; REPLY_BYTES]);
    let asked = crate::frame::encode(&request, Codec::Json);
    // Asks until the server takes no more, as it is stuck with its replies.
    let stuck = async { while stream.write_all(&asked).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(1), stuck).await.expect_err("it takes no more");
    let reply_bytes = echo.handled.load(Ordering::SeqCst) * REPLY_BYTES;
    // In the kernel, in the outbox, and what was handled of the last read.
    let bytes_max = UNSENT_BYTES_MAX as usize + 2 * 256 * 1024;
    assert!(reply_bytes > 0 && reply_bytes <= bytes_max, "{reply_bytes} bytes of replies");
    server.shutdown(PATIENCE).await;
}
