use super::*;
use crate::subscription::PullFilter;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use store::MessageFilter;
use tempfile::TempDir;

const NOW_MS: i64 = 1_795_386_535_011;

/// What Java 5.5.0 wrote (4.9.7 writes the same): group B has left.
const JAVAS_FILE: &str = concat!(
    "{\n\t\"filterDataByTopic\":{\n\t\t\"topicA\":{\n\t\t\t\"groupFilterData\":{\n\t\t\t\t\"groupA\":{\n",
    "\t\t\t\t\t\"bloomFilterData\":{\n\t\t\t\t\t\t\"bitNum\":216,\n\t\t\t\t\t\t\"bitPos\":[29,212,22]\n\t\t\t\t\t},\n",
    "\t\t\t\t\t\"bornTime\":1795386535011,\n\t\t\t\t\t\"clientVersion\":5,\n",
    "\t\t\t\t\t\"consumerGroup\":\"groupA\",\n\t\t\t\t\t\"dead\":false,\n\t\t\t\t\t\"deadTime\":0,\n",
    "\t\t\t\t\t\"expression\":\"a > 5 AND b = 'x\\\"y'\",\n\t\t\t\t\t\"expressionType\":\"SQL92\",\n",
    "\t\t\t\t\t\"topic\":\"topicA\"\n\t\t\t\t}\n\t\t\t},\n\t\t\t\"topic\":\"topicA\"\n\t\t},\n",
    "\t\t\"topicB\":{\n\t\t\t\"groupFilterData\":{\n\t\t\t\t\"groupB\":{\n",
    "\t\t\t\t\t\"bloomFilterData\":{\n\t\t\t\t\t\t\"bitNum\":216,\n\t\t\t\t\t\t\"bitPos\":[162,148,27]\n\t\t\t\t\t},\n",
    "\t\t\t\t\t\"bornTime\":1795386535139,\n\t\t\t\t\t\"clientVersion\":7,\n",
    "\t\t\t\t\t\"consumerGroup\":\"groupB\",\n\t\t\t\t\t\"dead\":true,\n\t\t\t\t\t\"deadTime\":1795386535140,\n",
    "\t\t\t\t\t\"expression\":\"TRUE\",\n\t\t\t\t\t\"expressionType\":\"SQL92\",\n",
    "\t\t\t\t\t\"topic\":\"topicB\"\n\t\t\t\t}\n\t\t\t},\n\t\t\t\"topic\":\"topicB\"\n\t\t}\n\t}\n}",
);

struct Lab {
    folder: TempDir,
    clock: Clock,
}

