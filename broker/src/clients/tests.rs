use super::*;
use std::time::Duration;

fn consumer(group: &str, topics: &[(&str, i64)]) -> ConsumerData {
    let subscription = |(topic, version): &(&str, i64)| SubscriptionData {
        topic: (*topic).into(),
        sub_string: "*".into(),
        sub_version: *version,
        ..SubscriptionData::default()
    };
    ConsumerData {
        group_name: group.into(),
        message_model: Some(MessageModel::Clustering),
        consume_type: Some(ConsumeType::ConsumePassively),
        subscription_data_set: topics.iter().map(subscription).collect(),
        ..ConsumerData::default()
    }
}

fn beat<'a>(data: &'a ConsumerData, fingerprint: i32) -> ConsumerHeartbeat<'a> {
    ConsumerHeartbeat { data, with_subscriptions: true, fingerprint, notify: true }
}

fn topics(clients: &Clients, group: &str) -> Vec<(String, i64)> {
    let of_group = |group: &ConsumerGroup| {
        let mut topics: Vec<_> =
            group.subscriptions.values().map(|s| (s.topic.clone(), s.sub_version)).collect();
        topics.sort();
        topics
    };
    clients.consumer_group(group, of_group).unwrap_or_default()
}

fn join(clients: &Clients, client_id: &str) -> Client {
    clients.client(&Peer::detached(), client_id.into(), Language::JAVA, 513)
}

fn defaults() -> Live<BrokerSettings> {
    Live::new(BrokerSettings::of_defaults())
}

#[test]
fn subscriptions_follow_the_newest_heartbeat() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let client = join(&clients, "c1");
    clients.register_consumer(&client, &beat(&consumer("g", &[("a", 1), ("b", 1)]), 0)).unwrap();
    assert_eq!(topics(&clients, "g"), [("a".into(), 1), ("b".into(), 1)]);
    clients.register_consumer(&client, &beat(&consumer("g", &[("a", 2), ("c", 1)]), 0)).unwrap();
    assert_eq!(topics(&clients, "g"), [("a".into(), 2), ("c".into(), 1)]);
    clients.register_consumer(&client, &beat(&consumer("g", &[("a", 1), ("c", 1)]), 0)).unwrap();
    assert_eq!(topics(&clients, "g"), [("a".into(), 2), ("c".into(), 1)], "an older version changes nothing");
    let without = consumer("g", &[]);
    let heartbeat = ConsumerHeartbeat { with_subscriptions: false, ..beat(&without, 0) };
    clients.register_consumer(&client, &heartbeat).unwrap();
    assert_eq!(topics(&clients, "g").len(), 2);
}

#[test]
fn another_fingerprint_is_a_subscription_change() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let client = join(&clients, "c1");
    let data = consumer("g", &[("a", 1)]);
    assert!(!clients.register_consumer(&client, &beat(&data, 7)).unwrap(), "the first of a group");
    assert!(!clients.register_consumer(&client, &beat(&data, 7)).unwrap());
    assert!(clients.register_consumer(&client, &beat(&data, 8)).unwrap());
    assert!(!clients.register_consumer(&client, &beat(&data, 8)).unwrap());
}

#[test]
fn subscriptions_that_are_forgotten_are_asked_for_again() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let (before, after) = (join(&clients, "c1"), join(&clients, "c1"));
    let data = consumer("g", &[("a", 1)]);
    let without = consumer("g", &[]);
    let short = ConsumerHeartbeat { with_subscriptions: false, ..beat(&without, 7) };
    assert!(clients.register_consumer(&before, &short).unwrap(), "the broker is new to the client");
    assert!(!clients.register_consumer(&before, &beat(&data, 7)).unwrap());
    assert!(!clients.register_consumer(&before, &short).unwrap());
    clients.closed(before.peer.id());
    assert!(clients.register_consumer(&after, &short).unwrap(), "the group had no other client");
}

#[test]
fn a_closed_connection_is_in_no_group() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let (one, two) = (join(&clients, "c1"), join(&clients, "c2"));
    let data = consumer("g", &[("a", 1)]);
    clients.register_consumer(&one, &beat(&data, 0)).unwrap();
    clients.register_consumer(&two, &beat(&data, 0)).unwrap();
    clients.register_producer(&one, "p").unwrap();
    assert!(clients.closed(one.peer.id()).is_empty());
    let ids = |group: &ConsumerGroup| group.clients.values().map(|c| c.client_id.clone()).collect::<Vec<_>>();
    assert_eq!(clients.consumer_group("g", ids), Some(vec!["c2".to_owned()]));
    assert!(clients.tables.read().producers.is_empty());
    assert!(clients.unregister_consumer(two.peer.id(), "g", true), "no client left");
    assert!(clients.consumer_group("g", ids).is_none());
    clients.closed(two.peer.id());
    assert!(clients.tables.read().groups_of_peer.is_empty());

    two.peer.close();
    clients.register_consumer(&two, &beat(&data, 0)).unwrap();
    assert!(clients.consumer_group("g", ids).is_none(), "its heartbeat comes too late");
}

