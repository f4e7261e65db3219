use super::*;
use crate::golden;
use tempfile::TempDir;

const NOW_MS: i64 = 1_800_000_000_000;

struct Lab {
    folder: TempDir,
    settings: BrokerSettings,
}

impl Lab {
    fn new() -> Lab {
        Lab { folder: tempfile::tempdir().unwrap(), settings: BrokerSettings::of_defaults() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("consumerOffset.json")
    }

    fn with_lmqs() -> Lab {
        let mut lab = Lab::new();
        lab.settings.store.enable_lmq = true;
        lab
    }

    fn load(&self) -> ConsumerOffsets {
        ConsumerOffsets::load(&self.path(), Live::new(self.settings.clone()), Clock::test(NOW_MS)).unwrap()
    }
}

#[test]
fn commits_survive() {
    let lab = Lab::new();
    let offsets = lab.load();
    assert_eq!(offsets.query("g", "t", 0), -1);
    offsets.commit(&"c", "g", "t", 3, 30).unwrap();
    offsets.commit(&"c", "g", "t", 0, 5).unwrap();
    offsets.commit(&"c", "g", "t", 0, 4).unwrap();
    offsets.commit(&"c", "g2", "t", QUEUES_MAX - 1, 9).unwrap();
    offsets.commit_pull("g", "t", 0, 7);
    offsets.persist();

    let offsets = lab.load();
    assert_eq!(offsets.query("g", "t", 0), 4);
    assert_eq!(offsets.query("g", "t", 1), -1);
    assert_eq!(offsets.query("g", "u", 0), -1);
    assert_eq!(offsets.query("g2", "t", QUEUES_MAX - 1), 9);
    assert_eq!(offsets.query_pull("g", "t", 0), 4, "pull offsets are not read back");
    assert_eq!(offsets.queues("g", "t"), [(0, 4), (3, 30)].into());
}

#[test]
fn there_is_room_for_so_many_bytes() {
    let lab = Lab::new();
    let mut offsets = lab.load();
    offsets.bytes = Limit::new("bytes of offsets", 2 * KEY_BYTES + 4 * QUEUE_BYTES);
    let commit = |group: &str, topic: &str, queue_id| offsets.commit(&"c", group, topic, queue_id, 1);
    for (group, queue_id) in [("g", 0), ("g", 1), ("h", 0)] {
        commit(group, "t", queue_id).unwrap();
    }
    offsets.commit_pull("g", "t", 0, 7);
    commit("g", "t", 0).expect("it is there");
    assert!(commit("g", "t", 2).is_err() && commit("g", "u", 0).is_err());
    assert!(offsets.assign_reset("g", "t", 0, 1).is_err());
    assert!(offsets.clone_offsets("g", "other", "t").is_err());
    offsets.commit_pull("h", "t", 0, 7);
    assert_eq!((offsets.query("g", "t", 2), offsets.query_pull("h", "t", 0)), (-1, 1));
    commit("CID_RMQ_SYS_TRANS", "t", 0).expect("the broker's own have room");
    offsets.remove_group("CID_RMQ_SYS_TRANS");

    offsets.clear_pull("g", "t");
    commit("g", "t", 2).unwrap();
    offsets.remove_group("g");
    offsets.assign_reset("h", "t", 0, 1).unwrap();
    assert_eq!(offsets.query_then_erase_reset("h", "t", 0), Some(1));
    offsets.clone_offsets("h", "other", "t").unwrap();
    offsets.remove_topic("t");
    assert_eq!(offsets.bytes.count(), 0);
}

#[test]
fn what_is_on_disk_is_counted() {
    let lab = Lab::new();
    let offsets = lab.load();
    offsets.commit(&"c", "g", "t", 0, 1).unwrap();
    offsets.commit(&"c", "g", "t", 1, 1).unwrap();
    offsets.persist();
    assert_eq!(lab.load().bytes.count(), KEY_BYTES + 2 * QUEUE_BYTES);
}

/// Each commit to a queue before all others moves them: so many must not hold up anybody.
#[test]
fn only_queues_that_can_be_have_an_offset() {
    let offsets = Lab::new().load();
    for queue_id in (-1..300_000).rev().chain([i32::MIN, i32::MAX]) {
        offsets.commit(&"c", "g", "t", queue_id, 1).unwrap();
        offsets.commit_pull("g", "t", queue_id, 1);
    }
    assert_eq!(offsets.queues("g", "t").len(), QUEUES_MAX as usize);
    for none in [-1, QUEUES_MAX, i32::MAX] {
        assert_eq!((offsets.query("g", "t", none), offsets.query_pull("g", "t", none)), (-1, -1));
    }
}

#[test]
fn the_file_is_javas() {
    let lab = Lab::new();
    let offsets = lab.load();
    offsets.commit(&"c", "g", "t", 1, 5).unwrap();
    offsets.commit_pull("g", "t", 1, 7);
    offsets.commit_pull("g", "u", 0, 1);
    offsets.persist();
    let expected = concat!(
        "{\n\t\"dataVersion\":{\n\t\t\"counter\":0,\n\t\t\"stateVersion\":0,\n\t\t\"timestamp\":1800000000000\n\t},",
        "\n\t\"groupTopicMap\":{\n\t\t\"g\":[\n\t\t\t\"t\"\n\t\t]\n\t},",
        "\n\t\"offsetTable\":{\n\t\t\"t@g\":{\n\t\t\t1:5\n\t\t}\n\t},",
        "\n\t\"pullOffsetTable\":{\n\t\t\"t@g\":{\n\t\t\t1:7\n\t\t},\n\t\t\"u@g\":{\n\t\t\t0:1\n\t\t}\n\t}\n}",
    );
    assert_eq!(std::fs::read_to_string(lab.path()).unwrap(), expected);
    let body = offsets.to_json();
    assert!(body.starts_with(br#"{"dataVersion":{"counter":0,"#));
    assert!(body.ends_with(br#""pullOffsetTable":{"t@g":{1:7},"u@g":{0:1}}}"#));
}

#[test]
fn javas_files_are_read() {
    for version in golden::VERSIONS {
        for scenario in golden::SCENARIOS {
            // Brokers with enableLmq wrote another file of the same form.
            let file = match scenario {
                "flow" => "lmqConsumerOffset.json",
                _ => "consumerOffset.json",
            };
            let java = golden::config_file(version, scenario, file);
            let mut read: ConsumerOffsetSerializeWrapper = json::from_slice(&java).unwrap();
            let lab = if scenario == "flow" { Lab::with_lmqs() } else { Lab::new() };
            std::fs::write(lab.path(), &java).unwrap();
            let offsets = lab.load();
            for (key, queues) in &read.offset_table {
                let (topic, group) = key.split_once('@').unwrap();
                assert_eq!(&offsets.queues(group, topic), queues, "{version} {scenario}");
            }
            let pulled = read.pull_offset_table.take().unwrap_or_default();
            for (key, queues) in &pulled {
                let (topic, group) = key.split_once('@').unwrap();
                queues.iter().for_each(|(id, offset)| offsets.commit_pull(group, topic, *id, *offset));
            }
            if version == "5.5.0" {
                offsets.file.note_change();
                offsets.persist();
                let ours = std::fs::read(lab.path()).unwrap();
                assert_eq!(golden::lines(&ours), golden::lines(&java), "{scenario}");
            }
        }
    }
}

#[test]
fn a_group_that_is_an_lmq_has_one_offset_a_topic() {
    let lab = Lab::with_lmqs();
    let offsets = lab.load();
    offsets.commit(&"c", "%LMQ%g", "%LMQ%t", 3, 30).unwrap();
    offsets.commit(&"c", "g", "%LMQ%t", 3, 40).unwrap();
    assert_eq!(offsets.query("%LMQ%g", "%LMQ%t", 5), 30);
    assert_eq!(offsets.query("g", "%LMQ%t", 5), -1);
    offsets.persist();
    let file: ConsumerOffsetSerializeWrapper = json::from_slice(&std::fs::read(lab.path()).unwrap()).unwrap();
    assert_eq!(file.lmq_offset_table, Some([("%LMQ%t@%LMQ%g".to_owned(), 30)].into()));
    assert_eq!(file.offset_table, [("%LMQ%t@g".to_owned(), [(3, 40)].into())].into());
    assert_eq!(file.group_topic_map.unwrap().into_keys().collect::<Vec<_>>(), ["g"]);
    let offsets = lab.load();
    assert_eq!(offsets.query("%LMQ%g", "%LMQ%t", 0), 30);
    offsets.remove_group("%LMQ%g");
    assert_eq!(offsets.query("%LMQ%g", "%LMQ%t", 0), -1);
}

#[test]
fn a_reset_is_answered_until_it_is_taken() {
    let offsets = Lab::new().load();
    offsets.assign_reset("g", "t", 0, -1).unwrap();
    assert!(!offsets.has_reset("g", "t", 0));
    offsets.assign_reset("g", "t", 0, 10).unwrap();
    offsets.commit(&"c", "g", "t", 0, 99).unwrap();
    assert!(offsets.has_reset("g", "t", 0));
    assert_eq!(offsets.query("g", "t", 0), 10);
    assert_eq!(offsets.query_pull("g", "t", 0), 10);
    assert_eq!(offsets.query_then_erase_reset("g", "t", 0), Some(10));
    assert_eq!(offsets.query_then_erase_reset("g", "t", 0), None);
    assert_eq!(offsets.query("g", "t", 0), 99);
}

#[test]
fn unless_the_settings_forbid_it() {
    let mut lab = Lab::new();
    lab.settings.broker.use_server_side_reset_offset = false;
    let offsets = lab.load();
    offsets.assign_reset("g", "t", 0, 10).unwrap();
    offsets.commit(&"c", "g", "t", 0, 99).unwrap();
    assert_eq!(offsets.query("g", "t", 0), 99);
}

#[test]
fn groups_and_topics_are_found_copied_and_removed() {
    let lab = Lab::new();
    let offsets = lab.load();
    for group in ["g", "h"] {
        for topic in ["t", "u"] {
            offsets.commit(&"c", group, topic, 0, 1).unwrap();
        }
    }
    offsets.commit_pull("pulls only", "t", 0, 1);
    offsets.clone_offsets("g", "i", "u").unwrap();
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
    assert_eq!(offsets.topics_of_group("g"), names(&["t", "u"]));
    assert_eq!(offsets.groups_of_topic("t"), names(&["g", "h"]));
    assert_eq!(offsets.groups_of_topic("u"), names(&["g", "h", "i"]));
    offsets.remove_group("g");
    offsets.remove_topic("t");
    offsets.persist();
    for offsets in [&offsets, &lab.load()] {
        assert_eq!(offsets.groups_of_topic("u"), names(&["h", "i"]));
        assert_eq!(offsets.groups_of_topic("t"), names(&[]));
        assert_eq!(offsets.topics_of_group("g"), names(&[]));
    }
    assert_eq!(offsets.query_pull("pulls only", "t", 0), -1);
}

#[test]
fn the_version_moves_every_so_many_commits() {
    let mut lab = Lab::new();
    lab.settings.broker.consumer_offset_update_version_step = 3;
    let offsets = lab.load();
    (0..8).for_each(|offset| offsets.commit(&"c", "g", "t", 0, offset).unwrap());
    assert_eq!(offsets.data_version(), DataVersion { counter: 2, state_version: 0, timestamp: NOW_MS });
}

#[test]
fn the_offsets_of_broadcasting_groups_are_kept_and_not_listed() {
    let lab = Lab::new();
    let offsets = lab.load();
    offsets.commit(&"client", "g", "t", 0, 5).unwrap();
    offsets.commit(&"client", "g@broadcast", "t", 0, 3).unwrap();
    assert_eq!(offsets.groups_of_topic("t"), BTreeSet::from(["g".to_owned()]));
    assert_eq!(offsets.topics_of_group("g@broadcast"), BTreeSet::new());
    offsets.persist();
    let again = lab.load();
    assert_eq!((again.query("g@broadcast", "t", 0), again.query("g", "t", 0)), (3, 5));
    let listed = again.to_wrapper().group_topic_map.unwrap();
    assert_eq!(listed.into_keys().collect::<Vec<_>>(), ["g"]);
    again.remove_topic("t");
    assert_eq!((again.query("g@broadcast", "t", 0), again.query("g", "t", 0)), (-1, -1));
}

#[test]
fn a_group_is_forgotten_with_its_broadcasting_clients() {
    let offsets = Lab::new().load();
    for group in ["g", "g@broadcast", "h", "h@broadcast"] {
        offsets.commit(&"client", group, "t", 0, 5).unwrap();
    }
    offsets.commit_pull("g", "t", 0, 7);
    offsets.assign_reset("g", "t", 1, 3).unwrap();
    offsets.remove_group("g");
    let left = |group: &str| (offsets.query(group, "t", 0), offsets.query_pull(group, "t", 0));
    assert_eq!([left("g"), left("g@broadcast")], [(-1, -1); 2]);
    assert_eq!(offsets.query_then_erase_reset("g", "t", 1), None);
    assert_eq!([left("h"), left("h@broadcast")], [(5, 5); 2]);
}
