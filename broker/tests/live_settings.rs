//! Settings that change while the broker runs, seen to act: as requests to update them (25), and in the file that keeps them.

use broker::config::{self, Overrides};
use broker::configuration::Configuration;
use broker::start::{self, Running};
use process::clock::Clock;
use process::config::Environment;
use process::files::backup_path;
use remoting::client::{Client, ClientConfig, NoService};
use remoting::{Command, ExtFields, RequestCode, ResponseCode};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::testing::{derived, remove_files, wait_until};

const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);

/// A broker on a clock that is moved by hand.
struct Lab {
    _home: tempfile::TempDir,
    file: PathBuf,
    clock: Clock,
    running: Running,
    client: Client<NoService>,
}

impl Lab {
    async fn new(more: &str) -> Lab {
        let home = tempfile::tempdir().unwrap();
        let clock = Clock::test(Clock::real().wall_ms());
        let text =
            format!("# By hand.\nlistenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=65536\n{more}");
        let file = home.path().join("broker.conf");
        fs::write(&file, text).unwrap();
        let overrides = Overrides { config_file: Some(file.clone()), ..Overrides::default() };
        let (config, settings) = config::load(Arc::new(Environment::fixed(home.path())), &overrides).unwrap();
        let configuration = Configuration::new(config, Some(file.clone()));
        let running = start::start(configuration, settings, clock.clone()).await.unwrap();
        let client = Client::new(ClientConfig::default(), Arc::new(NoService));
        Lab { _home: home, file, clock, running, client }
    }

    /// What an update that is taken says besides.
    async fn update(&self, text: &str) -> Option<String> {
        let reply = self.ask(RequestCode::UPDATE_BROKER_CONFIG, &[], text.into()).await;
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{text}: {:?}", reply.remark);
        reply.remark.map(|remark| remark.to_string())
    }