#[test]
fn replies_find_a_producer_while_it_is_in_a_group() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let (first, again) = (join(&clients, "p1"), join(&clients, "p1"));
    let peer_id = |clients: &Clients| clients.producer_peer("p1").map(|peer| peer.id());
    clients.register_producer(&first, "a").unwrap();
    clients.register_producer(&first, "b").unwrap();
    clients.unregister_producer(first.peer.id(), "a");
    assert_eq!(peer_id(&clients), Some(first.peer.id()), "still in b");
    clients.register_producer(&again, "b").unwrap();
    clients.closed(first.peer.id());
    assert_eq!(peer_id(&clients), Some(again.peer.id()), "its new connection stays");
    clients.unregister_producer(again.peer.id(), "b");
    assert!(clients.tables.read().producer_peers.is_empty());
}

#[test]
fn silent_clients_are_disconnected() {
    let clock = Clock::test(0);
    let clients = Clients::new(defaults(), clock.clone());
    let (consumer_client, producer_client) = (join(&clients, "c"), join(&clients, "p"));
    clients.register_consumer(&consumer_client, &beat(&consumer("g", &[("a", 1)]), 0)).unwrap();
    clients.register_producer(&producer_client, "p").unwrap();
    clock.advance(Duration::from_secs(120));
    clients.close_expired(120_000);
    assert!(consumer_client.peer.is_open() && producer_client.peer.is_open());
    clock.advance(Duration::from_millis(1));
    clients
        .register_producer(&clients.client(&producer_client.peer, "p".into(), Language::JAVA, 513), "p")
        .unwrap();
    clients.close_expired(120_000);
    assert!(!consumer_client.peer.is_open() && producer_client.peer.is_open());
}

#[test]
fn a_heartbeat_that_overtakes_the_scan_keeps_its_client() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let client = Client { updated_ms: 1, ..join(&clients, "c") };
    clients.register_consumer(&client, &beat(&consumer("g", &[("a", 1)]), 0)).unwrap();
    clients.register_producer(&client, "p").unwrap();
    clients.close_expired(120_000);
    assert!(client.peer.is_open());
}

#[test]
fn a_heartbeat_of_many_topics_holds_up_nobody() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let client = join(&clients, "c");
    let topics: Vec<_> = (0..50_000).map(|n| n.to_string()).collect();
    let named =
        |topics: &[String]| consumer("g", &topics.iter().map(|t| (t.as_str(), 1)).collect::<Vec<_>>());
    let began = std::time::Instant::now();
    clients.register_consumer(&client, &beat(&named(&topics), 0)).unwrap();
    clients.register_consumer(&client, &beat(&named(&topics[1..]), 0)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "as long as all pairs of topics take");
    assert_eq!(clients.consumer_group("g", |group| group.subscriptions.len()), Some(49_999));
}

#[test]
fn the_live_producers_of_a_group_take_turns() {
    let clients = Clients::new(defaults(), Clock::test(0));
    assert!(clients.available_producer("g").is_none());
    let (a, b, gone) = (join(&clients, "a"), join(&clients, "b"), join(&clients, "gone"));
    for client in [&a, &b, &gone] {
        clients.register_producer(client, "g").unwrap();
    }
    gone.peer.close();
    let mut asked: Vec<_> = (0..4).map(|_| clients.available_producer("g").unwrap().id()).collect();
    asked.sort();
    assert_eq!(asked, [a.peer.id(), a.peer.id(), b.peer.id(), b.peer.id()]);
    assert!(clients.available_producer("other").is_none());
}