impl Lab {
    fn new() -> Lab {
        Lab { folder: tempfile::tempdir().unwrap(), clock: Clock::test(NOW_MS) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("consumerFilter.json")
    }

    fn load(&self) -> Arc<ConsumerFilters> {
        self.load_for(64)
    }

    fn load_for(&self, expect_consumer_num_use_filter: i32) -> Arc<ConsumerFilters> {
        let mut settings = BrokerSettings::of_defaults();
        settings.broker.expect_consumer_num_use_filter = expect_consumer_num_use_filter;
        let bloom = bloom(&settings.broker).unwrap();
        let clock = self.clock.clone();
        Arc::new(ConsumerFilters::load(&self.path(), Live::new(settings), bloom, clock).unwrap())
    }

    fn file(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

fn subscription(topic: &str, kind: &str, expression: &str, version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: topic.into(),
        expression_type: kind.into(),
        sub_string: expression.into(),
        sub_version: version,
        ..SubscriptionData::default()
    }
}

fn is_dead(filters: &ConsumerFilters, topic: &str, group: &str) -> bool {
    filters.table.read()[topic][group].is_dead()
}

#[test]
fn the_file_is_java_s() {
    let lab = Lab::new();
    let filters = lab.load();
    assert!(filters.register("topicA", "groupA", "a > 5 AND b = 'x\"y'", SQL92, 5));
    lab.clock.advance(Duration::from_millis(128));
    assert!(filters.register("topicB", "groupB", "TRUE", SQL92, 7));
    lab.clock.advance(Duration::from_millis(1));
    filters.unregister("groupB");
    filters.persist();
    assert_eq!(lab.file(), JAVAS_FILE);
}

#[test]
fn all_are_dead_after_a_load() {
    let lab = Lab::new();
    fs::write(lab.path(), JAVAS_FILE).unwrap();
    lab.clock.advance(Duration::from_secs(3600));
    let filters = lab.load();
    let (filter, version) = filters.get("topicA", "groupA").unwrap();
    assert_eq!((filter.expression.as_str(), version), ("a > 5 AND b = 'x\"y'", 5));
    assert!(filter.compiled.is_some());
    let known = filters.table.read()["topicA"]["groupA"].clone();
    assert_eq!(known.dead_ms, NOW_MS + 3_570_000);
    assert!(filters.register("topicA", "groupA", "whatever", SQL92, 5), "the same version is alive again");
    assert!(!is_dead(&filters, "topicA", "groupA"));
    assert_eq!(filters.get("topicA", "groupA").unwrap().0.expression, filter.expression);
}

#[test]
fn a_clock_set_back_lets_nobody_live_on() {
    let lab = Lab::new();
    let filters = lab.load();
    for topic in ["left", "gone"] {
        assert!(filters.register(topic, "g", "a = 1", SQL92, 1));
    }
    lab.clock.set_wall_ms(NOW_MS - 3_600_000);
    filters.register_all("g", &[subscription("left", SQL92, "a = 1", 1)]);
    assert!(is_dead(&filters, "gone", "g") && !is_dead(&filters, "left", "g"));
    filters.unregister("g");
    assert!(is_dead(&filters, "left", "g"));
}

#[test]
fn a_file_with_other_bits_is_left_out() {
    let lab = Lab::new();
    fs::write(lab.path(), JAVAS_FILE).unwrap();
    assert!(lab.load_for(32).get("topicA", "groupA").is_none());
    fs::write(lab.path(), JAVAS_FILE.replace("TRUE", "TRUE >")).unwrap();
    let (broken, _) = lab.load().get("topicB", "groupB").unwrap();
    assert_eq!(broken.compiled, None, "it lets everything through, as in Java");
    assert!(SqlFilter::new(&lab.load(), Some(broken)).matches_properties(""));
}

#[test]
fn the_newest_version_counts() {
    let lab = Lab::new();
    let filters = lab.load();
    assert!(!filters.register("t", "g", "a", "TAG", 1));
    assert!(!filters.register("t", "g", "", SQL92, 1));
    assert!(!filters.register("t", "g", "a >", SQL92, 1));
    assert!(!filters.register("t", "g", "a = 1", "XPATH", 1));
    assert!(filters.get("t", "g").is_none());
    assert!(filters.register("t", "g", "a = 1", SQL92, 2));
    assert!(!filters.register("t", "g", "a = 2", SQL92, 2));
    assert!(filters.register("t", "g", "a = 1", SQL92, 3), "only the version changes");
    let expression = |filters: &ConsumerFilters| {
        let (filter, version) = filters.get("t", "g").unwrap();
        (filter.expression.clone(), filter.born_ms, version)
    };
    lab.clock.advance(Duration::from_millis(5));
    assert_eq!(expression(&filters), ("a = 1".into(), NOW_MS, 3));
    assert!(filters.register("t", "g", "a = 2", SQL92, 4));
    assert_eq!(expression(&filters), ("a = 2".into(), NOW_MS + 5, 4));
    assert!(!filters.register("t", "g", "a >", SQL92, 5));
    assert!(filters.get("t", "g").is_none(), "the client shall be told");
}

#[test]
fn topics_no_longer_subscribed_die_and_are_forgotten() {
    let lab = Lab::new();
    let filters = lab.load();
    let both = [subscription("t", SQL92, "a = 1", 1), subscription("u", SQL92, "a = 1", 1)];
    filters.register_all("g", &both);
    filters.register_all("h", &[subscription("u", "TAG", "*", 1)]);
    assert!(!is_dead(&filters, "u", "g"));
    filters.register_all("g", &both[..1]);
    assert!(!is_dead(&filters, "t", "g") && is_dead(&filters, "u", "g"));
    filters.persist();
    lab.clock.advance(Duration::from_secs(24 * 3600));
    filters.persist();
    assert!(!lab.file().contains("\"u\"") && lab.file().contains("\"t\""));
    filters.unregister("g");
    lab.clock.advance(Duration::from_secs(24 * 3600));
    filters.persist();
    assert_eq!(lab.file(), "{\n\t\"filterDataByTopic\":{}\n}");
}

#[test]
fn properties_are_looked_up_in_the_record_s_text() {
    let lab = Lab::new();
    let filters = lab.load();
    filters.register("t", "g", "age > 18 AND name IS NOT NULL", SQL92, 1);
    let filter = SqlFilter::new(&filters, filters.get("t", "g").map(|(filter, _)| filter));
    assert!(PullFilter::Sql(filter.clone()).matches_queue_entry(7), "the tags say nothing");
    assert!(filter.matches_properties("age\u{1}19\u{2}name\u{1}x\u{2}"));
    assert!(filter.matches_properties("age\u{1}1\u{2}name\u{1}x\u{2}age\u{1}20"), "the last one counts");
    assert!(!filter.matches_properties("age\u{1}19\u{2}"));
    assert!(
        !filter.matches_properties("age\u{1}old\u{2}name\u{1}x\u{2}"),
        "what cannot be compared is not wanted"
    );
    assert!(!filter.matches_record(b"no record at all"));
    let anything = SqlFilter::new(&filters, None);
    assert!(anything.matches_properties(""));
}

#[test]
fn retries_are_filtered_as_where_they_come_from() {
    let lab = Lab::new();
    let filters = lab.load();
    filters.register("t", "g", "a = 1", SQL92, 1);
    filters.register("%RETRY%g", "g", "a = 2", SQL92, 1);
    let of_topic = |topic: &str| SqlFilter::new(&filters, filters.get(topic, "g").map(|(filter, _)| filter));
    let (one, two) = ("a\u{1}1\u{2}RETRY_TOPIC\u{1}t\u{2}", "a\u{1}2\u{2}RETRY_TOPIC\u{1}t\u{2}");
    let plain = of_topic("%RETRY%g");
    assert!(!plain.matches_properties(one) && plain.matches_properties(two));
    let with_retries = of_topic("%RETRY%g").with_retries("%RETRY%g");
    assert!(with_retries.matches_properties(one) && !with_retries.matches_properties(two));
    let other_topic = of_topic("t").with_retries("t");
    assert!(other_topic.matches_properties(one) && !other_topic.matches_properties(two));
}

#[test]
fn bits_tell_who_wants_a_message() {
    let lab = Lab::new();
    let filters = lab.load();
    assert_eq!(filters.bit_map("t", ""), None);
    filters.register("t", "g", "a = 1", SQL92, 1);
    filters.register("t", "h", "a = 2", SQL92, 1);
    let of_group = |group: &str| SqlFilter::new(&filters, filters.get("t", group).map(|(filter, _)| filter));
    let map = filters.bit_map("t", "a\u{1}1\u{2}").unwrap();
    assert_eq!(map.len(), filters.bloom().bytes());
    assert!(of_group("g").matches_bit_map(NOW_MS + 1, &map));
    assert!(!of_group("h").matches_bit_map(NOW_MS + 1, &map));
    assert!(of_group("h").matches_bit_map(NOW_MS, &map), "stored before the group came");
    assert!(of_group("h").matches_bit_map(NOW_MS + 1, &map[1..]), "of another filter");
    assert!(of_group("h").matches_bit_map(NOW_MS + 1, &[]));
}
