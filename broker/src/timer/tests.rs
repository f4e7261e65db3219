mod clock_back;
mod restart;

use super::*;
use crate::config::BrokerSettings;
use crate::delays::Delays;
use crate::schedule::Schedule;
use message::property::{
    REAL_QUEUE_ID, REAL_TOPIC, TIMER_DEL_UNIQKEY, TIMER_DEQUEUE_MS, TIMER_ENQUEUE_MS, TIMER_OUT_MS,
    TIMER_ROLL_TIMES, UNIQ_KEY,
};
use message::{Message, Properties, record};
use process::config::Live;
use process::logs::{BROKER_FILES, Logs};
use store::get::PULL_BYTES_MAX;
use store::testing::golden::unpack;
use store::testing::wait_until;
use store::{Everything, GetRequest, MessageStoreConfig, PutError, Surroundings, WheelTimerError};
use tempfile::TempDir;

const NOW_MS: i64 = 1_800_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

/// A timer over a store at work, whose time is moved by hand. The threads do not run: tests call what they do.
struct Lab {
    folder: TempDir,
    clock: Clock,
    store: Arc<MessageStore>,
}

/// What came to the real topic.
#[derive(Debug)]
struct Delivered {
    body: String,
    queue_id: i32,
    properties: Properties,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut MessageStoreConfig)) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let mut config = MessageStoreConfig {
            store_path_root_dir: folder.path().join("store"),
            mapped_file_size_commit_log_bytes: 1 << 20,
            mapped_file_size_timer_log_bytes: 10 * 52 + 16,
            max_hash_slot_num: 100,
            max_index_num: 1000,
            ..MessageStoreConfig::of_defaults()
        };
        change(&mut config);
        let clock = Clock::test(NOW_MS);
        let store = open(config, &clock);
        Lab { folder, clock, store }
    }

    /// As a broker has it after a start; what an earlier one has persisted is there.
    fn timer(&self) -> Arc<Timer> {
        let metrics = self.store.config().config_file("timermetrics");
        Arc::new(Timer::load(&metrics, self.store.clone(), self.clock.clone()).unwrap())
    }

    fn delays(&self, timer: &Arc<Timer>) -> Delays {
        let path = self.folder.path().join("delayOffset.json");
        let settings = Live::new(BrokerSettings::of_defaults());
        let schedule = Schedule::load(&path, settings, self.store.clone(), self.clock.clone());
        Delays { schedule: Arc::new(schedule.unwrap()), timer: Some(timer.clone()) }
    }

    /// Sends a message to queue 2 of topic "Real", whose key is its body; its properties stand as `NAME=value;`.
    fn send(&self, timer: &Arc<Timer>, body: &str, properties: &str) -> Result<(), PutError> {
        let properties =
            format!("{UNIQ_KEY}={body};{properties};").replace('=', "\u{1}").replace(';', "\u{2}");
        let mut message = message(body, &properties);
        self.delays(timer).rewrite(&mut message)?;
        let offset = self.store.append(&message)?.queue_offset;
        wait_until("derive", || self.store.max_offset_in_queue(&message.topic, message.queue_id) > offset);
        Ok(())
    }

    fn send_ok(&self, timer: &Arc<Timer>, body: &str, properties: &str) {
        self.send(timer, body, properties).unwrap();
    }

    fn recall(&self, timer: &Arc<Timer>, body: &str, deliver_ms: i64) {
        self.send_ok(timer, "0", &format!("{TIMER_DEL_UNIQKEY}={body};{TIMER_DELIVER_MS}={deliver_ms}"));
    }

    /// Lets time pass and has the timer do what is to be done then.
    fn pass(&self, timer: &Timer, time: Duration) {
        self.clock.advance(time);
        timer.turn();
        self.settle();
    }

    fn settle(&self) {
        wait_until("derive", || self.store.dispatch_behind_bytes() == 0);
    }

    fn read(&self, topic: &str, queue_id: i32) -> Vec<Delivered> {
        let request = GetRequest { topic, queue_id, offset: 0, count_max: 64, bytes_max: PULL_BYTES_MAX };
        let mut delivered = Vec::new();
        for stored in
            record::messages(&self.store.get_message(request, &Everything).unwrap().into_copy().unwrap())
        {
            delivered.push(Delivered {
                body: String::from_utf8(stored.message.body.to_vec()).unwrap(),
                queue_id: stored.message.queue_id,
                properties: Properties::parse(&stored.message.properties),
            });
        }
        delivered
    }

    fn bodies(&self) -> Vec<String> {
        self.read("Real", 2).into_iter().map(|delivered| delivered.body).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.store.shutdown();
    }
}

