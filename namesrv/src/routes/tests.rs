use super::answers::keep_zone;
use super::removal::Leaving;
use super::*;
use nix::time::{ClockId, clock_gettime};
use remoting::json;
use std::time::Duration;

const CLUSTER: &str = "C";

fn table(topics: &[(&str, i32)], version: i64) -> Topics {
    let mut table = TopicConfigAndMappingSerializeWrapper::default();
    table.data_version.counter = version;
    for (name, perm) in topics {
        let topic = TopicConfig { topic_name: (*name).to_owned(), perm: *perm, ..TopicConfig::default() };
        table.topic_config_table.insert((*name).to_owned(), Arc::new(topic));
    }
    Topics::Table(Box::new(table))
}

fn version(counter: i64) -> DataVersion {
    DataVersion { counter, ..DataVersion::default() }
}

struct Lab {
    routes: Routes,
    rules: Rules,
    now_ms: i64,
}

impl Lab {
    fn new() -> Lab {
        let rules =
            Rules { support_acting_master: true, notify_min_broker_id_changed: true, ..Rules::default() };
        Lab { routes: Routes::default(), rules, now_ms: 0 }
    }

    fn register(&mut self, name: &str, id: i64, topics: Topics) -> Registered {
        let connection = Peer::detached();
        self.try_register(&registration(name, &addr(name, id), id, &connection), topics).unwrap()
    }

    fn try_register(
        &mut self,
        registration: &Registration,
        topics: Topics,
    ) -> Result<Registered, NotRegistered> {
        self.routes.register(registration, topics, Some(Vec::new()), self.rules, self.now_ms)
    }

    fn drop_brokers(&mut self, keys: &[BrokerAddr]) {
        let left = self.routes.begin_drop(keys, self.rules);
        (0..PARTS).for_each(|part| self.routes.take_out(&left, part));
    }

    fn unregister(&mut self, name: &str, id: i64) -> Vec<MinBrokerIdChange> {
        let leaving =
            Leaving { broker: BrokerAddr::new(CLUSTER, &addr(name, id)), name: name.to_owned(), id };
        self.routes.unregister(&[leaving], self.rules)
    }

    fn route(&self, topic: &str) -> Option<Vec<BrokerView>> {
        let route = self.routes.route(topic, self.rules)?;
        let brokers = route.broker_datas.into_iter().map(|broker| broker.broker_addrs.into_iter().collect());
        Some(brokers.zip(route.queue_datas.iter().map(|queues| queues.perm)).collect())
    }
}

/// Addresses by id, and the topic's permission there.
type BrokerView = (Vec<(i64, String)>, i32);

fn addr(name: &str, id: i64) -> String {
    format!("{name}.{id}:10911")
}

fn registration<'a>(name: &'a str, addr: &'a str, id: i64, connection: &'a Arc<Peer>) -> Registration<'a> {
    Registration {
        cluster: CLUSTER,
        addr,
        name,
        id,
        ha_server_addr: Some("ha:10912"),
        zone_name: None,
        heartbeat_timeout_millis: None,
        enable_acting_master: Some(true),
        body_crc32: 1,
        connection,
    }
}

#[test]
fn a_slave_learns_of_its_master_and_adds_no_topics() {
    let mut lab = Lab::new();
    lab.register("a", 0, table(&[("T", 6), ("U", 6)], 1));
    let registered = lab.register("a", 1, table(&[("T", 6), ("V", 6)], 1));
    assert_eq!(registered.master_addr, Some(addr("a", 0)));
    assert_eq!(registered.ha_server_addr.as_deref(), Some("ha:10912"));
    assert_eq!(lab.route("T"), Some(vec![(vec![(0, addr("a", 0)), (1, addr("a", 1))], 6)]));
    assert_eq!(lab.route("V"), None);
}

#[test]
fn a_single_topic_of_a_new_broker_is_refused() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let one = registration("a", "a:1", 0, &connection);
    assert_eq!(lab.try_register(&one, table(&[("T", 6)], 1)), Err(NotRegistered));
    assert_eq!(lab.route("T"), None);
    lab.try_register(&one, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    lab.try_register(&one, table(&[("V", 6)], 2)).unwrap();
    assert!(lab.route("T").is_some() && lab.route("V").is_some(), "others are kept");
}

