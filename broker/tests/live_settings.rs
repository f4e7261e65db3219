//! Settings that change while the broker runs, seen to act.

use broker::config::{self, Overrides};
use broker::reconfigure::reconfigure;
use broker::start::{self, Running};
use process::clock::Clock;
use process::config::{Config, Environment};
use process::properties::Properties;
use remoting::client::{Client, ClientConfig, NoService};
use remoting::{Command, ExtFields, RequestCode, ResponseCode};
use std::sync::Arc;
use std::time::Duration;
use store::testing::{derived, remove_files, wait_until};

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// A broker on a clock that is moved by hand.
struct Lab {
    _home: tempfile::TempDir,
    clock: Clock,
    config: Config,
    running: Running,
    client: Client<NoService>,
}

impl Lab {
    async fn new(more: &str) -> Lab {
        let home = tempfile::tempdir().unwrap();
        let clock = Clock::test(Clock::real().wall_ms());
        let text = format!("listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=65536\n{more}");
        let settings = Properties::parse(text.as_bytes()).unwrap();
        let overrides = Overrides { settings, ..Overrides::default() };
        let (config, settings) = config::load(Arc::new(Environment::fixed(home.path())), &overrides).unwrap();
        let running = start::start(settings, clock.clone()).await.unwrap();
        let client = Client::new(ClientConfig::default(), Arc::new(NoService));
        Lab { _home: home, clock, config, running, client }
    }

    /// As a request to update the configuration will.
    fn update(&mut self, text: &str) {
        let update = Properties::parse(text.as_bytes()).unwrap();
        let (config, settings) = config::updated(&self.config, &update).unwrap();
        reconfigure(self.running.broker(), &settings);
        self.config = config;
    }

    async fn ask(&self, code: RequestCode, ext: &[(&str, &str)], body: Vec<u8>) -> Command {
        let mut fields = ExtFields::empty();
        ext.iter().for_each(|(name, value)| fields.push(name, *value));
        let addr = self.running.local_addr().unwrap().to_string();
        self.client.call(&addr, Command::request(code, fields).with_body(body), PATIENCE).await.unwrap()
    }

    async fn send(&self, body_bytes: usize) -> ResponseCode {
        let ext = [
            ("producerGroup", "p"),
            ("topic", "T"),
            ("defaultTopic", "TBW102"),
            ("defaultTopicQueueNums", "1"),
            ("queueId", "0"),
            ("sysFlag", "0"),
            ("bornTimestamp", "1"),
            ("flag", "0"),
            ("properties", ""),
            ("reconsumeTimes", "0"),
        ];
        self.ask(RequestCode::SEND_MESSAGE, &ext, vec![b'x'; body_bytes]).await.response_code()
    }

    /// A pull that finds nothing and waits.
    async fn pull(&self) -> ResponseCode {
        let ext = [
            ("consumerGroup", "g"),
            ("topic", "T"),
            ("queueId", "0"),
            ("queueOffset", "1"),
            ("maxMsgNums", "32"),
            // Suspended, with a subscription of its own.
            ("sysFlag", "6"),
            ("commitOffset", "0"),
            ("suspendTimeoutMillis", "15000"),
            ("subscription", "*"),
            ("subVersion", "1"),
        ];
        self.ask(RequestCode::PULL_MESSAGE, &ext, Vec::new()).await.response_code()
    }

    /// Lets time pass for a pull that waits, and answers it if that was long enough.
    async fn pass_once_parked(&self, ms: u64) {
        let broker = self.running.broker();
        let parked = async {
            while broker.long_poll.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, parked).await.expect("the pull is parked");
        self.clock.advance(Duration::from_millis(ms));
        broker.long_poll.wake_expired(broker);
    }

    /// Waits until the whole log is on disk.
    fn flushed(&self) {
        let store = &self.running.broker().store;
        let is_flushed = || store.flushed_where() == store.max_phy_offset();
        tokio::task::block_in_place(|| wait_until("the log is on disk", is_flushed));
    }

