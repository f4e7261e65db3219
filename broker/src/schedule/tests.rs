use super::deliver::Deliveries;
use super::*;
use crate::golden;
use crate::topic_validator::RMQ_SYS_TRANS_HALF_TOPIC;
use message::{Record, record, sys_flag};
use store::testing::wait_until;
use store::{DelayLevels, Everything, GetRequest, MessageStoreConfig, Surroundings, get::PULL_BYTES_MAX};
use tempfile::TempDir;

const NOW_MS: i64 = 1_800_000_000_000;

/// A store and a schedule over it, whose time is moved by hand. Levels are of 1, 5 and 10 seconds.
struct Lab {
    folder: TempDir,
    clock: Clock,
    settings: BrokerSettings,
    store: Arc<MessageStore>,
}

impl Lab {
    fn new(clock: Clock, delay_levels_ms: Vec<i64>) -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = BrokerSettings::of_defaults();
        settings.store = MessageStoreConfig {
            store_path_root_dir: folder.path().join("store"),
            mapped_file_size_commit_log_bytes: 1 << 20,
            max_hash_slot_num: 100,
            max_index_num: 1000,
            message_delay_level: DelayLevels(delay_levels_ms),
            ..MessageStoreConfig::of_defaults()
        };
        let store_clock = clock.clone();
        let store = MessageStore::open(settings.store.clone(), Surroundings::default(), store_clock).unwrap();
        Lab { folder, clock, settings, store }
    }

    /// With a store that is at work.
    fn started() -> Lab {
        let lab = Lab::new(Clock::test(NOW_MS), vec![1000, 5000, 10_000]);
        lab.store.start(Box::new(|_| {})).unwrap();
        lab
    }

    fn schedule(&self) -> Schedule {
        let path = self.folder.path().join("config/delayOffset.json");
        Schedule::load(&path, Live::new(self.settings.clone()), self.store.clone(), self.clock.clone())
            .unwrap()
    }

    /// Sends a message of a delay level, and waits until its queue has it.
    fn send(&self, schedule: &Schedule, level: i32, body: &str) {
        let properties = format!("TAGS\u{1}T\u{2}DELAY\u{1}{level}\u{2}");
        let mut message = message(body, &properties);
        assert!(schedule.rewrite(&mut message));
        self.append(&message);
    }

    fn append(&self, message: &Message<'_>) {
        let offset = self.store.append(message).unwrap().queue_offset;
        wait_until("derive", || {
            self.store.max_offset_in_queue(&message.topic, message.queue_id) == offset + 1
        });
    }

    /// Bodies and properties that have reached queue 2 of topic "Real".
    fn delivered(&self) -> Vec<(String, String)> {
        let request =
            GetRequest { topic: "Real", queue_id: 2, offset: 0, count_max: 32, bytes_max: PULL_BYTES_MAX };
        let found = self.store.get_message(request, &Everything).unwrap();
        let mut delivered = Vec::new();
        for stored in record::messages(&found.into_copy().unwrap()) {
            let body = String::from_utf8(stored.message.body.to_vec()).unwrap();
            delivered.push((body, stored.message.properties.into_owned()));
        }
        delivered
    }

    fn delivered_bodies(&self, count: usize) -> Vec<String> {
        wait_until("delivery", || self.delivered().len() >= count);
        self.delivered().into_iter().map(|(body, _)| body).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.store.shutdown();
    }
}

fn message<'a>(body: &'a str, properties: &'a str) -> Message<'a> {
    Message {
        topic: "Real".into(),
        queue_id: 2,
        flag: 7,
        sys_flag: sys_flag::COMPRESSED,
        born_timestamp_ms: NOW_MS - 50,
        born_host: "1.2.3.4:5".parse().unwrap(),
        store_host: "5.6.7.8:9".parse().unwrap(),
        reconsume_times: 3,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: properties.into(),
    }
}

#[test]
fn a_delay_level_sends_a_message_to_the_levels_queue() {
    let lab = Lab::new(Clock::test(NOW_MS), vec![1000, 5000, 10_000]);
    let schedule = lab.schedule();
    assert_eq!(schedule.delay_level_count(), 3);
    assert_eq!([0, 1, 3, 4].map(|level| schedule.delay_ms(level)), [None, Some(1000), Some(10_000), None]);
    for (sent, topic, queue_id, properties) in [
        (
            "DELAY\u{1}2\u{2}",
            SCHEDULE_TOPIC_XXXX,
            1,
            "DELAY\u{1}2\u{2}REAL_TOPIC\u{1}Real\u{2}REAL_QID\u{1}2\u{2}",
        ),
        (
            "DELAY\u{1}99",
            SCHEDULE_TOPIC_XXXX,
            2,
            "DELAY\u{1}3\u{2}REAL_TOPIC\u{1}Real\u{2}REAL_QID\u{1}2\u{2}",
        ),
        (
            "REAL_QID\u{1}9\u{2}DELAY\u{1}1",
            SCHEDULE_TOPIC_XXXX,
            0,
            "REAL_QID\u{1}2\u{2}DELAY\u{1}1\u{2}REAL_TOPIC\u{1}Real\u{2}",
        ),
        ("DELAY\u{1}0", "Real", 2, "DELAY\u{1}0"),
        ("DELAY\u{1}soon", "Real", 2, "DELAY\u{1}soon"),
        ("TAGS\u{1}T", "Real", 2, "TAGS\u{1}T"),
    ] {
        let mut message = message("", sent);
        assert_eq!(schedule.rewrite(&mut message), topic == SCHEDULE_TOPIC_XXXX);
        assert_eq!((&*message.topic, message.queue_id, &*message.properties), (topic, queue_id, properties));
    }
}

