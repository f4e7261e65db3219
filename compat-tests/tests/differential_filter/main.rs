//! Filters by SQL92, asked of Java's 5.5.0 and of ours, both with `enablePropertyFilter`; once more with the bits of what
//! groups want in the extension of the consume queues, and retries filtered too.

use std::process::ExitCode;

use compat_tests::client::{
    Pull, SUBSCRIPTION, SUSPEND, Send, consumer_heartbeat, fill, first_physical_offset, send_back_command,
    wait_for_max,
};
use compat_tests::differential::{Case, Script, Side, Table, run};
use compat_tests::lab::{Edition, Lab};
use compat_tests::wire::Command;

static TABLES: [Table; 2] = [
    Table { area: "filter", cases: &[CASES], start: start_plain, settle: |_| () },
    Table { area: "filter_bits", cases: &[CASES, BITS_CASES], start: start_with_bits, settle: |_| () },
];

fn main() -> ExitCode {
    let failed = TABLES.iter().filter(|table| run(table) != ExitCode::SUCCESS).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn start_plain(lab: &Lab, edition: Edition) -> Side {
    start(lab, edition, &[])
}

fn start_with_bits(lab: &Lab, edition: Edition) -> Side {
    let conf = [
        ("enableConsumeQueueExt", "true"),
        ("enableCalcFilterBitMap", "true"),
        ("filterSupportRetry", "true"),
    ];
    start(lab, edition, &conf)
}

fn start(lab: &Lab, edition: Edition, conf: &[(&str, &str)]) -> Side {
    let name_server = lab.name_server(edition, "namesrv");
    let conf = [conf, &[("enablePropertyFilter", "true")]].concat();
    let broker = lab.broker(edition, "broker-a", &[&name_server], &conf);
    Side { edition, name_server, broker: Some(broker) }
}

const CASES: &[Case] = &[
    Case {
        name: "check_client",
        codes: &[0, 0, 0],
        script: |s| {
            check_client(s, "SQL92", "(a > 10 AND a < 100) OR (b IS NOT NULL AND b = TRUE)");
            check_client(s, "SQL92", "a = 1 and whatever follows ) is nobody's business");
            check_client(s, "TAG", "a >");
        },
    },
    Case {
        name: "check_client_refused",
        codes: &[23; 12],
        script: |s| {
            for expression in [
                "",
                "a >",
                "a = 5 # ",
                "a = 'x",
                "a > 'x'",
                "a > 0.0",
                "a AND",
                "a IS 5",
                "a BETWEEN 5 AND 1",
                "1 IN ('1')",
                "a = 99999999999999999999",
                "5",
            ] {
                check_client(s, "SQL92", expression);
            }
        },
    },
    Case {
        name: "check_client_unknown_kind",
        codes: &[23],
        script: |s| {
            check_client(s, "XPATH", "a");
        },
    },
    Case {
        name: "pull_with_expression",
        codes: &[0, 20, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            send_numbered(s, &topic, 5);
            pull(s, &group, &topic, "n > 1 AND n <> 3");
            pull(s, &group, &topic, "n > 100");
            pull(s, &group, &topic, "TAGS = 'even' AND KEYS IS NULL");
            // What is no expression lets everything through.
            pull(s, &group, &topic, "n >");
        },
    },
    Case {
        name: "pull_kinds",
        codes: &[0, 20, 0, 23, 23],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            send_numbered(s, &topic, 2);
            let of_kind = |kind: &str, expression: &str| {
                Pull::of(&group, &topic).set("expressionType", kind).set("subscription", expression)
            };
            s.ask_command(of_kind("XPATH", "a").command());
            s.ask_command(of_kind("", "even").command());
            s.ask_command(of_kind("", "*").command());
            s.ask_command(of_kind("", "").command());
            s.ask_command(of_kind("SQL92", "n = 1").without("subVersion").command());
        },
    },
    Case {
        name: "lite_pull_with_expression",
        codes: &[0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            send_numbered(s, &topic, 3);
            let mut pull = expression_pull(&group, &topic, "n = 2");
            pull.code = 361;
            s.ask_command(pull.command());
        },
    },
    Case {
        name: "what_cannot_be_compared_does_not_match",
        codes: &[0, 20],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            fill(s, &topic, 1);
            s.quietly(Send::to(&topic).property("n", "many").v2());
            s.quietly(Send::to(&topic).property("n", "7").v2());
            wait_for_max(s, &topic, 0, 3);
            pull(s, &group, &topic, "n > 5");
            pull(s, &group, &topic, "n > UNIQ_KEY");
        },
    },
    Case {
        name: "pull_as_subscribed",
        codes: &[0, 28, 0, 0, 27],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            send_numbered(s, &topic, 4);
            heartbeat(s, &group, &[sql(&topic, "n = 1", 5)]);
            let pull = |version: i64| Pull::of(&group, &topic).set("sysFlag", 0).set("subVersion", version);
            s.ask_command(pull(5).command());
            // The same version changes the filter no more than the subscription; an older one of the group's is 25.
            heartbeat(s, &group, &[sql(&topic, "n >", 6)]);
            heartbeat(s, &group, &[sql(&topic, "n = 2", 5)]);
            s.ask_command(pull(6).command());
            heartbeat(s, &group, &[sql(&topic, "n = 2", 7)]);
            s.ask_command(pull(6).command());
            s.ask_command(pull(7).command());
            heartbeat(s, &group, &[sql(&topic, "n >", 8)]);
            s.ask_command(pull(8).command());
        },
    },
    Case {
        name: "parked_pulls_wake_for_what_they_want",
        codes: &[0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            send_numbered(s, &topic, 1);
            let pull = expression_pull(&group, &topic, "n = 2").set("queueOffset", 1);
            // Java's first pull takes its time; it must be parked before the sends.
            s.quietly(pull.command());
            let parked = s.send(pull.set("sysFlag", SUSPEND | SUBSCRIPTION).command());
            for _ in 0..20 {
                wait_for_max(s.client(1), &topic, 0, 1);
            }
            for n in ["1", "2"] {
                s.client(1).quietly(Send::to(&topic).property("n", n).v2());
            }
            s.client(0).reply_to(parked);
        },
    },
    Case {
        name: "a_group_that_left_is_known_when_it_comes_back",
        codes: &[0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            send_numbered(s, &topic, 3);
            let pull = Pull::of(&group, &topic).set("sysFlag", 0).set("subVersion", 5);
            heartbeat(s, &group, &[sql(&topic, "n = 1", 5)]);
            s.ask_command(pull.command());
            s.quietly(Command::request(35, &[("clientID", "c1"), ("consumerGroup", &group)], b""));
            // The version is the old one, and so is the filter.
            heartbeat(s, &group, &[sql(&topic, "n = 2", 5)]);
            s.ask_command(pull.command());
        },
    },
];