    /// One round of what removes files; where the log begins then.
    fn log_begins_after_a_round(&self) -> i64 {
        tokio::task::block_in_place(|| remove_files(&self.running.broker().store));
        self.running.broker().store.min_phy_offset()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_message_size() {
    let mut lab = Lab::new("").await;
    assert_eq!(lab.send(2000).await, ResponseCode::SUCCESS);
    lab.update("maxMessageSize=1000");
    assert_eq!(lab.send(2000).await, ResponseCode::MESSAGE_ILLEGAL);
    assert_eq!(lab.send(1000).await, ResponseCode::SUCCESS);
    lab.update("maxMessageSize=2000");
    assert_eq!(lab.send(2000).await, ResponseCode::SUCCESS);
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_interval_commit_log() {
    let mut lab = Lab::new(
        "flushIntervalCommitLog=3600000\nflushIntervalConsumeQueue=3600000\nflushCommitLogLeastPages=0\n",
    )
    .await;
    assert_eq!(lab.send(100).await, ResponseCode::SUCCESS);
    assert_eq!(lab.running.broker().store.flushed_where(), 0);
    lab.update("flushIntervalCommitLog=10");
    lab.flushed();
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polling_enable() {
    let mut lab = Lab::new("").await;
    assert_eq!(lab.send(100).await, ResponseCode::SUCCESS);
    let store = &lab.running.broker().store;
    // A pull from behind the queue's end would not wait.
    tokio::task::block_in_place(|| derived(store));
    lab.update("longPollingEnable=false\nshortPollingTimeMills=100");
    // Far less than the 15 s that the pull would wait for.
    let (code, ()) = tokio::join!(lab.pull(), lab.pass_once_parked(101));
    assert_eq!(code, ResponseCode::PULL_NOT_FOUND);
    lab.update("longPollingEnable=true");
    let sent = async {
        lab.pass_once_parked(101).await;
        assert!(!lab.running.broker().long_poll.is_empty(), "it waits on");
        assert_eq!(lab.send(100).await, ResponseCode::SUCCESS);
    };
    let (code, ()) = tokio::join!(lab.pull(), sent);
    assert_eq!(code, ResponseCode::SUCCESS);
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_reserved_time_and_delete_when() {
    // Files go at their hour only, unless the disk of this machine is fuller than 85%.
    let mut lab = Lab::new("diskMaxUsedSpaceRatio=100\ncleanFileForciblyEnable=false\n").await;
    let later_ms = lab.clock.wall_ms() + 2 * HOUR.as_millis() as i64;
    let [.., hour, _, _] = store::local_time(later_ms);
    lab.update(&format!("deleteWhen={}", (hour + 12) % 24));
    for _ in 0..5 {
        assert_eq!(lab.send(30_000).await, ResponseCode::SUCCESS);
    }
    // What is not on disk stays.
    lab.flushed();
    lab.clock.advance(2 * HOUR);
    assert_eq!(lab.log_begins_after_a_round(), 0);
    lab.update(&format!("deleteWhen={hour}"));
    assert_eq!(lab.log_begins_after_a_round(), 0, "too young");
    lab.update("fileReservedTime=1");
    assert!(lab.log_begins_after_a_round() > 0, "old enough, and it is the hour");
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_update_changes_nothing_and_some_keys_wait_for_the_next_start() {
    let mut lab = Lab::new("").await;
    let update = |text: &str| config::updated(&lab.config, &Properties::parse(text.as_bytes()).unwrap());
    for bad in [
        "maxMessageSize=7\ndeleteWhen=at night",
        "maxMessageSize=-1",
        "flushIntervalCommitLog=4294967296",
        "longPollingEnable=yes",
        "messageDelayLevel=1x",
        "namesrvAddr=nowhere",
        "maxErrorRateOfBloomFilter=100",
    ] {
        assert!(update(bad).is_err(), "{bad}");
    }
    let before = lab.running.broker().settings().store.clone();
    lab.update("flushDiskType=SYNC_FLUSH\nenableLmq=true\nstorePathRootDir=/elsewhere");
    assert_eq!(lab.running.broker().settings().store, before);
    assert_eq!(*lab.running.broker().store.config(), before);
    lab.update("maxMsgsNumBatch=7");
    assert_eq!(lab.running.broker().settings().store.max_msgs_num_batch, 7);
    assert_eq!(lab.running.broker().store.config().max_msgs_num_batch, 7);
    lab.running.shutdown().await;
}