#[test]
fn messages_come_when_they_are_due_and_not_before() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    lab.send(&schedule, 2, "in 5 s");
    lab.send(&schedule, 1, "in 1 s");
    lab.clock.advance(Duration::from_millis(400));
    lab.send(&schedule, 1, "in 1.4 s");
    let mut deliveries = Deliveries::new(&schedule);
    assert_eq!(deliveries.deliver_due(), Some(Duration::from_millis(600)));
    lab.clock.advance(Duration::from_millis(599));
    assert_eq!(deliveries.deliver_due(), Some(Duration::from_millis(1)));
    assert_eq!(lab.delivered(), []);
    lab.clock.advance(Duration::from_millis(1));
    assert_eq!(deliveries.deliver_due(), Some(Duration::from_millis(400)));
    assert_eq!(lab.delivered_bodies(1), ["in 1 s"]);
    lab.clock.advance(Duration::from_secs(10));
    assert_eq!(deliveries.deliver_due(), None);
    assert_eq!(lab.delivered_bodies(3), ["in 1 s", "in 1.4 s", "in 5 s"]);
    assert_eq!(schedule.offsets(), [(1, 2), (2, 1)].into());
}

#[test]
fn a_delivered_message_is_javas() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    lab.send(&schedule, 1, "body");
    lab.clock.advance(Duration::from_secs(1));
    Deliveries::new(&schedule).deliver_due();
    lab.delivered_bodies(1);
    let request =
        GetRequest { topic: "Real", queue_id: 2, offset: 0, count_max: 1, bytes_max: PULL_BYTES_MAX };
    let found = lab.store.get_message(request, &Everything).unwrap();
    let records = found.into_copy().unwrap();
    let Ok(Record::Message(stored)) = Record::decode(&records) else { panic!() };
    // As Java's golden stores hold them: what the broker added to wait is still there.
    let properties = "TAGS\u{1}T\u{2}DELAY\u{1}1\u{2}REAL_TOPIC\u{1}Real\u{2}REAL_QID\u{1}2\u{2}";
    assert_eq!(stored.message, message("body", properties));
    assert_eq!(stored.store_timestamp_ms, NOW_MS + 1000);
}

#[test]
fn another_start_goes_on_where_this_one_ended() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    (0..50).for_each(|number| lab.send(&schedule, 1, &number.to_string()));
    lab.clock.advance(Duration::from_secs(1));
    lab.send(&schedule, 1, "last");
    Deliveries::new(&schedule).deliver_due();
    schedule.persist();

    let schedule = lab.schedule();
    assert_eq!(schedule.offsets(), [(1, 50)].into());
    lab.clock.advance(Duration::from_secs(1));
    Deliveries::new(&schedule).deliver_due();
    wait_until("delivery", || lab.store.max_offset_in_queue("Real", 2) == 51);
}

#[test]
fn a_due_time_that_cannot_be_is_now() {
    let mut lab = Lab::started();
    let schedule = lab.schedule();
    lab.send(&schedule, 3, "was 10 s");
    lab.settings.store.message_delay_level = DelayLevels(vec![1000, 5000, 6000]);
    let schedule = lab.schedule();
    assert_eq!(Deliveries::new(&schedule).deliver_due(), None);
    assert_eq!(lab.delivered_bodies(1), ["was 10 s"]);
}

/// An administrator, or the time service, has set the clock back meanwhile.
#[test]
fn a_clock_set_back_makes_no_level_stand_still() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    let mut deliveries = Deliveries::new(&schedule);
    lab.send(&schedule, 2, "before");
    lab.send(&schedule, 3, "longest");
    deliveries.deliver_due();
    lab.clock.advance(Duration::from_secs(1));
    lab.clock.set_wall_ms(NOW_MS - 3_600_000);
    lab.send(&schedule, 2, "after");
    assert!(deliveries.deliver_due().is_some_and(|wait| wait <= Duration::from_secs(4)));
    lab.clock.advance(Duration::from_secs(4));
    deliveries.deliver_due();
    assert_eq!(lab.delivered_bodies(1), ["before"]);
    lab.clock.advance(Duration::from_secs(1));
    deliveries.deliver_due();
    assert_eq!(lab.delivered_bodies(2), ["before", "after"]);
    lab.clock.advance(Duration::from_secs(4));
    assert_eq!(deliveries.deliver_due(), None);
    assert_eq!(lab.delivered_bodies(3), ["before", "after", "longest"]);
}