const BITS_CASES: &[Case] = &[
    Case {
        name: "messages_since_the_subscription",
        codes: &[0, 0, 0, 0],
        script: |s| {
            let (topic, group, other) = (s.unique("T"), s.unique("g"), s.unique("other"));
            send_numbered(s, &topic, 2);
            heartbeat(s, &group, &[sql(&topic, "n = 1", 5)]);
            heartbeat(s, &other, &[sql(&topic, "n <> 1", 5)]);
            for n in ["0", "1", "2"] {
                s.quietly(Send::to(&topic).property("n", n).tag("odd").body(n.as_bytes()).v2());
            }
            wait_for_max(s, &topic, 0, 5);
            for group in [&group, &other] {
                let pull = Pull::of(group, &topic).set("sysFlag", 0).set("subVersion", 5);
                s.ask_command(pull.command());
                pull_with(s, group, &topic, "TAG", "odd");
            }
        },
    },
    Case {
        name: "retries_are_filtered_as_in_their_topic",
        codes: &[0, 0, 0],
        script: |s| {
            let (topic, group) = (s.unique("T"), s.unique("g"));
            let retry = format!("%RETRY%{group}");
            send_numbered(s, &topic, 3);
            heartbeat(s, &group, &[sql(&topic, "n = 1", 5)]);
            for n in 0..3 {
                let pulled = s.quietly(Pull::of(&group, &topic).set("queueOffset", n).command());
                let offset = first_physical_offset(&pulled.body);
                s.quietly(send_back_command(&topic, &group, &offset, "1", "16"));
                wait_for_max(s, &retry, 0, n + 1);
            }
            pull(s, &group, &retry, "n = 2");
            pull_with(s, &group, &retry, "TAG", "*");
            // Of a group that filters nothing.
            pull(s, &s.unique("other"), &retry, "n = 2");
        },
    },
];

fn send_numbered(s: &mut Script, topic: &str, count: usize) {
    for n in 0..count {
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        let message = Send::to(topic).property("n", &n.to_string()).tag(tag);
        assert_eq!(s.quietly(message.body(n.to_string().as_bytes()).v2()).code, 0);
    }
    wait_for_max(s, topic, 0, count as i64);
}

fn expression_pull(group: &str, topic: &str, expression: &str) -> Pull {
    Pull::of(group, topic).set("expressionType", "SQL92").set("subscription", expression)
}

fn pull(s: &mut Script, group: &str, topic: &str, expression: &str) {
    pull_with(s, group, topic, "SQL92", expression);
}

fn pull_with(s: &mut Script, group: &str, topic: &str, kind: &str, expression: &str) {
    s.ask_command(
        Pull::of(group, topic).set("expressionType", kind).set("subscription", expression).command(),
    );
}

fn sql(topic: &str, expression: &str, version: i64) -> String {
    format!(
        r#"{{"classFilterMode":false,"codeSet":[],"expressionType":"SQL92","subString":"{expression}","subVersion":{version},"tagsSet":[],"topic":"{topic}"}}"#
    )
}

fn heartbeat(s: &mut Script, group: &str, subscriptions: &[String]) {
    s.quietly(consumer_heartbeat("c1", group, "CLUSTERING", subscriptions));
}

fn check_client(s: &mut Script, kind: &str, expression: &str) {
    let subscription = sql("T", expression, 1).replace("SQL92", kind);
    let body = format!(r#"{{"clientId":"c","group":"g","subscriptionData":{subscription}}}"#);
    s.ask_with(46, &[], body.as_bytes());
}
