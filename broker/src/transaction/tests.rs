use super::check::GROUP;
use super::*;
use crate::config::BrokerSettings;
use crate::schedule::Schedule;
use crate::topic_validator::{RMQ_SYS_TRANS_OP_HALF_TOPIC, SCHEDULE_TOPIC_XXXX, TRANS_CHECK_MAX_TIME_TOPIC};
use message::{Record, record, sys_flag};
use remoting::header::transaction::CheckTransactionStateRequestHeader;
use std::net::{IpAddr, Ipv4Addr};
use store::get::PULL_BYTES_MAX;
use store::testing::wait_until;
use store::{Everything, GetRequest, MessageStoreConfig, Surroundings};
use tempfile::TempDir;

const NOW_MS: i64 = 1_800_000_000_000;
const TIMEOUT: Duration = Duration::from_secs(6);
const STORE_HOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 10911);

type Asked = Arc<Mutex<Vec<(String, Command)>>>;

/// Transactions over a store at work, whose time is moved by hand. The threads do not run: tests call what they do.
struct Lab {
    folder: TempDir,
    clock: Clock,
    store: Arc<MessageStore>,
    settings: BrokerSettings,
    asked: Asked,
}

impl Lab {
    fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::test(NOW_MS);
        let store = open_store(folder.path(), &clock);
        let mut settings = BrokerSettings::of_defaults();
        settings.broker.transaction_check_max = 3;
        Lab { folder, clock, store, settings, asked: Asked::default() }
    }

    /// As a broker has them after a start; what an earlier one has persisted is there.
    fn transactions(&self) -> Transactions {
        let file = |name: &str| self.folder.path().join("config").join(name);
        let clock = || self.clock.clone();
        let settings = || Live::new(self.settings.clone());
        let schedule = Schedule::load(&file("delayOffset.json"), settings(), self.store.clone(), clock());
        let offsets = ConsumerOffsets::load(&file("consumerOffset.json"), settings(), clock());
        let topics = Topics::load(&file("topics.json"), settings(), clock());
        let parts = Collaborators {
            store: self.store.clone(),
            delays: Delays { schedule: Arc::new(schedule.unwrap()), timer: None },
            topics: Arc::new(topics.unwrap()),
            offsets: Arc::new(offsets.unwrap()),
        };
        let metrics = file("transactionMetrics");
        Transactions::load(&metrics, settings(), STORE_HOST, parts, clock()).unwrap()
    }

    /// Sends a half message of now and returns its physical offset.
    fn prepare(&self, transactions: &Transactions, body: &str, more: &str) -> i64 {
        let properties = format!("TRAN_MSG\u{1}true\u{2}PGROUP\u{1}g\u{2}UNIQ_KEY\u{1}{body}\u{2}{more}");
        let message = Message {
            topic: "Real".into(),
            queue_id: 2,
            flag: 7,
            sys_flag: sys_flag::TRANSACTION_PREPARED | sys_flag::COMPRESSED,
            born_timestamp_ms: self.clock.wall_ms(),
            born_host: "1.2.3.4:5".parse().unwrap(),
            store_host: "5.6.7.8:9".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: properties.into(),
        };
        transactions.prepare(message).unwrap().physical_offset
    }

    fn with<T>(&self, physical_offset: i64, look: impl FnOnce(&StoredMessage<'_>) -> T) -> T {
        let record = self.store.look_message_by_offset(physical_offset).unwrap().unwrap();
        let Ok(Record::Message(stored)) = Record::decode(&record) else { panic!("no record") };
        look(&stored)
    }

    fn commit(&self, transactions: &Transactions, half: i64) {
        self.with(half, |half| transactions.commit(half).unwrap().unwrap());
    }

    /// Lets time pass and has everything checked.
    fn check_after(&self, transactions: &Transactions, time: Duration) {
        self.settle();
        self.clock.advance(time);
        let asked = self.asked.clone();
        let ask: Ask = Box::new(move |group, question| asked.lock().push((group.to_owned(), question)));
        transactions.check(&ask);
        self.settle();
    }

    /// Waits until the queues have all that the log has.
    fn settle(&self) {
        wait_until("the queues catch up with the log", || self.store.dispatch_behind_bytes() == 0);
    }

    /// Bodies and properties of a queue's messages.
    fn queue(&self, topic: &str, queue_id: i32) -> Vec<(String, String)> {
        self.settle();
        let request = GetRequest { topic, queue_id, offset: 0, count_max: 32, bytes_max: PULL_BYTES_MAX };
        let mut messages = Vec::new();
        for stored in
            record::messages(&self.store.get_message(request, &Everything).unwrap().into_copy().unwrap())
        {
            let body = String::from_utf8(stored.message.body.to_vec()).unwrap();
            messages.push((body, stored.message.properties.replace('\u{1}', "=").replace('\u{2}', ";")));
        }
        messages
    }

    fn bodies(&self, topic: &str, queue_id: i32) -> Vec<String> {
        self.queue(topic, queue_id).into_iter().map(|(body, _)| body).collect()
    }

    fn ops(&self) -> Vec<String> {
        self.bodies(RMQ_SYS_TRANS_OP_HALF_TOPIC, 0)
    }

    /// The transaction ids asked for since the last call.
    fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock());
        let id = |question: &Command| {
            question.ext.iter().find(|(key, _)| *key == "transactionId").unwrap().1.to_owned()
        };
        asked.iter().map(|(_, question)| id(question)).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.store.shutdown();
    }
}

