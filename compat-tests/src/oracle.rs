//! Java's servers, clients and examples, fetched by Maven coordinates once for each version.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{checkout, one_at_a_time, target};

/// What RocketMQ 4.9 and 5.x need on a JDK 17. None lives long enough for the second compiler to pay.
pub const JAVA_FLAGS: [&str; 8] = [
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "-Djava.net.preferIPv4Stack=true",
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
];

/// Maven's repository is not made for two at a time.
const FETCHING: &str = "maven";

/// The directory that holds all jars of `version` ("5.5.0", "4.9.7"): servers, client, tools, and 5.5.0's examples.
pub fn jars(version: &str) -> PathBuf {
    let _held = one_at_a_time(FETCHING);
    let directory = target().join("oracle").join(version);
    let complete = directory.join("complete");
    if !complete.exists() {
        let status = Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(checkout().join("compat-tests/oracle/pom.xml"))
            .arg(format!("-Drocketmq.version={version}"))
            .arg(format!("-Doracle.lib={}", directory.join("lib").display()))
            .args(if version.starts_with('5') { &["-Pexample"][..] } else { &[] })
            .arg("dependency:copy-dependencies")
            .status()
            .expect("mvn starts");
        assert!(status.success(), "Maven could not fetch RocketMQ {version}");
        fs::write(&complete, "").expect("the target directory is writable");
    }
    directory.join("lib")
}

/// Makes Maven fetch all that a later run of `argv` with `test` needs, tests not run.
pub fn fetch_for_maven(argv: &[String]) {
    let _held = one_at_a_time(FETCHING);
    let output = Command::new(&argv[0]).args(&argv[1..]).args(["-q", "-DskipTests", "test"]).output();
    let output = output.expect("mvn starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
