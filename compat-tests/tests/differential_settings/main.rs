//! Brokers whose settings, and whose groups' settings, are not the defaults, asked of Java's 5.5.0 and of ours.

use std::process::ExitCode;

use compat_tests::differential::{Side, Table, run};
use compat_tests::lab::{Edition, Lab};

mod groups;
mod refusals;

static TABLES: [Table; 2] = [
    Table { area: "groups", cases: &[groups::CASES], start: start_with_groups, settle: |_| () },
    Table { area: "refusals", cases: &[refusals::CASES], start: start_refusing, settle: |_| () },
];

fn main() -> ExitCode {
    let mut worst = ExitCode::SUCCESS;
    for table in &TABLES {
        let code = run(table);
        if code != ExitCode::SUCCESS {
            worst = code;
        }
    }
    worst
}

fn start_with_groups(lab: &Lab, edition: Edition) -> Side {
    lab.seed("broker-a", "store/config/subscriptionGroup.json", groups::FILE);
    start(lab, edition, &groups::CONF)
}

fn start_refusing(lab: &Lab, edition: Edition) -> Side {
    start(lab, edition, &refusals::CONF)
}

fn start(lab: &Lab, edition: Edition, conf: &[(&str, &str)]) -> Side {
    let name_server = lab.name_server(edition, "namesrv");
    let broker = lab.broker(edition, "broker-a", &[&name_server], conf);
    Side { edition, name_server, broker: Some(broker) }
}