fn open(config: MessageStoreConfig, clock: &Clock) -> Arc<MessageStore> {
    let clock = clock.clone();
    let store = MessageStore::open(config, Surroundings::default(), clock).unwrap();
    store.start(Box::new(|_| {})).unwrap();
    store
}

fn message<'a>(body: &'a str, properties: &'a str) -> Message<'a> {
    Message {
        topic: "Real".into(),
        queue_id: 2,
        flag: 7,
        sys_flag: 0,
        born_timestamp_ms: NOW_MS - 50,
        born_host: "1.2.3.4:5".parse().unwrap(),
        store_host: "5.6.7.8:9".parse().unwrap(),
        reconsume_times: 3,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: properties.into(),
    }
}

/// Java's broker takes it, and drops it when it is due.
#[test]
fn a_message_that_has_no_room_for_more_properties_is_delivered() {
    let lab = Lab::new();
    let timer = lab.timer();
    let long = |bytes: usize| format!("{TIMER_DELAY_MS}=3000;long={}", "p".repeat(bytes));
    let mut bytes = message::PROPERTIES_BYTES_MAX;
    while lab.send(&timer, "full", &long(bytes)).is_err() {
        bytes -= 1;
    }
    lab.pass(&timer, SECOND);
    lab.pass(&timer, 4 * SECOND);
    assert_eq!(lab.bodies(), ["full"]);
    assert_eq!(lab.read("Real", 2)[0].properties.get("long").map(str::len), Some(bytes));
}

#[test]
fn a_message_is_delivered_once_the_slot_of_its_time_is_over() {
    let lab = Lab::new();
    let timer = lab.timer();
    lab.send_ok(&timer, "exact", "TIMER_DELAY_SEC=3");
    lab.send_ok(&timer, "between", "TIMER_DELAY_MS=2001");
    lab.send_ok(&timer, "early", &format!("TIMER_DELIVER_MS={}", NOW_MS + 1000));
    assert_eq!(timer.metrics.count("Real"), 0);
    for (passed, expected) in
        [(0, &[][..]), (999, &[]), (1, &["early"]), (1999, &["early"]), (1, &["early", "exact", "between"])]
    {
        lab.pass(&timer, Duration::from_millis(passed));
        assert_eq!(lab.bodies(), expected, "at {}", lab.clock.wall_ms() - NOW_MS);
        assert_eq!(timer.metrics.count("Real"), 3 - expected.len() as i64);
    }
    let delivered = lab.read("Real", 2);
    let (exact, now_ms) = (&delivered[1], (NOW_MS + 3000).to_string());
    let expected = [
        (TIMER_DELAY_SEC, "3"),
        (TIMER_OUT_MS, &(NOW_MS + 2000).to_string()),
        (TIMER_ENQUEUE_MS, &NOW_MS.to_string()),
        (TIMER_DEQUEUE_MS, &now_ms),
        // Java leaves them too.
        (REAL_TOPIC, "Real"),
        (REAL_QUEUE_ID, "2"),
    ];
    for (name, value) in expected {
        assert_eq!(exact.properties.get(name), Some(value), "{name}");
    }
    assert_eq!(exact.queue_id, 2);
}

