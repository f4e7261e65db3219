use super::*;
use crate::golden;
use crate::topic_validator::{RMQ_SYS_WHEEL_TIMER, SCHEDULE_TOPIC_XXXX, SELF_TEST_TOPIC};
use remoting::json;
use std::time::Duration;
use tempfile::TempDir;

const NOW_MS: i64 = 1_800_000_000_000;

struct Lab {
    folder: TempDir,
    clock: Clock,
    settings: BrokerSettings,
}

impl Lab {
    fn new() -> Lab {
        let mut settings = BrokerSettings::of_defaults();
        settings.identity.broker_cluster_name = "GoldCluster".to_owned();
        settings.identity.broker_name = "gold-a".to_owned();
        Lab { folder: tempfile::tempdir().unwrap(), clock: Clock::test(NOW_MS), settings }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("config/topics.json")
    }

    fn load(&self) -> Topics {
        Topics::load(&self.path(), Live::new(self.settings.clone()), self.clock.clone()).unwrap()
    }

    fn load_with(&self, json: &[u8]) -> Topics {
        std::fs::create_dir_all(self.path().parent().unwrap()).unwrap();
        std::fs::write(self.path(), json).unwrap();
        self.load()
    }

    fn on_disk(&self) -> std::collections::BTreeMap<String, Arc<TopicConfig>> {
        let bytes = std::fs::read(self.path()).unwrap();
        json::from_slice::<TopicConfigSerializeWrapper>(&bytes).unwrap().topic_config_table
    }
}

fn topic(name: &str) -> TopicConfig {
    TopicConfig { topic_name: name.to_owned(), ..TopicConfig::default() }
}

#[test]
fn a_new_broker_has_the_topics_of_javas() {
    let java = golden::config_file("5.5.0", "core", "topics.json");
    let java: TopicConfigSerializeWrapper = json::from_slice(&java).unwrap();
    let is_made_later = |name: &str| name.contains("Sh_");
    let expected: Vec<_> =
        java.topic_config_table.values().filter(|t| !is_made_later(&t.topic_name)).collect();
    let ours = Lab::new().load().to_wrapper();
    assert_eq!(ours.topic_config_table.values().collect::<Vec<_>>(), expected);
    assert_eq!(ours.data_version, DataVersion { counter: 0, state_version: 0, timestamp: NOW_MS });
}

#[test]
fn settings_choose_among_them() {
    let mut lab = Lab::new();
    let broker = &mut lab.settings.broker;
    broker.auto_create_topic_enable = false;
    broker.cluster_topic_enable = false;
    broker.broker_topic_enable = false;
    broker.trace_topic_enable = true;
    lab.settings.store.timer_wheel_enable = false;
    let topics = lab.load();
    assert!(!topics.contains(TBW102) && !topics.contains(RMQ_SYS_WHEEL_TIMER));
    assert_eq!(topics.find("RMQ_SYS_TRACE_TOPIC").unwrap().read_queue_nums, 1);
    assert_eq!(topics.find("GoldCluster").unwrap().perm, perm::INHERIT);
    assert_eq!(topics.find("gold-a").unwrap().perm, perm::INHERIT);
    assert!(topics.is_system_topic("gold-a") && topics.is_system_topic(SCHEDULE_TOPIC_XXXX));
    assert!(!topics.is_system_topic("broker-b"));
}

#[test]
fn javas_files_come_back_as_they_were() {
    for version in golden::VERSIONS {
        for scenario in golden::SCENARIOS {
            let java = golden::config_file(version, scenario, "topics.json");
            let lab = Lab::new();
            let topics = lab.load_with(&java);
            let read: TopicConfigSerializeWrapper = json::from_slice(&java).unwrap();
            assert_eq!(topics.data_version(), read.data_version);
            for (name, config) in &read.topic_config_table {
                assert_eq!(topics.find(name).as_ref(), Some(config), "{version} {scenario}");
            }
            if version == "5.5.0" {
                topics.file.note_change();
                topics.persist();
                let ours = std::fs::read(lab.path()).unwrap();
                assert_eq!(golden::lines(&ours), golden::lines(&java), "{scenario}");
            }
        }
    }
}

