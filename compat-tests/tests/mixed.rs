//! Java and Rust nodes in one cluster: any broker registers with any name server, and Java's client sends through it.

use std::time::Duration;

use compat_tests::lab::{Edition, JAVA_4, JAVA_5, Lab, Running};

const WAIT: Duration = Duration::from_secs(120);

#[test]
fn javas_brokers_register_in_our_name_server() {
    let lab = Lab::new();
    let ours = lab.name_server(Edition::Ours, "namesrv");
    let four = lab.broker(JAVA_4, "broker-4", &[&ours], &[("brokerClusterName", "Four")]);
    let five = lab.broker(JAVA_5, "broker-5", &[&ours], &[("brokerClusterName", "Five")]);
    let route = route(&ours, "TBW102");
    assert!(route.contains(&four.addr.to_string()), "{route}");
    assert!(route.contains(&five.addr.to_string()), "{route}");
    quickstart_sends_through(&lab, &ours);
    // Brokers that stop take their leave.
    assert_eq!(four.job.stop("TERM", WAIT).code, 143);
    compat_tests::until(
        WAIT,
        || format!("broker-4 is still listed: {}", self::route(&ours, "TBW102")),
        || (!self::route(&ours, "TBW102").contains("broker-4")).then_some(()),
    );
}

#[test]
fn our_broker_registers_in_javas_name_servers() {
    let lab = Lab::new();
    let four = lab.name_server(JAVA_4, "namesrv-4");
    let five = lab.name_server(JAVA_5, "namesrv-5");
    let broker = lab.broker(Edition::Ours, "broker-a", &[&four, &five], &[]);
    for name_server in [&four, &five] {
        let route = route(name_server, "TBW102");
        assert!(route.contains(&broker.addr.to_string()), "{route}");
        quickstart_sends_through(&lab, name_server);
    }
    // Its topic is known to both, and gone from both when it stops.
    assert_eq!(broker.job.stop("TERM", WAIT).code, 0);
    for name_server in [&four, &five] {
        compat_tests::until(
            WAIT,
            || "the broker is still listed".into(),
            || (name_server.ask(105, &[("topic", "TopicTest")], b"").code == 17).then_some(()),
        );
    }
}

/// With `useTLS` neither broker falls back on a plain connection: one that is registered has spoken TLS.
#[test]
fn brokers_call_name_servers_by_tls() {
    let lab = Lab::new();
    let [four, five, ours] = [(JAVA_4, "namesrv-4"), (JAVA_5, "namesrv-5"), (Edition::Ours, "namesrv")]
        .map(|(edition, name)| lab.name_server(edition, name));
    let tls = [("useTLS", "true")];
    let broker = lab.broker(Edition::Ours, "broker-a", &[&four, &five, &ours], &tls);
    for name_server in [&four, &five, &ours] {
        let route = route(name_server, "TBW102");
        assert!(route.contains(&broker.addr.to_string()), "{route}");
    }
    lab.broker(JAVA_5, "broker-5", &[&ours], &tls);
}

fn route(name_server: &Running, topic: &str) -> String {
    let reply = name_server.ask(105, &[("topic", topic)], b"");
    String::from_utf8_lossy(&reply.body).into_owned()
}

fn quickstart_sends_through(lab: &Lab, name_server: &Running) {
    let home = lab.home(&format!("producer-{}", name_server.addr.port()));
    let mut spec = lab.java("5.5.0", &home, "org.apache.rocketmq.example.quickstart.Producer");
    spec.env.push(("NAMESRV_ADDR".into(), name_server.addr.to_string()));
    let exit = lab.start(&spec).wait_for_exit(WAIT);
    let acknowledged = exit.stdout.matches("sendStatus=SEND_OK").count();
    assert_eq!(acknowledged, 1000, "{}\n{}", exit.stdout, exit.stderr);
}