#[test]
fn times_that_cannot_be_are_refused_and_past_ones_are_no_delay() {
    let lab = Lab::new();
    let timer = lab.timer();
    let refused = |properties: &str| match lab.send(&timer, "m", properties) {
        Err(PutError::WheelTimer(why)) => why,
        other => panic!("{properties}: {other:?}"),
    };
    let max_sec = lab.store.config().timer_max_delay_sec;
    for properties in [
        "TIMER_DELAY_SEC=soon".to_owned(),
        format!("TIMER_DELAY_SEC={}", max_sec + 1),
        // Sums that do not fit.
        format!("TIMER_DELAY_SEC={}", i64::MAX),
        format!("TIMER_DELAY_SEC={}", 1_i64 << 61),
        format!("TIMER_DELAY_MS={}", i64::MAX),
        format!("TIMER_DELAY_MS={}", i64::MAX - NOW_MS + 1),
        format!("TIMER_DELAY_MS={}", max_sec * 1000 + 1),
        format!("TIMER_DELIVER_MS={}", i64::MAX),
        format!("{TIMER_DEL_UNIQKEY}=k;TIMER_DELIVER_MS={NOW_MS}"),
    ] {
        assert_eq!(refused(&properties), WheelTimerError::MsgIllegal);
    }
    lab.send_ok(&timer, "last", &format!("TIMER_DELAY_SEC={max_sec}"));
    lab.send_ok(&timer, "now", "TIMER_DELAY_SEC=0");
    lab.send_ok(&timer, "past", "TIMER_DELIVER_MS=5");
    lab.send_ok(&timer, "long past", &format!("TIMER_DELAY_SEC={}", i64::MIN));
    lab.send_ok(&timer, "level", "DELAY=1;TIMER_DELAY_SEC=9");
    lab.settle();
    assert_eq!(lab.bodies(), ["now", "past", "long past"]);
    let by_level = lab.read(crate::topic_validator::SCHEDULE_TOPIC_XXXX, 0);
    assert_eq!(by_level[0].properties.get(TIMER_DELAY_SEC), None);
}

#[test]
fn a_slot_that_too_many_want_refuses() {
    let lab = Lab::with(|config| config.timer_congest_num_each_slot = 2);
    let timer = lab.timer();
    let send = |body: &str| {
        let sent = lab.send(&timer, body, "TIMER_DELAY_SEC=5");
        timer.turn();
        sent
    };
    for body in ["1", "2", "3"] {
        send(body).unwrap();
    }
    // From here on chance decides, until there are twice as many.
    let refused =
        (0..100).filter(|_| send("more") == Err(PutError::WheelTimer(WheelTimerError::FlowControl)));
    assert!(refused.count() >= 99);
    lab.send_ok(&timer, "elsewhere", "TIMER_DELAY_SEC=7");
}

#[test]
fn a_recalled_message_is_not_delivered() {
    let lab = Lab::new();
    let timer = lab.timer();
    for body in ["a", "b", "c"] {
        lab.send_ok(&timer, body, "TIMER_DELAY_SEC=3");
    }
    timer.turn();
    // As the handle says it: a moment within the slot.
    lab.recall(&timer, "b", NOW_MS + 2001);
    lab.recall(&timer, "unknown", NOW_MS + 2001);
    timer.turn();
    assert_eq!(timer.metrics.count("Real"), 1);
    lab.pass(&timer, 3 * SECOND);
    assert_eq!(lab.bodies(), ["a", "c"]);
    lab.send_ok(&timer, "d", "TIMER_DELAY_SEC=2");
    lab.recall(&timer, "d", NOW_MS + 4001);
    lab.pass(&timer, 9 * SECOND);
    assert_eq!(lab.bodies(), ["a", "c"], "however late the timer comes to both");
    lab.recall(&timer, "d", NOW_MS + 12_500);
    lab.clock.advance(SECOND);
    timer.move_write_time();
    lab.pass(&timer, SECOND);
    assert_eq!(lab.bodies(), ["a", "c"], "a recall that comes too late is no message");
    assert_eq!(timer.metrics.count("Real"), 0);
}

