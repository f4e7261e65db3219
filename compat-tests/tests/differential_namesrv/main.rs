//! The name server's codes, asked of Java's 5.5.0 and of ours.

use std::process::ExitCode;
use std::time::Duration;

use compat_tests::differential::{Side, Table, run};
use compat_tests::lab::{Edition, Lab};
use compat_tests::until;

mod broker;
mod config;
mod registration;
mod routes;

static TABLE: Table =
    Table { area: "namesrv", cases: &[registration::CASES, routes::CASES, config::CASES], start, settle };

fn main() -> ExitCode {
    run(&TABLE)
}

fn start(lab: &Lab, edition: Edition) -> Side {
    let name_server = lab.name_server(edition, "namesrv");
    Side { edition, name_server, broker: None }
}

/// The case's connections are closed now, so its brokers must vanish.
fn settle(side: &Side) {
    let brokers = || String::from_utf8_lossy(&side.name_server.ask(106, &[], b"").body).into_owned();
    until(
        Duration::from_secs(10),
        || format!("brokers of closed connections are still listed: {}", brokers()),
        || brokers().contains("\"brokerAddrTable\":{}").then_some(()),
    );
}