    fn kept(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
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
    let lab = Lab::new("").await;
    assert_eq!(lab.send(2000).await, ResponseCode::SUCCESS);
    lab.update("maxMessageSize=1000").await;
    assert_eq!(lab.send(2000).await, ResponseCode::MESSAGE_ILLEGAL);
    assert_eq!(lab.send(1000).await, ResponseCode::SUCCESS);
    lab.update("maxMessageSize=2000").await;
    assert_eq!(lab.send(2000).await, ResponseCode::SUCCESS);
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_interval_commit_log() {
    let lab = Lab::new(
        "flushIntervalCommitLog=3600000\nflushIntervalConsumeQueue=3600000\nflushCommitLogLeastPages=0\n",
    )
    .await;
    assert_eq!(lab.send(100).await, ResponseCode::SUCCESS);
    assert_eq!(lab.running.broker().store.flushed_where(), 0);
    lab.update("flushIntervalCommitLog=10").await;
    lab.flushed();
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_polling_enable() {
    let lab = Lab::new("").await;
    assert_eq!(lab.send(100).await, ResponseCode::SUCCESS);
    let store = &lab.running.broker().store;
    // A pull from behind the queue's end would not wait.
    tokio::task::block_in_place(|| derived(store));
    lab.update("longPollingEnable=false\nshortPollingTimeMills=100").await;
    // Far less than the 15 s that the pull would wait for.
    let (code, ()) = tokio::join!(lab.pull(), lab.pass_once_parked(101));
    assert_eq!(code, ResponseCode::PULL_NOT_FOUND);
    lab.update("longPollingEnable=true").await;
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
    let lab = Lab::new("diskMaxUsedSpaceRatio=100\ncleanFileForciblyEnable=false\n").await;
    let later_ms = lab.clock.wall_ms() + 2 * HOUR.as_millis() as i64;
    let [.., hour, _, _] = store::local_time(later_ms);
    lab.update(&format!("deleteWhen={}", (hour + 12) % 24)).await;
    for _ in 0..5 {
        assert_eq!(lab.send(30_000).await, ResponseCode::SUCCESS);
    }
    // What is not on disk stays.
    lab.flushed();
    lab.clock.advance(2 * HOUR);
    assert_eq!(lab.log_begins_after_a_round(), 0);
    lab.update(&format!("deleteWhen={hour}")).await;
    assert_eq!(lab.log_begins_after_a_round(), 0, "too young");
    lab.update("fileReservedTime=1").await;
    assert!(lab.log_begins_after_a_round() > 0, "old enough, and it is the hour");
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_update_changes_nothing() {
    let lab = Lab::new("").await;
    let (before, kept) = (lab.running.broker().settings().store.clone(), lab.kept());
    for bad in [
        "maxMessageSize=7\ndeleteWhen=at night",
        "maxMessageSize=-1",
        "flushIntervalCommitLog=4294967296",
        "longPollingEnable=yes",
        "messageDelayLevel=1x",
        "namesrvAddr=nowhere",
        "maxErrorRateOfBloomFilter=100",
        "maxMessageSize=7\nnoSuchKey=1",
        "maxMessageSize=7\nx=\\u12",
    ] {
        let reply = lab.ask(RequestCode::UPDATE_BROKER_CONFIG, &[], bad.into()).await;
        assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR, "{bad}");
    }
    for forbidden in ["storePathRootDir=/elsewhere", "brokerConfigPath=x", "maxMessageSize=7\nlistenPort=1"] {
        let reply = lab.ask(RequestCode::UPDATE_BROKER_CONFIG, &[], forbidden.into()).await;
        assert_eq!(reply.response_code(), ResponseCode::NO_PERMISSION, "{forbidden}");
        assert_eq!(reply.remark.as_deref(), Some("Can not update config in black list."));
    }
    // A file that cannot be written is no update either.
    let aside = lab.file.with_extension("aside");
    fs::rename(&lab.file, &aside).unwrap();
    let reply = lab.ask(RequestCode::UPDATE_BROKER_CONFIG, &[], "maxMessageSize=7".into()).await;
    assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
    fs::rename(&aside, &lab.file).unwrap();
    assert_eq!((&lab.running.broker().settings().store, lab.kept()), (&before, kept));
    lab.running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_keeps_what_was_there_and_some_keys_wait_for_the_next_start() {
    let lab = Lab::new("! Small.\nmaxMessageSize : 4000\n\nfileReservedTime=48\n").await;
    let before = lab.running.broker().settings().store.clone();
    let kept = lab.kept();
    let said = lab.update("flushDiskType=SYNC_FLUSH\nenableLmq=true").await;
    assert_eq!(said.as_deref(), Some("from the next start on: enableLmq, flushDiskType"));
    assert_eq!(lab.running.broker().settings().store, before);
    assert_eq!(*lab.running.broker().store.config(), before);
    assert_eq!(lab.update("maxMessageSize=4001\nmaxMsgsNumBatch=7").await, None);
    assert_eq!(lab.running.broker().settings().store.max_msgs_num_batch, 7);
    assert_eq!(lab.running.broker().store.config().max_msgs_num_batch, 7);
    let expected = kept.replace("maxMessageSize : 4000", "maxMessageSize=4001")
        + "enableLmq=true\nflushDiskType=SYNC_FLUSH\nmaxMsgsNumBatch=7\n";
    assert_eq!(lab.kept(), expected);
    let backup = fs::read_to_string(backup_path(&lab.file)).unwrap();
    assert_eq!(backup, kept + "enableLmq=true\nflushDiskType=SYNC_FLUSH\n");
    let reply = lab.ask(RequestCode::GET_BROKER_CONFIG, &[], Vec::new()).await;
    let text = String::from_utf8(reply.body.bytes().to_vec()).unwrap();
    for line in ["maxMessageSize=4001", "flushDiskType=SYNC_FLUSH", "fileReservedTime=48"] {
        assert!(text.lines().any(|shown| shown == line), "{line} in {text}");
    }
    assert!(reply.ext.get("version").unwrap().contains("\"counter\":2"), "{:?}", reply.ext);
    lab.running.shutdown().await;
}