#[test]
fn a_recall_may_name_the_topic() {
    let lab = Lab::with(|config| config.append_topic_for_timer_delete_key = true);
    let timer = lab.timer();
    for body in ["a", "b"] {
        lab.send_ok(&timer, body, "TIMER_DELAY_SEC=3");
    }
    lab.recall(&timer, "a", NOW_MS + 2001);
    lab.recall(&timer, "Real+b", NOW_MS + 2001);
    timer.turn();
    lab.pass(&timer, 3 * SECOND);
    assert_eq!(lab.bodies(), ["a"]);
}

#[test]
fn a_message_beyond_the_window_rolls() {
    let lab = Lab::with(|config| config.timer_roll_window_slot = 10);
    let timer = lab.timer();
    lab.send_ok(&timer, "a little", "TIMER_DELAY_SEC=12");
    lab.send_ok(&timer, "far", "TIMER_DELAY_SEC=35");
    lab.send_ok(&timer, "recalled", "TIMER_DELAY_SEC=35");
    lab.recall(&timer, "recalled", NOW_MS + 34_001);
    timer.turn();
    let slots = |seconds: i64| timer.files.places(NOW_MS + seconds * 1000).unwrap().len();
    assert_eq!((slots(5), slots(10)), (1, 3), "half a window, a whole one");
    let mut arrived = Vec::new();
    for second in 1..=36 {
        lab.pass(&timer, SECOND);
        // What has rolled is entered at the next turn.
        lab.pass(&timer, Duration::ZERO);
        let bodies = lab.bodies();
        arrived
            .extend(bodies[arrived.len()..].iter().cloned().map(|body| (second, body)).collect::<Vec<_>>());
    }
    assert_eq!(arrived, [(12, "a little".to_owned()), (35, "far".to_owned())]);
    let rolls: Vec<_> = lab
        .read("Real", 2)
        .iter()
        .map(|message| message.properties.get(TIMER_ROLL_TIMES).map(str::to_owned))
        .collect();
    assert_eq!(rolls, [Some("1".to_owned()), Some("3".to_owned())]);
    assert_eq!(timer.metrics.count("Real"), 0);
}

#[test]
fn a_restart_loses_nothing_and_repeats_nothing() {
    let lab = Lab::new();
    let timer = lab.timer();
    for second in 1..=30 {
        lab.send_ok(&timer, &second.to_string(), &format!("TIMER_DELAY_SEC={second}"));
    }
    lab.pass(&timer, 4 * SECOND);
    timer.shutdown();
    lab.clock.advance(3 * SECOND);
    let timer = lab.timer();
    lab.pass(&timer, Duration::ZERO);
    assert_eq!(lab.bodies().len(), 7);
    timer.shutdown();
    let timer = lab.timer();
    lab.pass(&timer, 60 * SECOND);
    let expected: Vec<_> = (1..=30).map(|second: i32| second.to_string()).collect();
    assert_eq!(lab.bodies(), expected);
    assert_eq!(timer.metrics.count("Real"), 0);
}