#[test]
fn the_slave_left_acts_for_its_master_read_only() {
    let mut lab = Lab::new();
    lab.register("a", 0, table(&[("T", 6), ("rmq_sys_SYNC_BROKER_MEMBER_a", 6)], 1));
    lab.register("a", 2, table(&[("T", 6), ("U", 6)], 1));
    lab.register("a", 1, table(&[("T", 6), ("U", 6)], 1));
    let notices = lab.unregister("a", 0);
    assert_eq!(
        notices,
        [MinBrokerIdChange {
            recipients: vec![addr("a", 1), addr("a", 2)],
            min_broker_id: 1,
            min_broker_addr: addr("a", 1),
            offline_broker_addr: Some(addr("a", 0)),
            ha_broker_addr: None,
        }]
    );
    assert_eq!(lab.route("T"), Some(vec![(vec![(0, addr("a", 1)), (2, addr("a", 2))], 4)]));
    let members = lab.route("rmq_sys_SYNC_BROKER_MEMBER_a").unwrap();
    assert_eq!(members[0].0, [(1, addr("a", 1)), (2, addr("a", 2))], "brokers see the truth");

    let registered = lab.register("a", 0, table(&[("T", 6), ("U", 6)], 2));
    let notice = registered.notice.unwrap();
    assert_eq!((notice.min_broker_id, notice.recipients), (0, vec![addr("a", 1), addr("a", 2)]));
    assert_eq!(notice.ha_broker_addr.as_deref(), Some("ha:10912"));
    assert_eq!(lab.route("T").unwrap()[0].1, 6);
}

#[test]
fn a_slave_that_became_master_has_one_id() {
    let mut lab = Lab::new();
    lab.register("a", 1, table(&[("T", 6), ("U", 6)], 1));
    let connection = Peer::detached();
    let promoted = addr("a", 1);
    lab.try_register(&registration("a", &promoted, 0, &connection), table(&[("T", 6), ("U", 6)], 1)).unwrap();
    assert_eq!(lab.route("T"), Some(vec![(vec![(0, promoted)], 6)]));
}

#[test]
fn an_older_state_does_not_take_the_place_of_a_newer_one() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let of_state = |state_version| {
        let Topics::Table(mut topics) = table(&[("T", 6), ("U", 6)], 1) else { unreachable!() };
        topics.data_version.state_version = state_version;
        Topics::Table(topics)
    };
    lab.try_register(&registration("a", "new:1", 0, &connection), of_state(2)).unwrap();
    let ignored = lab.try_register(&registration("a", "old:1", 0, &connection), of_state(1));
    assert_eq!(ignored, Ok(Registered::default()));
    assert_eq!(lab.route("T").unwrap()[0].0, [(0, "new:1".to_owned())]);
    assert_eq!(lab.routes.data_version(CLUSTER, "old:1"), None);
}

#[test]
fn a_lost_connection_ends_every_broker_on_it() {
    let mut lab = Lab::new();
    let (lost, other) = (Peer::detached(), Peer::detached());
    for (name, connection) in [("a", &lost), ("b", &lost), ("c", &other)] {
        lab.try_register(&registration(name, &addr(name, 0), 0, connection), table(&[("T", 6), ("U", 6)], 1))
            .unwrap();
    }
    lab.lose(&lost);
    let left = lab.route("T").unwrap();
    assert_eq!(left, [(vec![(0, addr("c", 0))], 6)]);
}

#[test]
fn silence_and_lost_connections_end_a_broker() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let (a, b) = (addr("a", 0), addr("b", 0));
    lab.try_register(&registration("a", &a, 0, &connection), table(&[("T", 6), ("U", 6)], 1)).unwrap();
    let hasty =
        Registration { heartbeat_timeout_millis: Some(10_000), ..registration("b", &b, 0, &connection) };
    lab.try_register(&hasty, table(&[("T", 6), ("U", 6)], 1)).unwrap();

    assert_eq!(lab.routes.silent(10_000).len(), 0);
    lab.routes.heartbeat(CLUSTER, &b, 5_000);
    assert_eq!(lab.routes.silent(15_000).len(), 0);
    let silent: Vec<BrokerAddr> = lab.routes.silent(15_001).into_iter().map(|(key, _)| key).collect();
    assert_eq!(silent, [BrokerAddr::new(CLUSTER, &b)]);
    lab.drop_brokers(&silent);
    assert_eq!(lab.route("T").unwrap().len(), 1);
    assert_eq!(lab.routes.silent(120_000).len(), 0);
    assert_eq!(lab.routes.silent(120_001).len(), 1);

    assert_eq!(lab.routes.connected_by(Peer::detached().id()), []);
    let lost = lab.routes.connected_by(connection.id());
    lab.drop_brokers(&lost);
    assert_eq!(lab.route("T"), None);
    assert_eq!(
        json::to_bytes(&lab.routes.cluster_info()),
        br#"{"brokerAddrTable":{},"clusterAddrTable":{}}"#
    );
}