fn open_store(folder: &Path, clock: &Clock) -> Arc<MessageStore> {
    let config = MessageStoreConfig {
        store_path_root_dir: folder.join("store"),
        mapped_file_size_commit_log_bytes: 1 << 20,
        max_hash_slot_num: 100,
        max_index_num: 1000,
        ..MessageStoreConfig::of_defaults()
    };
    let store = MessageStore::open(config, Surroundings::default(), clock.clone()).unwrap();
    store.start(Box::new(|_| {})).unwrap();
    store
}

/// How far the check has come: half messages, op messages.
fn progress(transactions: &Transactions) -> (i64, i64) {
    let of = |topic| transactions.parts.offsets.query(GROUP, topic, 0);
    (of(RMQ_SYS_TRANS_HALF_TOPIC), of(RMQ_SYS_TRANS_OP_HALF_TOPIC))
}

#[test]
fn a_half_message_is_nobody_s_until_it_is_committed() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let half = lab.prepare(&transactions, "a", "");
    assert_eq!(
        lab.queue(RMQ_SYS_TRANS_HALF_TOPIC, 0),
        [(
            "a".to_owned(),
            "TRAN_MSG=true;PGROUP=g;UNIQ_KEY=a;__transactionId__=a;REAL_TOPIC=Real;REAL_QID=2;".to_owned()
        )]
    );
    assert_eq!(lab.bodies("Real", 2), [""; 0]);
    assert_eq!(transactions.metrics.count("Real"), 1);
    lab.with(half, |half| {
        assert_eq!(half.message.sys_flag, sys_flag::COMPRESSED);
        let committed = transactions.commit(half).unwrap().unwrap();
        lab.with(committed.physical_offset, |committed| {
            let message = &committed.message;
            assert_eq!(message.sys_flag, sys_flag::COMPRESSED | sys_flag::TRANSACTION_COMMIT);
            assert_eq!(message.prepared_transaction_offset, half.physical_offset);
            assert_eq!((message.flag, message.born_host), (7, half.message.born_host));
        });
    });
    assert_eq!(
        lab.queue("Real", 2),
        [("a".to_owned(), "TRAN_MSG=true;PGROUP=g;UNIQ_KEY=a;__transactionId__=a;".to_owned())]
    );
    assert_eq!(transactions.metrics.count("Real"), 0);
}