#[test]
fn what_was_entered_before_a_crash_is_not_entered_again() {
    let lab = Lab::new();
    let timer = lab.timer();
    for body in ["a", "b", "c"] {
        lab.send_ok(&timer, body, "TIMER_DELAY_SEC=5");
    }
    timer.turn();
    timer.flush(false);
    for body in ["d", "e"] {
        lab.send_ok(&timer, body, "TIMER_DELAY_SEC=5");
    }
    timer.turn();
    lab.send_ok(&timer, "f", "TIMER_DELAY_SEC=5");
    drop(timer);
    let timer = lab.timer();
    assert_eq!(timer.entered.lock().len(), 2);
    lab.pass(&timer, 5 * SECOND);
    assert_eq!(lab.bodies(), ["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn without_its_files_the_timer_goes_by_its_queue() {
    let lab = Lab::new();
    let timer = lab.timer();
    for (body, seconds) in [("soon", 2), ("late", 8)] {
        lab.send_ok(&timer, body, &format!("TIMER_DELAY_SEC={seconds}"));
    }
    timer.turn();
    timer.shutdown();
    drop(timer);
    let root = lab.folder.path().join("store");
    for name in ["timerwheel", "config/timercheck"] {
        std::fs::remove_file(root.join(name)).unwrap();
    }
    std::fs::remove_dir_all(root.join("timerlog")).unwrap();
    let timer = lab.timer();
    lab.pass(&timer, 5 * SECOND);
    lab.pass(&timer, 5 * SECOND);
    assert_eq!(lab.bodies(), ["soon", "late"]);
}

#[test]
fn after_a_stop_longer_than_the_wheel_all_are_delivered() {
    let lab = Lab::new();
    let timer = lab.timer();
    for (body, seconds) in [("first", 2), ("second", 200_000)] {
        lab.send_ok(&timer, body, &format!("TIMER_DELAY_SEC={seconds}"));
    }
    timer.turn();
    timer.shutdown();
    lab.clock.advance(Duration::from_secs(14 * 24 * 3600));
    let timer = lab.timer();
    // Would take the slot of the first.
    lab.send_ok(&timer, "new", "TIMER_DELAY_SEC=2");
    lab.pass(&timer, Duration::ZERO);
    lab.pass(&timer, 2 * SECOND);
    assert_eq!(lab.bodies(), ["first", "second", "new"]);
}

#[test]
fn the_counts_are_made_anew() {
    let lab = Lab::new();
    let timer = lab.timer();
    for body in ["a", "b", "c"] {
        lab.send_ok(&timer, body, "TIMER_DELAY_SEC=5");
    }
    lab.recall(&timer, "a", NOW_MS + 4001);
    lab.send_ok(&timer, "gone", "TIMER_DELAY_SEC=1");
    lab.pass(&timer, SECOND);
    timer.metrics.add("Real", 40);
    timer.metrics.add("Other", 40);
    timer.check_metrics();
    assert_eq!((timer.metrics.count("Real"), timer.metrics.count("Other")), (2, 0));
}

#[test]
fn messages_without_a_time_or_a_topic_do_not_stop_the_others() {
    let lab = Lab::new();
    let timer = lab.timer();
    for properties in [
        "A\u{1}b\u{2}",
        "TIMER_OUT_MS\u{1}x\u{2}",
        "TIMER_OUT_MS\u{1}1799999999000\u{2}",
        "TIMER_OUT_MS\u{1}1800000001000\u{2}",
    ] {
        let message =
            Message { topic: RMQ_SYS_WHEEL_TIMER.into(), queue_id: 0, ..message("bad", properties) };
        lab.store.append(&message).unwrap();
    }
    lab.send_ok(&timer, "good", "TIMER_DELAY_SEC=2");
    timer.turn();
    lab.pass(&timer, 2 * SECOND);
    assert_eq!(lab.bodies(), ["good"]);
}

#[test]
fn a_message_that_the_store_does_not_take_is_tried_again() {
    let lab = Lab::new();
    let timer = lab.timer();
    lab.send_ok(&timer, "a", "TIMER_DELAY_SEC=1");
    // A log that cannot get its next file, filled to the last byte.
    let in_the_way = lab.store.config().commit_log_dir().join(store::layout::file_name(1 << 20));
    std::fs::create_dir(&in_the_way).unwrap();
    for bytes in [100_000, 10_000, 1000, 1] {
        let body = "x".repeat(bytes);
        let filler = Message { topic: "Filler".into(), ..message(&body, "") };
        while lab.store.append(&filler).is_ok() {}
    }
    lab.clock.advance(2 * SECOND);
    let folder = lab.folder.path().join("logs");
    let logs = Logs::open(&folder, BROKER_FILES, tracing::Level::WARN, lab.clock.clone()).unwrap();
    let turning = std::thread::spawn({
        let timer = timer.clone();
        move || tracing::dispatcher::with_default(logs.dispatch(), || timer.turn())
    });
    wait_until("it is tried more often than Java tries", || {
        let log = std::fs::read_to_string(folder.join("broker.log")).unwrap_or_default();
        log.matches("is not delivered yet").count() > 3
    });
    std::fs::remove_dir(&in_the_way).unwrap();
    turning.join().unwrap();
    lab.settle();
    assert_eq!(lab.bodies(), ["a"]);
    assert_eq!(timer.metrics.count("Real"), 0);
}

#[test]
fn the_progress_is_not_on_disk_before_what_was_delivered_is() {
    let mut lab = Lab::new();
    let config = MessageStoreConfig {
        store_path_root_dir: lab.folder.path().join("lazy"),
        flush_interval_commit_log_ms: 3_600_000,
        flush_interval_consume_queue_ms: 3_600_000,
        ..lab.store.config().clone()
    };
    lab.store.shutdown();
    lab.store = open(config, &lab.clock);
    let timer = lab.timer();
    lab.send_ok(&timer, "a", "TIMER_DELAY_SEC=1");
    lab.pass(&timer, 2 * SECOND);
    assert_eq!(lab.bodies(), ["a"]);
    let delivered_end = timer.progress.lock().delivered_end;
    assert_eq!((lab.store.flushed_where(), delivered_end), (0, lab.store.max_phy_offset()));
    timer.flush(false);
    assert!(lab.store.flushed_where() >= delivered_end);
    assert_eq!(timer.checkpoint().last_timer_queue_offset, 1);
}

#[test]
fn without_messages_the_progress_is_written_once_a_minute() {
    let lab = Lab::new();
    let timer = lab.timer();
    lab.pass(&timer, SECOND);
    timer.flush(false);
    let written = timer.checkpoint().last_read_time_ms;
    lab.pass(&timer, 59 * SECOND);
    timer.flush(false);
    assert_eq!(timer.checkpoint().last_read_time_ms, written);
    lab.pass(&timer, SECOND);
    timer.flush(false);
    assert_eq!(timer.checkpoint().last_read_time_ms, written + 60_000);
}

#[test]
fn threads_deliver_and_the_shutdown_flushes() {
    let lab = Lab::new();
    let timer = lab.timer();
    timer.start().unwrap();
    lab.send_ok(&timer, "a", "TIMER_DELAY_SEC=1");
    timer.messages_arrived(&[Arrived {
        topic: RMQ_SYS_WHEEL_TIMER,
        queue_id: 0,
        max_offset: 1,
        tags_code: 0,
        store_timestamp_ms: 0,
        properties: "",
    }]);
    wait_until("entering", || timer.metrics.count("Real") == 1);
    lab.clock.advance(SECOND);
    wait_until("delivery", || !lab.bodies().is_empty());
    wait_until("flush", || timer.checkpoint().last_timer_queue_offset == 1);
    timer.shutdown();
    let checkpoint = timer.checkpoint();
    assert_eq!((checkpoint.last_read_time_ms, checkpoint.last_timer_log_flush_pos), (NOW_MS + 1000, 52));
    assert_eq!(lab.timer().checkpoint(), checkpoint);
}

#[test]
fn java_s_wheel_ticks_on() {
    let (golden, _) = unpack("5.5.0", "five");
    let root = golden.config.store_path_root_dir.clone();
    let log_bytes = std::fs::metadata(root.join("timerlog").join(store::layout::file_name(0))).unwrap().len();
    let checkpoint_ms = {
        let bytes = std::fs::read(root.join("config/timercheck")).unwrap();
        TimerCheckpoint::decode(&bytes).last_read_time_ms
    };
    let clock = Clock::test(checkpoint_ms);
    let config =
        MessageStoreConfig { mapped_file_size_timer_log_bytes: log_bytes as usize, ..golden.config.clone() };
    let store = open(config, &clock);
    let lab = Lab { folder: tempfile::tempdir().unwrap(), clock, store };
    let topic = "Sh_Timer";
    let delivered =
        |lab: &Lab| lab.store.max_offset_in_queue(topic, 0) + lab.store.max_offset_in_queue(topic, 1);
    let timer = lab.timer();
    let (before, waiting) = (delivered(&lab), timer.metrics.count(topic));
    assert!(waiting > 0);
    // Rolls of three days at most, a turn each.
    for _ in 0..200 {
        lab.pass(&timer, 3600 * SECOND);
    }
    assert_eq!((delivered(&lab), timer.metrics.count(topic)), (before + waiting, 0));
}
