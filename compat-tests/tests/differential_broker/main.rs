//! The broker's codes of priority P0 (and the few of P1 they lean on), asked of Java's 5.5.0 and of ours.

use std::process::ExitCode;

use compat_tests::differential::{Side, Table, run};
use compat_tests::lab::{Edition, Lab};

mod admin;
mod calls;
mod clients;
mod offsets;
mod properties;
mod pull;
mod query;
mod reset;
mod retry;
mod send;
mod space;
mod timer;
mod topic;
mod transaction;

static TABLE: Table = Table {
    area: "broker",
    cases: &[
        send::CASES,
        pull::CASES,
        offsets::CASES,
        clients::CASES,
        calls::CASES,
        reset::CASES,
        retry::CASES,
        query::CASES,
        space::CASES,
        transaction::CASES,
        timer::CASES,
        properties::CASES,
        topic::CASES,
        admin::CASES,
    ],
    start,
    settle: |_| (),
};

fn main() -> ExitCode {
    run(&TABLE)
}

/// Each broker is registered, since a broker that is not may behave otherwise.
fn start(lab: &Lab, edition: Edition) -> Side {
    let name_server = lab.name_server(edition, "namesrv");
    let broker =
        lab.broker(edition, "broker-a", &[&name_server], &[&transaction::CONF[..], &[timer::CONF]].concat());
    Side { edition, name_server, broker: Some(broker) }
}