#[test]
fn a_send_creates_after_the_example() {
    let lab = Lab::new();
    let topics = lab.load();
    lab.clock.advance(Duration::from_secs(1));
    let created = topics.create_in_send_message("T", TBW102, &"1.2.3.4:5", 4, 1).unwrap();
    let expected = TopicConfig {
        read_queue_nums: 4,
        write_queue_nums: 4,
        topic_sys_flag: 1,
        perm: perm::READ | perm::WRITE,
        ..topic("T")
    };
    assert_eq!(*created, expected);
    let version = DataVersion { counter: 1, state_version: 0, timestamp: NOW_MS + 1000 };
    assert_eq!(topics.data_version(), version);
    let again = topics.create_in_send_message("T", TBW102, &"1.2.3.4:5", 9, 0).unwrap();
    assert!(Arc::ptr_eq(&created, &again));

    let reloaded = lab.load();
    assert_eq!(reloaded.find("T").as_deref(), Some(&expected));
    assert_eq!(reloaded.data_version(), version);

    assert_eq!(topics.create_in_send_message("U", TBW102, &"p", 99, 0).unwrap().read_queue_nums, 8);
    assert_eq!(topics.create_in_send_message("V", TBW102, &"p", -1, 0).unwrap().read_queue_nums, 0);
    assert_eq!(topics.create_in_send_message("W", SELF_TEST_TOPIC, &"p", 4, 0), None);
    assert_eq!(topics.create_in_send_message("W", "no such topic", &"p", 4, 0), None);
}

#[test]
fn an_old_files_tbw102_does_not_allow_what_the_settings_forbid() {
    let mut lab = Lab::new();
    lab.load().persist();
    lab.settings.broker.auto_create_topic_enable = false;
    let topics = lab.load();
    assert!(topics.contains(TBW102));
    assert_eq!(topics.create_in_send_message("T", TBW102, &"p", 4, 0), None);
}

#[test]
fn retry_topics() {
    let lab = Lab::new();
    let topics = lab.load();
    let made = topics.create_in_send_message_back("%RETRY%g", 1, 6, false, 2).unwrap();
    assert_eq!((made.read_queue_nums, made.perm, made.order, made.topic_sys_flag), (1, 6, false, 2));
    let same = topics.create_in_send_message_back("%RETRY%g", 7, 2, false, 0).unwrap();
    assert!(Arc::ptr_eq(&made, &same));
    let ordered = topics.create_in_send_message_back("%RETRY%g", 7, 2, true, 0).unwrap();
    assert_eq!(*ordered, TopicConfig { order: true, ..TopicConfig::clone(&made) });
    assert!(lab.load().is_order_topic("%RETRY%g"));
}

#[test]
fn updates_take_attributes_as_requests() {
    let lab = Lab::new();
    let topics = lab.load();
    let request = |attributes: &str| {
        let attributes = attributes::parse(attributes).unwrap();
        topics.update(TopicConfig { attributes, perm: 4, ..topic("T") }).map(|()| topics.find("T").unwrap())
    };
    assert!(request("+unheard.of=FIFO").is_err());
    assert!(!topics.contains("T"));
    assert_eq!(request("+message.type=FIFO").unwrap().attributes["message.type"], "FIFO");
    assert_eq!(request("-message.type").unwrap().attributes.len(), 0);
    assert_eq!(request("").unwrap().perm, 4);
    assert_eq!(lab.load().find("T").unwrap().perm, 4);
    assert_eq!(topics.data_version().counter, 2, "the last one changes nothing");
}

#[test]
fn deletion_is_kept() {
    let lab = Lab::new();
    let topics = lab.load();
    topics.update(topic("T")).unwrap();
    assert!(topics.delete("T"));
    assert!(!topics.delete("T"));
    assert_eq!(topics.data_version().counter, 2);
    assert!(!lab.load().contains("T"));
}