#[test]
fn a_group_that_changes_often_is_told_once_a_round() {
    let clock = Clock::test(0);
    let settings = defaults();
    let mut in_rounds = BrokerSettings::of_defaults();
    in_rounds.broker.real_time_notify_consumer_change = false;
    let clients = Clients::new(settings.clone(), clock.clone());
    settings.replace(in_rounds);
    let told = || {
        let mut told: Vec<_> =
            clients.due_notices().into_iter().map(|notice| (notice.group, notice.peers.len())).collect();
        told.sort();
        told
    };
    let (one, two, three) = (join(&clients, "c1"), join(&clients, "c2"), join(&clients, "c3"));
    let data = consumer("g", &[("a", 1)]);
    for client in [&one, &two, &three] {
        clients.register_consumer(client, &beat(&data, 0)).unwrap();
    }
    let broadcast =
        ConsumerData { message_model: Some(MessageModel::Broadcasting), ..consumer("b", &[("a", 1)]) };
    clients.register_consumer(&one, &beat(&broadcast, 0)).unwrap();
    clients.register_consumer(&one, &beat(&consumer("gone", &[("a", 1)]), 0)).unwrap();
    clients.closed(two.peer.id());
    assert!(clients.unregister_consumer(one.peer.id(), "gone", true));
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(told(), []);
    clock.advance(Duration::from_millis(1));
    assert_eq!(told(), [("g".to_owned(), 2)], "those who are there then, not whoever was meanwhile");

    clock.advance(Duration::from_millis(14_999));
    clients.unregister_consumer(three.peer.id(), "g", false);
    clients.register_consumer(&one, &beat(&data, 0)).unwrap();
    assert_eq!(told(), []);
    clock.advance(Duration::from_millis(1));
    assert_eq!(told(), [], "nothing that a group wants to be told has changed");
    clients.register_consumer(&two, &beat(&consumer("h", &[("a", 1)]), 0)).unwrap();
    clock.advance(Duration::from_secs(60));
    assert_eq!(told(), [("h".to_owned(), 1)]);
    assert_eq!(told(), []);
}

#[test]
fn a_change_is_told_at_once_by_default() {
    let clients = Clients::new(defaults(), Clock::test(0));
    let (one, two) = (join(&clients, "c1"), join(&clients, "c2"));
    let data = consumer("g", &[("a", 1)]);
    clients.register_consumer(&one, &beat(&data, 0)).unwrap();
    clients.register_consumer(&two, &beat(&data, 0)).unwrap();
    let peers = clients.consumer_group("g", |group| clients.changed("g", group).unwrap().peers.len());
    assert_eq!(peers, Some(2));
    let mut off = BrokerSettings::of_defaults();
    off.broker.notify_consumer_ids_changed_enable = false;
    let silent = Clients::new(Live::new(off), Clock::test(0));
    silent.register_consumer(&one, &beat(&data, 0)).unwrap();
    assert!(silent.consumer_group("g", |group| silent.changed("g", group).is_none()).unwrap());
}

/// Full tables refuse what is new, and have room again once something is gone.
#[test]
fn there_is_room_for_so_many_clients() {
    let clients = Clients::new(defaults(), Clock::test(0));
    clients.tables.write().members = Limit::new("clients in groups", 2);
    let (one, two) = (join(&clients, "c1"), join(&clients, "c2"));
    let data = consumer("g", &[("a", 1)]);
    clients.register_consumer(&one, &beat(&data, 0)).unwrap();
    clients.register_producer(&one, "p").unwrap();
    assert!(clients.register_producer(&two, "p").is_err());
    assert!(clients.register_consumer(&two, &beat(&data, 0)).is_err());
    assert_eq!(clients.consumers("g").map(|clients| clients.len()), Some(1));
    clients.register_consumer(&one, &beat(&data, 0)).expect("renewed");
    clients.register_producer(&one, "p").expect("renewed");
    clients.unregister_producer(one.peer.id(), "p");
    clients.register_consumer(&two, &beat(&data, 0)).unwrap();
    clients.closed(one.peer.id());
    clients.closed(two.peer.id());
    let tables = clients.tables.read();
    assert_eq!((tables.members.count(), tables.subscription_bytes.count()), (0, 0));
    assert!(tables.groups_of_peer.is_empty());
}

#[test]
fn there_is_room_for_so_many_bytes_of_subscriptions() {
    let clients = Clients::new(defaults(), Clock::test(0));
    clients.tables.write().subscription_bytes = Limit::new("bytes of subscriptions", 900);
    let client = join(&clients, "c1");
    let register =
        |group: &str, topics| clients.register_consumer(&client, &beat(&consumer(group, topics), 0));
    register("g", &[("a", 1), ("b", 1)]).unwrap();
    assert!(register("g", &[("a", 1), ("b", 1), ("c", 1)]).is_err());
    assert!(register("other", &[("a", 1), ("b", 1)]).is_err());
    assert_eq!(topics(&clients, "g").len(), 2, "as it was");
    assert!(clients.consumer_group("other", |_| ()).is_none());
    register("g", &[("a", 1)]).unwrap();
    register("other", &[("a", 1)]).unwrap();
    let mut long = consumer("g", &[("a", 2)]);
    long.subscription_data_set[0].tags_set.extend((0..100).map(|tag| tag.to_string()));
    assert!(clients.register_consumer(&client, &beat(&long, 0)).is_err());
    clients.closed(client.peer.id());
    assert_eq!(clients.tables.read().subscription_bytes.count(), 0);
}
