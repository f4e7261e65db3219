//! The Go application of `clients/go` against our name server and broker.

use std::path::PathBuf;
use std::process;
use std::sync::LazyLock;
use std::time::Duration;

use compat_tests::client::Send;
use compat_tests::counts::Counts;
use compat_tests::lab::{CLIENT_TEST_CONF, Edition, Lab, Running};
use compat_tests::wire::Command;
use compat_tests::{checkout, target, until};

const WAIT: Duration = Duration::from_secs(300);
/// For a consumer that starts, rebalances every 20 s and commits every 5 s.
const CONSUMER_WAIT: Duration = Duration::from_secs(90);

#[test]
fn application_runs_unchanged() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let conf = [&CLIENT_TEST_CONF[..], &[("traceTopicEnable", "true")]].concat();
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &conf);
    let mut spec = lab.program(&PROGRAM, &lab.home("go"));
    // Most of a test is waiting for a client's timers.
    spec.argv.extend(["-test.v", "-test.parallel=64"].map(String::from));
    spec.env.push(("NAMESRV".into(), name_server.addr.to_string()));
    spec.env.push(("BROKER".into(), broker.addr.to_string()));
    let exit = lab.start(&spec).wait_for_exit(WAIT);
    let counts = Counts::of_go(&exit.stdout);
    counts.report("clients-go");
    assert!(exit.code == 0 && counts.all_passed(), "{counts:?}\n{}\n{}", exit.stdout, exit.stderr);
}

/// A tool's requests that the broker passes on to a consumer, which are the calls that this client knows.
#[test]
fn consumer_answers_the_broker_s_calls() {
    const MESSAGES: usize = 4;
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    // The consumer itself moves its offsets.
    let conf = [("useServerSideResetOffset", "false")];
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &conf);
    let (topic, group) = ("GoCalls", "go-calls");
    let sent: Vec<_> = (0..MESSAGES)
        .map(|i| send(&broker, Send::to(topic).queue_nums(1).body(i.to_string().as_bytes())))
        .collect();
    let mut spec = lab.program(&PROGRAM, &lab.home("go"));
    // Each message once, one as it is told to, and each again after the reset.
    let count = (MESSAGES + 1 + MESSAGES).to_string();
    spec.argv.extend(["application", group, topic, &count].map(String::from));
    spec.env.push(("NAMESRV".into(), name_server.addr.to_string()));
    let consumer = lab.start(&spec);

    await_consumed(&broker, group, topic, MESSAGES);
    let members = body(broker.ask(38, &[("consumerGroup", group)], b""));
    let members: serde_json::Value = serde_json::from_str(&members).expect("a list of consumers");
    let client_id = members["consumerIdList"][0].as_str().expect("one consumer");
    let of_consumer = [("consumerGroup", group), ("clientId", client_id)];
    let running_info = [&of_consumer[..], &[("jstackEnable", "true")]].concat();
    // Until its statistics have something to divide by, the client cannot write them down, and answers without a body.
    let info = until(
        CONSUMER_WAIT,
        || format!("how {client_id} runs: {:?}", broker.ask(307, &running_info, b"")),
        || Some(body(broker.ask(307, &running_info, b""))).filter(|info| !info.is_empty()),
    );
    assert!(info.contains(r#""commitOffset":4"#) && info.contains("goroutine"), "{info}");
    let status = body(broker.ask(223, &[("topic", topic), ("group", group)], b""));
    assert!(status.contains(client_id) && status.contains("}:4"), "{status}");
    let message = [("topic", topic), ("msgId", &sent[2].ext["msgId"])];
    let told = body(broker.ask(309, &[&of_consumer[..], &message].concat(), b""));
    assert!(told.contains(r#""consumeResult":0"#), "{told}");
    let to_the_start = [("topic", topic), ("group", group), ("timestamp", "0"), ("isForce", "true")];
    let reset = body(broker.ask(222, &to_the_start, b""));
    assert!(reset.contains("}:0"), "{reset}");

    let exit = consumer.wait_for_exit(CONSUMER_WAIT);
    let mut received: Vec<_> =
        exit.stdout.lines().filter_map(|line| line.strip_prefix("received: ")).collect();
    received.sort();
    assert_eq!(exit.code, 0, "{}\n{}", exit.stdout, exit.stderr);
    assert_eq!(received, ["0", "0", "1", "1", "2", "2", "2", "3", "3"], "{}", exit.stderr);
}

fn send(broker: &Running, send: Send) -> Command {
    let sent = broker.connect().ask(&send.v2()).expect("an answer");
    assert_eq!(sent.code, 0, "{:?}", sent.remark);
    sent
}

fn await_consumed(broker: &Running, group: &str, topic: &str, count: usize) {
    let queue = [("consumerGroup", group), ("topic", topic), ("queueId", "0")];
    until(
        CONSUMER_WAIT,
        || format!("{group} consumed {topic}: {:?}", broker.ask(14, &queue, b"")),
        || (broker.ask(14, &queue, b"").ext.get("offset") == Some(&count.to_string())).then_some(()),
    );
}

fn body(reply: Command) -> String {
    assert_eq!(reply.code, 0, "{:?}", reply.remark);
    String::from_utf8(reply.body).expect("a text")
}

/// The tests compiled into one program that needs nothing else: a lab's network leads to no module proxy.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = target().join("clients/go.test");
    let output = process::Command::new("go")
        .current_dir(checkout().join("clients/go"))
        .env("CGO_ENABLED", "0")
        .args(["test", "-c", "-o"])
        .args([program.as_os_str(), ".".as_ref()])
        .output()
        .expect("go starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
});
