//! Requests that Java clients sent, with other values in their fields, reach every handler of both servers: all are
//! answered or waited for, on a connection that stays, and nothing panics.

use broker::config::Overrides;
use broker::configuration::Configuration;
use bytes::BytesMut;
use fuzz::golden::Golden;
use fuzz::mutate::Mutator;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::{Codec, Command, ExtFields, RequestCode, ResponseCode, frame};
use std::net::SocketAddr;
use std::panic;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ROUNDS: usize = 400;
/// Requests that are done all the same: were there fewer, the handlers would not have been reached.
const SUCCESSES_MIN: usize = 2000;
/// Written without waiting for an answer, as a client may.
const REQUESTS_PER_ROUND: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);
const SEED: u64 = 0x2545_f491_4f6c_dd1d;
const UNKNOWN: RequestCode = RequestCode(9999);

const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "1e9",
    "true",
    "TBW102",
    "%RETRY%g",
    "%DLQ%g",
    "SCHEDULE_TOPIC_XXXX",
    "../../x",
    "a\0b",
    "ä€😀",
    "TAGS\u{1}T\u{2}DELAY\u{1}99\u{2}WAIT\u{1}false",
    "DELAY\u{1}-7\u{2}UNIQ_KEY\u{1}",
];

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Panics of other threads too.
fn watch_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICS.lock().unwrap().push(info.to_string());
        before(info);
    }));
}

/// One of the requests, with some of its fields, its body or its code changed.
fn hostile(mutator: &mut Mutator, requests: &[Command], bodies: &[Vec<u8>], opaque: i32) -> Command {
    let pick = |mutator: &mut Mutator| &requests[mutator.below(requests.len())];
    let original = pick(mutator);
    let mut ext = ExtFields::empty();
    for (key, value) in original.ext.iter() {
        match mutator.below(8) {
            0 => {}
            1 => ext.push(key, VALUES[mutator.below(VALUES.len())]),
            _ => ext.push(key, value),
        }
    }
    let body = match mutator.below(3) {
        0 => mutator.mutant(bodies),
        1 => mutator.mutant(&[original.body.bytes().to_vec()]),
        _ => original.body.bytes().to_vec(),
    };
    let code = if mutator.below(10) == 0 { pick(mutator).code } else { original.code };
    Command { code, opaque, ext, body: body.into(), ..original.clone() }
}

/// A connection to the server, and what came back on it.
struct Client {
    stream: TcpStream,
    input: BytesMut,
    /// Answers of success.
    successes: usize,
}

impl Client {
    async fn connect(addr: SocketAddr) -> Client {
        Client { stream: TcpStream::connect(addr).await.unwrap(), input: BytesMut::new(), successes: 0 }
    }

    /// Asks for what is answered at once, and returns when that answer is there.
    async fn is_served(&mut self, opaque: i32) {
        let request = Command { opaque, ..Command::request(UNKNOWN, ExtFields::empty()) };
        self.stream.write_all(&frame::encode(&request, Codec::Json)).await.unwrap();
        let answer = async {
            loop {
                let command = self.receive().await;
                if command.is_response() && command.opaque == opaque {
                    return command;
                }
            }
        };
        let answer = timeout(PATIENCE, answer).await.expect("an answer in time");
        assert_eq!(answer.response_code(), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
    }

    /// The next command that the server sends. Safe to drop and call again.
    async fn receive(&mut self) -> Command {
        loop {
            if let Some(command) = frame::take(&mut self.input).expect("a frame") {
                self.successes += usize::from(command.response_code() == ResponseCode::SUCCESS);
                return command;
            }
            let read = self.stream.read_buf(&mut self.input).await.unwrap();
            assert!(read > 0, "the connection was closed");
        }
    }
}

async fn bombard(addr: SocketAddr) {
    let golden = Golden::read();
    let requests: Vec<_> = golden.requests().cloned().collect();
    let bodies = golden.json_bodies();
    let mut mutator = Mutator::new(SEED);
    let mut bystander = Client::connect(addr).await;
    // Requests that may wait for the disk are answered later: connections stay open for that.
    let mut clients = Vec::new();
    for round in 0..ROUNDS {
        let mut client = Client::connect(addr).await;
        let mut sent = Vec::new();
        for opaque in 1..=REQUESTS_PER_ROUND {
            let request = hostile(&mut mutator, &requests, &bodies, opaque as i32);
            sent.extend(frame::encode(&request, request.codec));
        }
        client.stream.write_all(&sent).await.unwrap();
        client.is_served(0).await;
        clients.push(client);
        bystander.is_served(round as i32).await;
        // Not held while it is looked at: a failure is a panic, which is noted there too.
        let panics = std::mem::take(&mut *PANICS.lock().unwrap());
        assert!(panics.is_empty(), "in round {round}: {}", panics.join("\n"));
    }
    let enough = async {
        let count = |clients: &[Client]| clients.iter().map(|client| client.successes).sum::<usize>();
        while count(&clients) < SUCCESSES_MIN {
            for client in &mut clients {
                while timeout(Duration::from_millis(1), client.receive()).await.is_ok() {}
            }
        }
    };
    timeout(PATIENCE, enough).await.expect("enough requests are done");
}

fn settings(text: &str) -> Properties {
    Properties::parse(text.as_bytes()).unwrap()
}

fn environment(home: &Path) -> Arc<Environment> {
    Arc::new(Environment::fixed(home))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_lives() {
    watch_panics();
    let home = tempfile::tempdir().unwrap();
    let settings = settings("listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=16777216\n");
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = broker::config::load(environment(home.path()), &overrides).unwrap();
    let running =
        broker::start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap();
    bombard(running.local_addr().unwrap()).await;
    running.shutdown().await;
    let outside: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(outside, ["store"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namesrv_lives() {
    watch_panics();
    let home = tempfile::tempdir().unwrap();
    let settings = settings("listenPort=0\nbindAddress=127.0.0.1\n");
    let overrides = namesrv::config::Overrides { config_file: None, settings };
    let (config, settings) = namesrv::config::load(environment(home.path()), &overrides).unwrap();
    let running = namesrv::start(config, settings, Clock::real()).unwrap();
    bombard(running.local_addr()).await;
    running.shutdown().await;
}