#[test]
fn ends_are_written_together_and_at_the_latest_at_the_shutdown() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let halves = ["a", "b", "c"].map(|body| lab.prepare(&transactions, body, ""));
    lab.commit(&transactions, halves[0]);
    lab.with(halves[1], |half| transactions.rollback(half));
    transactions.write_ops(false);
    assert_eq!(lab.ops(), [""; 0]);
    lab.clock.advance(Duration::from_secs(3));
    transactions.write_ops(false);
    assert_eq!(
        lab.queue(RMQ_SYS_TRANS_OP_HALF_TOPIC, 0),
        [("0,1,".to_owned(), "WAIT=true;TAGS=d;".to_owned())]
    );
    lab.commit(&transactions, halves[2]);
    transactions.shutdown();
    assert_eq!(lab.ops(), ["0,1,", "2,"]);
    assert_eq!(lab.bodies("Real", 2), ["a", "c"]);
    assert_eq!(lab.transactions().metrics.count("Real"), 0);
    let stored = std::fs::read_to_string(lab.folder.path().join("config/transactionMetrics")).unwrap();
    assert!(
        stored.starts_with(r#"{"dataVersion":{"#)
            && stored.contains(r#""transactionCount":{"Real":{"count":0,"timeStamp":18"#),
        "{stored}"
    );
}

#[test]
fn a_silent_producer_is_asked_about_the_message_put_back() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "a", "");
    lab.check_after(&transactions, TIMEOUT);
    assert_eq!(lab.asked(), [""; 0], "not yet old enough");
    lab.check_after(&transactions, Duration::from_millis(1));
    let (group, question) = lab.asked.lock()[0].clone();
    assert_eq!(group, "g");
    assert_eq!(question.code, 39);
    let header = CheckTransactionStateRequestHeader::decode(&question.ext);
    let body = question.body.bytes();
    let Ok(Record::Message(shown)) = Record::decode(&body) else { panic!("no record") };
    assert_eq!((shown.message.topic.as_ref(), shown.message.queue_id, shown.message.flag), ("Real", 2, 7));
    assert_eq!(shown.queue_offset, 1);
    let expected = CheckTransactionStateRequestHeader {
        topic: Some(RMQ_SYS_TRANS_HALF_TOPIC),
        tran_state_table_offset: Some(1),
        commit_log_offset: Some(shown.physical_offset),
        msg_id: Some("a"),
        transaction_id: Some("a"),
        offset_msg_id: Some(&message::id::offset_message_id(
            "5.6.7.8:9".parse().unwrap(),
            shown.physical_offset,
        )),
        broker_name: Some("broker-a"),
        ..Default::default()
    };
    assert_eq!(header, expected);
    // What the producer then commits is the message put back.
    lab.with(shown.physical_offset, |again| {
        assert_eq!(again.message.topic, RMQ_SYS_TRANS_HALF_TOPIC);
        assert_eq!(property::find(&again.message.properties, "TRANSACTION_CHECK_TIMES"), Some("1"));
    });
    lab.commit(&transactions, shown.physical_offset);
    lab.asked();
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), [""; 0]);
    assert_eq!(progress(&transactions), (2, 1));
    assert_eq!(lab.bodies("Real", 2), ["a"]);
}

#[test]
fn ended_messages_are_passed_over_and_open_ones_behind_them_found() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let halves = ["a", "b", "c", "d"].map(|body| lab.prepare(&transactions, body, ""));
    lab.commit(&transactions, halves[1]);
    transactions.write_ops(true);
    lab.commit(&transactions, halves[3]);
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["a", "c"]);
    assert_eq!(lab.ops(), ["1,", "3,"]);
    assert_eq!(progress(&transactions), (4, 2));
    // Another broker, or this one after a start, goes on with the messages put back.
    transactions.parts.offsets.persist();
    let next = lab.transactions();
    lab.check_after(&next, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["a", "c"]);
}

#[test]
fn the_op_messages_of_4_9_end_one_each() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    for body in ["a", "b", "c"] {
        lab.prepare(&transactions, body, "");
    }
    for body in ["0", "2"] {
        lab.store.append(&half::op(0, body, STORE_HOST, NOW_MS)).unwrap();
    }
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["b"]);
    assert_eq!(progress(&transactions), (3, 2));
}