#[test]
fn the_name_server_says_which_are_ordered() {
    let lab = Lab::new();
    let topics = lab.load();
    topics.update(topic("T")).unwrap();
    let table = [("T", "broker-a:4"), ("unknown", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let listed = KVTable { table: table.into() };
    topics.update_order_topics(&listed);
    topics.update_order_topics(&listed);
    assert_eq!(topics.data_version().counter, 2);
    assert!(lab.load().is_order_topic("T"));
}

#[test]
fn changes_wait_for_registration() {
    let topics = Lab::new().load();
    let changes = topics.changes();
    assert!(topics.take_unregistered().topic_config_table.is_empty());
    topics.update(topic("A")).unwrap();
    topics.update_list(vec![topic("B"), topic("C")]).unwrap();
    topics.delete("C");
    assert_eq!(*changes.borrow(), 2);
    let taken = topics.take_unregistered();
    assert_eq!(taken.topic_config_table.keys().collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!(taken.data_version.counter, 4);
    assert!(topics.take_unregistered().topic_config_table.is_empty());
}

#[test]
fn a_list_is_made_whole_or_not_at_all() {
    let lab = Lab::new();
    let topics = lab.load();
    let asking = |name: &str, key: &str, value: &str| TopicConfig {
        attributes: [(key.to_owned(), value.to_owned())].into(),
        ..topic(name)
    };
    let bad = vec![topic("A"), asking("B", "+no.such", "1"), topic("C")];
    assert_eq!(topics.update_list(bad).unwrap_err().0, "B");
    assert!(["A", "B", "C"].iter().all(|name| !topics.contains(name)));
    // One that is as it should be keeps none of the others away.
    topics.update(topic("A")).unwrap();
    topics.update_list(vec![topic("A"), asking("B", "+message.type", "FIFO")]).unwrap();
    assert_eq!(lab.load().find("B").unwrap().attributes["message.type"], "FIFO");
}

#[test]
fn pages_are_of_one_version() {
    let topics = Lab::new().load();
    topics.update_list(["B", "A", "D", "C"].map(topic).into()).unwrap();
    let (whole, total) = topics.page(None, 0, usize::MAX);
    let names: Vec<_> = whole.topic_config_table.into_keys().collect();
    assert_eq!(names.len(), total);
    let page = |version, seq, max| {
        topics.page(version, seq, max).0.topic_config_table.into_keys().collect::<Vec<_>>()
    };
    let version = Some(topics.data_version());
    assert_eq!(page(version, 0, 3), names[..3]);
    assert_eq!(page(version, 2, 3), names[2..5]);
    assert_eq!(page(version, total - 1, 3), names[total - 1..]);
    assert!(page(version, total, 3).is_empty());
    topics.update(topic("E")).unwrap();
    assert_eq!(page(version, 2, 3), names[..3], "another version by now: from the first on");
    assert_eq!(page(None, 2, 3), names[..3]);
}

#[test]
fn creators_at_the_same_time_agree() {
    let lab = Lab::new();
    let topics = lab.load();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (topics, lab) = (&topics, &lab);
            scope.spawn(move || {
                let own = format!("T{thread}");
                topics.create_in_send_message("shared", TBW102, &"p", 4, 0).unwrap();
                topics.create_in_send_message(&own, TBW102, &"p", 4, 0).unwrap();
                // On disk before it is returned.
                assert!(lab.on_disk().contains_key(&own));
            });
        }
    });
    assert_eq!(topics.data_version().counter, 9);
}

/// While one long write goes on, thousands of topics may be made.
#[test]
fn what_is_not_on_disk_is_seldom_looked_through() {
    let (mut unsaved, mut looks) = (Unsaved::default(), 0);
    for change in 0..10_000 {
        unsaved.insert(format!("t{change}"), change, |_| {
            looks += 1;
            false
        });
    }
    assert_eq!(unsaved.changes.len(), 10_000);
    assert!(looks < 20_000, "{looks} looks");
    for change in 10_000..30_000 {
        unsaved.insert(format!("t{change}"), change, |_| true);
    }
    assert!(unsaved.changes.len() < 1000, "what is on disk is forgotten");
}