#[test]
fn a_clock_set_forward_makes_due_what_it_says() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    let mut deliveries = Deliveries::new(&schedule);
    lab.send(&schedule, 3, "in 10 s");
    deliveries.deliver_due();
    lab.clock.set_wall_ms(NOW_MS + 10_000);
    assert_eq!(deliveries.deliver_due(), None);
    assert_eq!(lab.delivered_bodies(1), ["in 10 s"]);
}

#[test]
fn an_offset_that_the_queue_does_not_have_is_corrected() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    schedule.update_offset(1, 77);
    schedule.update_offset(2, 5);
    let mut deliveries = Deliveries::new(&schedule);
    lab.send(&schedule, 1, "lost, as in Java");
    assert_eq!(deliveries.deliver_due(), None);
    assert_eq!(schedule.offsets(), [(1, 1), (2, 0)].into());
    lab.send(&schedule, 1, "later");
    schedule.messages_arrived(&[arrived(0)]);
    assert_eq!(deliveries.deliver_due(), Some(Duration::from_secs(1)));
    lab.clock.advance(Duration::from_secs(1));
    assert_eq!(deliveries.deliver_due(), None);
    assert_eq!(lab.delivered_bodies(1), ["later"]);
}

#[test]
fn what_has_no_place_to_go_is_dropped() {
    let lab = Lab::started();
    let schedule = lab.schedule();
    let half = format!("REAL_TOPIC\u{1}{RMQ_SYS_TRANS_HALF_TOPIC}\u{2}REAL_QID\u{1}0\u{2}");
    for properties in ["", "REAL_TOPIC\u{1}Real", "REAL_TOPIC\u{1}Real\u{2}REAL_QID\u{1}x", &half] {
        let delayed = Message { topic: SCHEDULE_TOPIC_XXXX.into(), queue_id: 0, ..message("", properties) };
        lab.append(&delayed);
    }
    lab.send(&schedule, 1, "good");
    lab.clock.advance(Duration::from_secs(1));
    Deliveries::new(&schedule).deliver_due();
    assert_eq!(lab.delivered_bodies(1), ["good"]);
    assert_eq!(schedule.offsets(), [(1, 5)].into());
}

fn arrived(queue_id: i32) -> Arrived<'static> {
    Arrived {
        topic: SCHEDULE_TOPIC_XXXX,
        queue_id,
        max_offset: 1,
        tags_code: 0,
        store_timestamp_ms: 0,
        properties: "",
    }
}

#[test]
fn the_thread_delivers_and_sleeps() {
    let lab = Lab::new(Clock::real(), vec![100, 200, 300_000]);
    let schedule = Arc::new(lab.schedule());
    let hook = schedule.clone();
    lab.store.start(Box::new(move |arrived| hook.messages_arrived(arrived))).unwrap();
    schedule.start().unwrap();
    wait_until("idle", || schedule.idle.iter().all(|idle| idle.load(Ordering::Acquire)));
    lab.send(&schedule, 3, "not now");
    for (level, body) in [(2, "a"), (1, "b")] {
        let sent_ms = lab.clock.wall_ms();
        lab.send(&schedule, level, body);
        wait_until("delivery", || lab.delivered().iter().any(|(delivered, _)| delivered == body));
        assert!(lab.clock.wall_ms() - sent_ms >= schedule.delay_ms(level).unwrap());
    }
    schedule.shutdown();
    assert_eq!(lab.schedule().offsets(), [(1, 1), (2, 1), (3, 0)].into());
    assert_eq!(lab.delivered_bodies(2), ["a", "b"]);
}

#[test]
fn javas_files_are_read() {
    for version in golden::VERSIONS {
        for scenario in golden::SCENARIOS {
            let java = golden::config_file(version, scenario, "delayOffset.json");
            let lab = Lab::new(Clock::test(NOW_MS), vec![1000]);
            let path = lab.folder.path().join("config/delayOffset.json");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &java).unwrap();
            let schedule = lab.schedule();
            let read: DelayOffsetSerializeWrapper = json::from_slice(&java).unwrap();
            assert_eq!(schedule.offsets(), read.offset_table);
            if version == "5.5.0" {
                assert_eq!(schedule.data_version(), read.data_version.unwrap());
                schedule.file.note_change();
                schedule.persist();
                let ours = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
                assert_eq!(ours, String::from_utf8(java).unwrap(), "{scenario}");
            }
        }
    }
}