#[test]
fn more_ops_than_one_read_holds() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let halves: Vec<_> = (0..80).map(|i| lab.prepare(&transactions, &i.to_string(), "")).collect();
    for (i, half) in halves.iter().enumerate().filter(|(i, _)| *i != 70) {
        lab.with(*half, |half| transactions.rollback(half));
        if i % 2 == 0 {
            transactions.write_ops(true);
        }
    }
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["70"]);
    assert_eq!(progress(&transactions).0, 80);
    assert_eq!(transactions.metrics.count("Real"), 1);
}

#[test]
fn a_message_asked_for_too_often_is_given_up_and_can_be_resumed() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "a", "");
    for _ in 0..3 {
        lab.check_after(&transactions, TIMEOUT * 2);
        assert_eq!(lab.asked(), ["a"]);
    }
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), [""; 0]);
    let given_up = lab.queue(TRANS_CHECK_MAX_TIME_TOPIC, 0);
    assert_eq!(given_up.len(), 1);
    assert!(given_up[0].1.contains("TRANSACTION_CHECK_TIMES=3;"), "{given_up:?}");
    assert!(transactions.parts.topics.contains(TRANS_CHECK_MAX_TIME_TOPIC));
    assert_eq!(transactions.metrics.count("Real"), 0);

    let at = lab.store.commit_log_offset_in_queue(TRANS_CHECK_MAX_TIME_TOPIC, 0, 0).unwrap();
    lab.with(at, |given_up| transactions.resume(given_up).unwrap());
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["a"]);
}

#[test]
fn what_cannot_be_given_up_now_is_given_up_later() {
    let mut lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "a", "");
    lab.settle();
    lab.store.shutdown();
    lab.clock.advance(lab.settings.store.file_reserved_time() + TIMEOUT);
    // The store takes nothing any more.
    let nobody: Ask = Box::new(|_, _| ());
    transactions.check(&nobody);
    assert_eq!((progress(&transactions).0, transactions.metrics.count("Real")), (-1, 1));
    transactions.parts.offsets.persist();
    transactions.metrics.persist();

    lab.store = open_store(lab.folder.path(), &lab.clock);
    let again = lab.transactions();
    lab.check_after(&again, Duration::ZERO);
    assert_eq!(lab.bodies(TRANS_CHECK_MAX_TIME_TOPIC, 0), ["a"]);
    assert_eq!((progress(&again).0, again.metrics.count("Real")), (1, 0));
}

#[test]
fn an_old_message_is_given_up_before_its_file_goes() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "a", "");
    lab.check_after(&transactions, lab.settings.store.file_reserved_time() + TIMEOUT);
    assert_eq!(lab.asked(), [""; 0]);
    assert_eq!(lab.bodies(TRANS_CHECK_MAX_TIME_TOPIC, 0), ["a"]);
}

/// Else the second would pass for the first, put out of the way, whose end it would take for its own.
#[test]
fn a_sender_says_nothing_about_checks() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let ended = lab.prepare(&transactions, "ended", "");
    lab.commit(&transactions, ended);
    lab.prepare(
        &transactions,
        "open",
        "TRAN_PREPARED_QUEUE_OFFSET\u{1}0\u{2}TRANSACTION_CHECK_TIMES\u{1}99\u{2}",
    );
    let half = lab.queue(RMQ_SYS_TRANS_HALF_TOPIC, 0).pop().unwrap();
    assert!(!half.1.contains("TRAN_PREPARED") && !half.1.contains("CHECK_TIMES"), "{half:?}");
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["open"]);
}