impl Lab {
    fn lose(&mut self, connection: &Peer) {
        let lost = self.routes.connected_by(connection.id());
        self.drop_brokers(&lost);
    }

    fn assert_nobody_is_left(&self) {
        let info = json::to_bytes(&self.routes.cluster_info());
        assert_eq!(String::from_utf8(info).unwrap(), r#"{"brokerAddrTable":{},"clusterAddrTable":{}}"#);
        assert!(self.routes.live.is_empty() && self.routes.filter_servers.is_empty());
        assert!(self.routes.all_topics().topic_list.is_empty());
    }
}

/// A broker that is renamed, or two that say the same of themselves. In Java one of the names stays for good.
#[test]
fn all_names_of_an_address_go_with_its_connection() {
    let topics = || table(&[("T", 6), ("U", 6)], 1);
    for is_unregistered in [false, true] {
        let mut lab = Lab::new();
        let connection = Peer::detached();
        for name in ["bb", "bb2", "bb3"] {
            lab.try_register(&registration(name, "a:1", 0, &connection), topics()).unwrap();
        }
        if is_unregistered {
            let broker = BrokerAddr::new(CLUSTER, "a:1");
            let leaving = [Leaving { broker, name: "bb2".to_owned(), id: 0 }];
            lab.routes.unregister(&leaving, lab.rules);
            assert_eq!(lab.route("T").unwrap().len(), 2, "it speaks for itself alone");
        }
        lab.lose(&connection);
        lab.assert_nobody_is_left();
    }
}

#[test]
fn a_broker_that_came_to_another_cluster_leaves_both() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let first = registration("a", "a:1", 0, &connection);
    lab.try_register(&first, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    let moved = Registration { cluster: "C2", addr: "a:2", id: 1, ..first };
    lab.try_register(&moved, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    lab.lose(&connection);
    lab.assert_nobody_is_left();
}

#[test]
fn a_refused_broker_leaves_no_name() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let refused = lab.try_register(&registration("a", "a:1", 0, &connection), table(&[("T", 6)], 1));
    assert_eq!(refused, Err(NotRegistered));
    lab.assert_nobody_is_left();
}

#[test]
fn a_lost_connection_of_before_does_not_end_a_broker_that_came_back() {
    let mut lab = Lab::new();
    let (before, after) = (Peer::detached(), Peer::detached());
    for connection in [&before, &after] {
        lab.try_register(&registration("a", "a:1", 0, connection), table(&[("T", 6), ("U", 6)], 1)).unwrap();
    }
    assert_eq!(lab.routes.connected_by(before.id()), []);
}

#[test]
fn repeated_registrations_are_known_until_a_topic_is_taken_away() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let a = registration("a", "a:1", 0, &connection);
    assert!(!lab.routes.holds(&a, version(1), lab.rules));
    lab.try_register(&a, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    assert!(lab.routes.holds(&a, version(1), lab.rules));
    assert!(!lab.routes.holds(&a, version(2), lab.rules));
    assert!(!lab.routes.holds(&registration("a", "a:1", 1, &connection), version(1), lab.rules));

    lab.now_ms = 7;
    lab.try_register(&a, Topics::Unchanged(version(1))).unwrap();
    assert_eq!(lab.routes.silent(120_007).len(), 0, "it is a sign of life");
    assert!(lab.routes.holds(&a, version(1), lab.rules));

    lab.routes.delete_topic("T");
    assert!(!lab.routes.holds(&a, version(1), lab.rules));
    lab.try_register(&a, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    assert!(lab.route("T").is_some(), "brokers bring back what they still have");

    assert_eq!((0..PARTS).map(|part| lab.routes.set_write_perm("a", false, part)).sum::<i32>(), 2);
    lab.try_register(&a, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    assert_eq!(lab.route("T").unwrap()[0].1, 4, "the same version does not undo a wiped permission");
    lab.try_register(&a, table(&[("T", 6), ("U", 6)], 2)).unwrap();
    assert_eq!(lab.route("T").unwrap()[0].1, 6);
}

#[test]
fn a_registration_deletes_what_it_does_not_name_if_configured_so() {
    let mut lab = Lab::new();
    lab.rules.delete_topic_with_broker_registration = true;
    lab.register("a", 0, table(&[("T", 6), ("U", 6)], 1));
    lab.register("b", 0, table(&[("T", 6), ("U", 6)], 1));
    lab.register("a", 0, table(&[("U", 6), ("V", 6)], 2));
    assert_eq!(lab.route("T").unwrap().len(), 1);
    assert_eq!(lab.route("U").unwrap().len(), 2);
}

#[test]
fn the_nearest_zone_and_who_has_no_master() {
    let mut lab = Lab::new();
    lab.rules.support_acting_master = false;
    let connection = Peer::detached();
    for (name, id, zone) in [("a", 0, Some("Z1")), ("b", 0, Some("z2")), ("c", 0, None), ("d", 1, Some("z2"))]
    {
        let address = addr(name, id);
        let zoned = Registration { zone_name: zone, ..registration(name, &address, id, &connection) };
        lab.try_register(&zoned, table(&[("T", 6), ("U", 6)], 1)).unwrap();
    }
    let mut route = lab.routes.route("T", lab.rules).unwrap();
    keep_zone(&mut route, "z1");
    let names: Vec<&str> = route.broker_datas.iter().map(|broker| broker.broker_name.as_str()).collect();
    assert_eq!(names, ["a", "d"]);
    assert_eq!(route.queue_datas.len(), 2);
}

/// A name server that starts anew may hear of two changed topics first, and then of all in the same version.
#[test]
fn a_part_of_the_topics_is_not_taken_for_all_of_them() {
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let part = registration("a", "a:1", 0, &connection);
    lab.try_register(&part, table(&[("T", 6), ("U", 6)], 2)).unwrap();
    let whole = Registration { body_crc32: 2, ..part };
    assert!(!lab.routes.holds(&whole, version(2), lab.rules));
    lab.try_register(&whole, table(&[("T", 6), ("U", 6), ("V", 6)], 2)).unwrap();
    assert!(lab.route("V").is_some());
    assert!(lab.routes.holds(&whole, version(2), lab.rules));
}

/// Time of a core of the year 2015; a tenth of it is usual.
const SIXTY_THOUSAND_TOPICS_MAX: Duration = Duration::from_millis(600);

/// What a look-up may have to wait for.
const PART_MAX: Duration = Duration::from_millis(50);

/// Of this thread, whatever else the machine does meanwhile.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

#[test]
fn sixty_thousand_topics() {
    let names: Vec<String> = (0..60_000).map(|i| format!("topic-{i}")).collect();
    let topics: Vec<(&str, i32)> = names.iter().map(|name| (name.as_str(), 6)).collect();
    let mut lab = Lab::new();
    let connection = Peer::detached();
    let address = addr("a", 0);
    let a = registration("a", &address, 0, &connection);
    let all = table(&topics, 1);
    let timed = |what: &str, max: Duration, work: &mut dyn FnMut()| {
        let start = cpu_time();
        work();
        let took = cpu_time() - start;
        assert!(took <= max, "{what} took {took:?}");
    };
    let mut all = Some(all);
    timed("registering", SIXTY_THOUSAND_TOPICS_MAX, &mut || {
        lab.try_register(&a, all.take().unwrap()).unwrap();
    });
    timed("a thousand repetitions", Duration::from_millis(100), &mut || {
        for _ in 0..1000 {
            assert!(lab.routes.holds(&a, version(1), lab.rules));
            lab.try_register(&a, Topics::Unchanged(version(1))).unwrap();
        }
    });
    timed("ten thousand routes", Duration::from_millis(500), &mut || {
        for name in &names[..10_000] {
            assert!(json::to_standard(&lab.routes.route(name, lab.rules).unwrap()).len() > 100);
        }
    });
    let leaving = [Leaving { broker: BrokerAddr::new(CLUSTER, &address), name: "a".to_owned(), id: 0 }];
    let mut left = None;
    timed("a broker's leaving", PART_MAX, &mut || {
        left = Some(lab.routes.begin_unregistration(&leaving, lab.rules));
    });
    assert_eq!(lab.route("topic-7"), None, "its topics are yet to be looked through");
    let left = left.unwrap();
    for part in 0..PARTS {
        timed("a part of its topics", PART_MAX, &mut || lab.routes.take_out(&left, part));
    }
    assert_eq!(lab.routes.all_topics().topic_list.len(), 0);
}
