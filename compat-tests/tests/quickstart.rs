//! What a user tries first: one process, Java's own quickstart, a restart.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use compat_tests::job::{Exit, Job};
use compat_tests::lab::{Edition, Lab, Place, Running, Server, free_ports};
use compat_tests::until;

const MESSAGES: usize = 1000;
const WAIT: Duration = Duration::from_secs(120);
const STOP_WAIT: Duration = Duration::from_secs(10);

#[test]
fn quickstart_sends_consumes_and_survives_a_restart() {
    let lab = Lab::new();
    let home = lab.home("standalone");
    let first = standalone(&lab, &home);
    let namesrv = first.namesrv.clone();

    let sent = run_producer(&lab, &namesrv);
    assert_eq!(sent.len(), MESSAGES, "distinct messages acknowledged");

    let consumer =
        start_java(&lab, "consumer", "org.apache.rocketmq.example.quickstart.Consumer", &namesrv, &[]);
    assert_eq!(consumed(&consumer), sent);
    drop(consumer);

    let exit = first.job.stop("TERM", STOP_WAIT);
    assert_eq!(exit.code, 0, "{exit:?}");
    let second = standalone(&lab, &home);
    let args = ["-g", "a_new_group", "-t", "TopicTest", "-s", "*", "-f", "false"];
    let class = "org.apache.rocketmq.example.operation.Consumer";
    let new_group = start_java(&lab, "new-group", class, &second.namesrv, &args);
    assert_eq!(consumed(&new_group), sent, "a new group after the restart");
}

struct Standalone {
    job: Job,
    namesrv: String,
}

/// `mqbroker --standalone`, as in README's first command; only on a desk with ports of its own.
fn standalone(lab: &Lab, home: &Path) -> Standalone {
    let (namesrv_port, args) = match lab.place() {
        Place::Docker => (9876, vec!["--standalone".to_string()]),
        Place::Process => {
            let port = free_ports();
            let args = vec![
                "--standalone".to_string(),
                "-n".into(),
                format!("127.0.0.1:{port}"),
                format!("listenPort={}", free_ports()),
                "brokerIP1=127.0.0.1".into(),
            ];
            (port, args)
        }
    };
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let job = lab.start(&lab.spec(Edition::Ours, Server::Broker, home, &args));
    until(
        WAIT,
        || format!("not both boot lines\n{}", job.output()),
        || {
            let out = job.stdout();
            (out.contains("The Name Server boot success.")
                && out.contains("boot success. serializeType=JSON"))
            .then_some(())
        },
    );
    let addr = format!("{}:{namesrv_port}", job.ip());
    let name_server = Running { addr: addr.parse().unwrap(), job, home: home.to_path_buf() };
    until(
        WAIT,
        || "no route of TBW102".into(),
        || (name_server.ask(105, &[("topic", "TBW102")], b"").code == 0).then_some(()),
    );
    Standalone { job: name_server.job, namesrv: addr }
}

fn start_java(lab: &Lab, name: &str, class: &str, namesrv: &str, args: &[&str]) -> Job {
    let mut spec = lab.java("5.5.0", &lab.home(name), class);
    spec.env.push(("NAMESRV_ADDR".into(), namesrv.into()));
    spec.argv.extend(args.iter().map(|arg| arg.to_string()));
    lab.start(&spec)
}

/// The ids of all messages that quickstart's producer got acknowledged.
fn run_producer(lab: &Lab, namesrv: &str) -> BTreeSet<String> {
    let class = "org.apache.rocketmq.example.quickstart.Producer";
    let Exit { code, stdout, stderr, .. } =
        start_java(lab, "producer", class, namesrv, &[]).wait_for_exit(WAIT);
    assert_eq!(code, 0, "{stdout}\n{stderr}");
    let acknowledged = stdout.lines().filter(|line| line.contains("sendStatus=SEND_OK"));
    acknowledged.filter_map(|line| field(line, "msgId=")).collect()
}

/// The ids of all messages consumed, once there are as many as were sent.
fn consumed(consumer: &Job) -> BTreeSet<String> {
    let received = || -> BTreeSet<String> {
        let out = consumer.stdout();
        out.split("MessageExt [").filter_map(|message| field(message, "UNIQ_KEY=")).collect()
    };
    until(
        WAIT,
        || format!("{} of {MESSAGES} consumed\n{}", received().len(), consumer.stderr()),
        || {
            let ids = received();
            (ids.len() >= MESSAGES).then_some(ids)
        },
    )
}

/// The value behind `key`, up to the next comma or bracket.
fn field(text: &str, key: &str) -> Option<String> {
    let value = &text[text.find(key)? + key.len()..];
    let end = value.find([',', '}', ']'])?;
    Some(value[..end].trim().to_string())
}