#[test]
fn a_time_of_its_own_puts_a_message_out_of_the_way() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let slow = lab.prepare(&transactions, "slow", "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}60\u{2}");
    lab.prepare(&transactions, "fast", "");
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["fast"], "the slow one does not hold it up");
    let halves = lab.queue(RMQ_SYS_TRANS_HALF_TOPIC, 0);
    assert!(halves[2].1.contains("TRAN_PREPARED_QUEUE_OFFSET=0;"), "{halves:?}");
    // The producer ends the message that it knows, which the check has passed.
    lab.with(slow, |slow| assert!(!transactions.is_immunity_over(slow)));
    lab.commit(&transactions, slow);
    lab.check_after(&transactions, Duration::from_secs(60));
    assert_eq!(lab.asked(), ["fast"]);
    lab.with(slow, |slow| assert!(transactions.is_immunity_over(slow)));
    assert_eq!(lab.bodies("Real", 2), ["slow"]);
}

#[test]
fn a_time_of_its_own_ends() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "slow", "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}20\u{2}");
    lab.check_after(&transactions, TIMEOUT);
    lab.check_after(&transactions, TIMEOUT);
    assert_eq!(lab.asked(), [""; 0]);
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["slow"]);
}

#[test]
fn a_time_of_its_own_uses_up_no_checks() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "slow", "CHECK_IMMUNITY_TIME_IN_SECONDS\u{1}7\u{2}");
    for _ in 0..7 {
        lab.check_after(&transactions, Duration::from_secs(1));
    }
    assert_eq!(lab.asked(), [""; 0]);
    for _ in 0..3 {
        lab.check_after(&transactions, Duration::from_secs(1));
        assert_eq!(lab.asked(), ["slow"]);
    }
    lab.check_after(&transactions, Duration::from_secs(1));
    assert_eq!(lab.asked(), [""; 0]);
    assert_eq!(lab.bodies(TRANS_CHECK_MAX_TIME_TOPIC, 0), ["slow"]);
}

#[test]
fn a_clock_set_back_holds_up_no_check() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    let ended = lab.prepare(&transactions, "ended", "");
    lab.prepare(&transactions, "silent", "");
    lab.commit(&transactions, ended);
    lab.clock.set_wall_ms(NOW_MS - 3_600_000);
    lab.check_after(&transactions, TIMEOUT * 2);
    assert_eq!(lab.asked(), ["silent"]);
    lab.clock.set_wall_ms(NOW_MS + 3_600_000);
    let ended = lab.prepare(&transactions, "ended too", "");
    lab.commit(&transactions, ended);
    lab.clock.set_wall_ms(NOW_MS);
    transactions.write_ops(false);
    assert_eq!(lab.ops().len(), 1, "the interval is not over");
    lab.clock.advance(Duration::from_secs(3));
    transactions.write_ops(false);
    assert_eq!(lab.ops().len(), 2);
}

/// Java's clients take the delay off; of others the broker loses the message, as Java's does.
#[test]
fn a_delayed_half_message_goes_to_its_delay_level() {
    let lab = Lab::new();
    let transactions = lab.transactions();
    lab.prepare(&transactions, "a", "DELAY\u{1}3\u{2}");
    assert_eq!(lab.bodies(RMQ_SYS_TRANS_HALF_TOPIC, 0), [""; 0]);
    assert_eq!(lab.bodies(SCHEDULE_TOPIC_XXXX, 2), ["a"]);
}

#[test]
fn the_threads_do_the_same() {
    let mut lab = Lab::new();
    lab.settings.broker.transaction_check_interval_ms = 1;
    lab.settings.broker.transaction_op_batch_interval_ms = 1;
    let transactions = Arc::new(lab.transactions());
    let asked = lab.asked.clone();
    transactions
        .start(Box::new(move |group, question| asked.lock().push((group.to_owned(), question))))
        .unwrap();
    lab.prepare(&transactions, "a", "");
    let half = lab.prepare(&transactions, "b", "");
    lab.commit(&transactions, half);
    lab.clock.advance(TIMEOUT * 2);
    wait_until("one asked and one ended", || !lab.asked.lock().is_empty() && !lab.ops().is_empty());
    transactions.shutdown();
    // Once in each pass, of which there may have been some.
    let asked = lab.asked();
    assert!(asked.iter().all(|id| id == "a") && asked.len() <= 3, "{asked:?}");
    assert_eq!(lab.ops(), ["1,"]);
}
