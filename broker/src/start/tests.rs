//! A broker whose store loses a thread, as a producer and a consumer see it.

use super::*;
use crate::config::{self, Overrides};
use process::config::Environment;
use process::properties::Properties;
use remoting::client::{Client, ClientConfig, NoService};
use remoting::{Command, ExtFields, RequestCode, ResponseCode};
use std::path::Path;
use std::time::Instant;
use store::testing::{break_thread, disturb_thread};

const PATIENCE: Duration = Duration::from_secs(20);

async fn broker(home: &Path) -> Running {
    let text = "listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\n";
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    start(Configuration::new(config, None), settings, Clock::real()).await.unwrap()
}

struct LabClient {
    client: Client<NoService>,
    addr: String,
}

impl LabClient {
    fn new(running: &Running) -> LabClient {
        let client = Client::new(ClientConfig::default(), Arc::new(NoService));
        LabClient { client, addr: running.local_addr().unwrap().to_string() }
    }

    async fn ask(&self, code: RequestCode, fields: &[(&'static str, &'static str)], body: &[u8]) -> Command {
        let mut ext = ExtFields::empty();
        fields.iter().for_each(|(name, value)| ext.push(name, *value));
        let request = Command::request(code, ext).with_body(body.to_vec());
        self.client.call(&self.addr, request, PATIENCE).await.unwrap()
    }

    async fn send(&self, body: &[u8]) -> Command {
        let fields = [
            ("a", "pg"),
            ("b", "T"),
            ("c", "TBW102"),
            ("d", "1"),
            ("e", "0"),
            ("f", "0"),
            ("g", "1"),
            ("h", "0"),
        ];
        self.ask(RequestCode::SEND_MESSAGE_V2, &fields, body).await
    }

    /// Pulls until so many messages are there.
    async fn pull(&self, messages: usize) {
        let fields = [
            ("consumerGroup", "g"),
            ("topic", "T"),
            ("queueId", "0"),
            ("queueOffset", "0"),
            ("maxMsgNums", "32"),
            // Brings its subscription along.
            ("sysFlag", "4"),
            ("subscription", "*"),
            ("subVersion", "1"),
        ];
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let reply = self.ask(RequestCode::PULL_MESSAGE, &fields, b"").await;
            let has = reply.ext.get("maxOffset").map_or(0, |max| max.parse().unwrap());
            if reply.response_code() == ResponseCode::SUCCESS && has == messages {
                return;
            }
            assert!(Instant::now() < give_up_at, "{has} of {messages} messages");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_see_what_came_while_derivation_was_down() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path()).await;
    let client = LabClient::new(&running);
    for sent in 1..=5 {
        disturb_thread(&running.broker().store, "store-derive");
        for body in [b"before".as_slice(), b"while", b"after"] {
            assert_eq!(client.send(body).await.response_code(), ResponseCode::SUCCESS);
        }
        client.pull(sent * 3).await;
    }
    assert_eq!(running.broker().store.failure(), None);
    running.shutdown().await;
    assert!(!home.path().join("store/abort").exists(), "closed as it should be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_are_refused_once_derivation_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let mut running = broker(home.path()).await;
    let client = LabClient::new(&running);
    assert_eq!(client.send(b"good").await.response_code(), ResponseCode::SUCCESS);
    client.pull(1).await;
    break_thread(&running.broker().store, "store-derive");
    let (give_up_at, mut acknowledged) = (Instant::now() + PATIENCE, 1);
    let refused = loop {
        let reply = client.send(b"doubtful").await;
        if reply.response_code() != ResponseCode::SUCCESS {
            break reply;
        }
        acknowledged += 1;
        assert!(Instant::now() < give_up_at, "acknowledged for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let why = "the thread store-derive: it has panicked: a panic for the test";
    assert_eq!(refused.response_code(), ResponseCode::SERVICE_NOT_AVAILABLE);
    let remark = format!("service not available now, the store has given up: {why}");
    assert_eq!(refused.remark.as_deref(), Some(remark.as_str()));
    assert_eq!(running.failed().await, why);
    client.pull(1).await;
    running.shutdown().await;
    // The next start finds what was acknowledged.
    let running = broker(home.path()).await;
    LabClient::new(&running).pull(acknowledged).await;
    running.shutdown().await;
}
