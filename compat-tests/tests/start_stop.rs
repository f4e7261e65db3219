//! How our two programs start, refuse to start, and stop.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use compat_tests::job::{Exit, Job, Spec};
use compat_tests::lab::{Edition, JAVA_5, Lab, Place, Server, free_ports, write_conf};
use compat_tests::until;

const START_WAIT: Duration = Duration::from_secs(30);
const EXIT_WAIT: Duration = Duration::from_secs(30);
/// A stop may take this long, and in a container what Docker itself takes for `kill` and `inspect`.
const STOP_MAX: Duration = Duration::from_millis(1000);
const DOCKER_OWN: Duration = Duration::from_millis(1000);

#[test]
fn stops_cleanly_on_term_and_interrupt() {
    let lab = Lab::new();
    for signal in ["TERM", "INT"] {
        let name_server = lab.name_server(Edition::Ours, &format!("namesrv-{signal}"));
        let broker = lab.broker(Edition::Ours, &format!("broker-{signal}"), &[&name_server], &[]);
        assert!(broker.home.join("store/abort").exists(), "a running broker's abort file");
        // Said once the name server has answered: it may list the broker a moment earlier.
        for (job, said) in [
            (&broker.job, "boot success. serializeType=JSON"),
            (&name_server.job, "The Name Server boot success. serializeType=JSON"),
        ] {
            until(
                START_WAIT,
                || format!("{said}\n{}", job.output()),
                || job.stdout().contains(said).then_some(()),
            );
        }
        for (server, job) in [("broker", &broker.job), ("name server", &name_server.job)] {
            let exit = job.stop(signal, EXIT_WAIT);
            let allowed = if lab.place() == Place::Docker { STOP_MAX + DOCKER_OWN } else { STOP_MAX };
            assert!(exit.code == 0 && exit.took < allowed, "{server} on {signal}: {exit:?}");
        }
        assert!(!broker.home.join("store/abort").exists(), "the abort file after {signal}");
    }
}

#[test]
fn a_killed_broker_leaves_its_abort_file_and_starts_again() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &[]);
    let home = broker.home.clone();
    broker.job.stop("KILL", EXIT_WAIT);
    assert!(home.join("store/abort").exists());
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &[]);
    assert_eq!(broker.job.stop("TERM", EXIT_WAIT).code, 0);
    assert!(!home.join("store/abort").exists());
}

#[test]
fn flags_print_the_configuration_and_exit() {
    let lab = Lab::new();
    for (server, flag, wanted) in [
        (Server::NameServer, "-p", "listenPort=9876"),
        (Server::NameServer, "--printConfigItem", "kvConfigPath="),
        (Server::Broker, "-p", "autoCreateTopicEnable=true"),
        (Server::Broker, "-m", "autoCreateTopicEnable=true"),
        (Server::Broker, "-h", "--namesrvAddr"),
        (Server::NameServer, "-h", "--configFile"),
    ] {
        let exit = run_to_end(&lab, server, &[flag]);
        let printed = format!("{}{}", exit.stdout, exit.stderr);
        assert!(exit.code == 0 && printed.contains(wanted), "{server:?} {flag}: {exit:?}");
    }
}

#[test]
fn unknown_flag_is_refused() {
    let lab = Lab::new();
    for server in [Server::NameServer, Server::Broker] {
        let exit = run_to_end(&lab, server, &["--no-such-flag"]);
        assert!(exit.code != 0 && exit.stderr.contains("--no-such-flag"), "{exit:?}");
    }
}

#[test]
fn what_would_only_seem_to_work_is_refused() {
    let lab = Lab::new();
    for (argument, culprit) in [
        ("aclEnable=true", "aclEnable"),
        ("authenticationEnabled=true", "authenticationEnabled"),
        ("authorizationEnabled=true", "authorizationEnabled"),
        ("namesrvAddr=http://127.0.0.1:9876", "http://127.0.0.1:9876"),
    ] {
        refused(&run_to_end(&lab, Server::Broker, &[argument, "listenPort=0"]), culprit);
    }
}

#[test]
fn a_comma_between_name_servers_is_taken_for_a_semicolon_and_told() {
    let lab = Lab::new();
    let name_servers = ["namesrv-a", "namesrv-b"].map(|name| lab.name_server(Edition::Ours, name));
    let home = lab.home("broker");
    let port = free_ports();
    let addresses = name_servers.each_ref().map(|server| server.addr.to_string()).join(",");
    let (listen, name) = (format!("listenPort={port}"), "brokerName=broker-a");
    let args = ["-n", &addresses, &listen, name, "brokerIP1=127.0.0.1"];
    let broker = lab.start(&lab.spec(Edition::Ours, Server::Broker, &home, &args));
    name_servers.iter().for_each(|server| server.wait_for_broker("broker-a"));
    let output = broker.output();
    assert!(output.contains(&format!("namesrvAddr={addresses}: ',' is taken for ';'")), "{output}");
}

#[test]
fn configuration_from_file_argument_and_environment() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let home = lab.home("broker");
    let port = free_ports().to_string();
    write_conf(&home.join("broker.conf"), &[("brokerName", &"from-file"), ("brokerIP1", &"127.0.0.1")], &[]);
    let conf = home.join("broker.conf").display().to_string();
    let listen = format!("listenPort={port}");
    let mut spec = lab.spec(
        Edition::Ours,
        Server::Broker,
        &home,
        &["-c", &conf, "brokerClusterName=from-argument", &listen],
    );
    spec.env.push(("NAMESRV_ADDR".into(), name_server.addr.to_string()));
    let _broker = lab.start(&spec);
    name_server.wait_for_broker("from-file");
    let info = name_server.ask(106, &[], b"");
    let info = String::from_utf8_lossy(&info.body).into_owned();
    assert!(info.contains("from-argument") && info.contains(&format!("127.0.0.1:{port}")), "{info}");
}

#[test]
fn unknown_key_is_a_warning() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &[("noSuchKey", "1")]);
    let log = broker.home.join("logs/rocketmqlogs/broker.log");
    let read = || fs::read_to_string(&log).unwrap_or_default();
    until(
        START_WAIT,
        || format!("no word of noSuchKey in\n{}", read()),
        || read().contains("noSuchKey").then_some(()),
    );
}

#[test]
fn bad_value_is_refused() {
    let lab = Lab::new();
    for (server, setting) in [
        (Server::Broker, "listenPort=many"),
        (Server::Broker, "flushDiskType=SOMETIMES"),
        (Server::Broker, "autoCreateTopicEnable=perhaps"),
        (Server::NameServer, "listenPort=many"),
    ] {
        let exit = run_to_end(&lab, server, &[setting]);
        let value = setting.split_once('=').unwrap().1;
        refused(&exit, value);
    }
}

#[test]
fn missing_config_file_is_refused() {
    let lab = Lab::new();
    for server in [Server::NameServer, Server::Broker] {
        refused(&run_to_end(&lab, server, &["-c", "/nowhere/x.conf"]), "/nowhere/x.conf");
    }
}

#[test]
fn port_in_use_is_refused() {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let broker = lab.broker(Edition::Ours, "broker-a", &[&name_server], &[]);
    for (server, taken) in [(Server::NameServer, &name_server), (Server::Broker, &broker)] {
        let home = lab.home(&format!("second-{server:?}"));
        let port = taken.addr.port().to_string();
        let setting = format!("listenPort={port}");
        let spec = lab.spec(Edition::Ours, server, &home, &[&setting]);
        let exit = lab.start_beside(&spec, &taken.job).wait_for_exit(EXIT_WAIT);
        refused(&exit, &port);
        assert!(!home.join("store/abort").exists() && !home.join("store/commitlog").exists());
    }
}

#[test]
fn unwritable_store_is_refused() {
    let lab = Lab::new();
    let home = lab.home("broker");
    // Root may write anywhere; nobody makes a directory below a file.
    fs::write(home.join("file"), "in the way").unwrap();
    let store = home.join("file/store").display().to_string();
    let settings = [format!("storePathRootDir={store}"), format!("listenPort={}", free_ports())];
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let spec = lab.spec(Edition::Ours, Server::Broker, &home, &settings);
    refused(&lab.start(&spec).wait_for_exit(EXIT_WAIT), &store);
    assert_eq!(fs::read_to_string(home.join("file")).unwrap(), "in the way");
}

#[test]
fn store_locked_by_our_broker_is_refused() {
    locked_store(Edition::Ours);
}

#[test]
fn store_locked_by_javas_broker_is_refused() {
    locked_store(JAVA_5);
}

fn locked_store(holder: Edition) {
    let lab = Lab::new();
    let name_server = lab.name_server(Edition::Ours, "namesrv");
    let broker = lab.broker(holder, "broker-a", &[&name_server], &[]);
    let store = broker.home.join("store");
    let before = tree(&store);
    let setting = format!("storePathRootDir={}", store.display());
    let port = format!("listenPort={}", free_ports());
    let mut spec = lab.spec(Edition::Ours, Server::Broker, &lab.home("second"), &[&setting, &port]);
    spec.mounts.push((broker.home.clone(), testcontainers::core::AccessMode::ReadWrite));
    refused(&lab.start(&spec).wait_for_exit(EXIT_WAIT), "lock");
    assert_eq!(tree(&store), before);
    assert!(broker.job.exit_code().is_none(), "the holder goes on");
}

#[test]
fn mqshutdown_stops_both_servers() {
    let lab = Lab::new();
    let home = lab.home("both");
    let program = |name: &str| lab.ours(name, &home).argv[0].clone();
    let (broker_port, namesrv_port) = (free_ports(), free_ports());
    let script = format!(
        r#"
        {namesrv} listenPort={namesrv_port} > namesrv.out 2>&1 & namesrv=$!
        {broker} -n 127.0.0.1:{namesrv_port} listenPort={broker_port} brokerIP1=127.0.0.1 > broker.out 2>&1 & broker=$!
        for i in $(seq 300); do
          grep -q 'boot success' namesrv.out && grep -q 'boot success' broker.out && break
          sleep 0.1
        done
        {shutdown} broker; echo "shutdown broker $?"
        wait $broker; echo "broker $?"
        {shutdown} namesrv; echo "shutdown namesrv $?"
        wait $namesrv; echo "namesrv $?"
        {shutdown} broker; echo "nothing left $?"
        "#,
        namesrv = program("mqnamesrv"),
        broker = program("mqbroker"),
        shutdown = program("mqshutdown"),
    );
    // mqshutdown stops every server that it sees: a container's process ids are its own, a desk's are hidden by unshare.
    let own_processes: &[&str] = match lab.place() {
        Place::Docker => &[],
        Place::Process => &["unshare", "--pid", "--fork", "--mount-proc"],
    };
    let argv = [own_processes, &["sh", "-c", &script]].concat();
    let spec =
        Spec { argv: argv.iter().map(|arg| arg.to_string()).collect(), ..lab.ours("mqshutdown", &home) };
    let exit = lab.start(&spec).wait_for_exit(Duration::from_secs(90));
    for line in [
        "Send shutdown request to mqbroker(",
        "shutdown broker 0",
        "\nbroker 0",
        "shutdown namesrv 0",
        "\nnamesrv 0",
        "No mqbroker running.",
        "nothing left 255",
    ] {
        let outputs =
            ["namesrv.out", "broker.out"].map(|f| fs::read_to_string(home.join(f)).unwrap_or_default());
        assert!(exit.stdout.contains(line), "no {line:?} in {exit:?}\n{}", outputs.join("\n"));
    }
}

/// Starts a server that is to end by itself, on a home of its own.
fn run_to_end(lab: &Lab, server: Server, args: &[&str]) -> Exit {
    let job: Job = lab.start(&lab.spec(Edition::Ours, server, &lab.home("to-the-end"), args));
    job.wait_for_exit(EXIT_WAIT)
}

/// One line on stderr that names the culprit, and a code that scripts can see.
fn refused(exit: &Exit, culprit: &str) {
    let lines: Vec<_> = exit.stderr.lines().collect();
    assert!(exit.code != 0, "{exit:?}");
    assert!(lines.len() == 1 && lines[0].contains(culprit), "one line about {culprit:?} wanted: {exit:?}");
}

/// Every file below a directory with its size and time of change: to see that nothing was touched. A running broker's
/// checkpoint and configuration change by themselves.
fn tree(directory: &Path) -> BTreeMap<String, (u64, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a store").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else if ["abort", "lock"].contains(&entry.file_name().to_string_lossy().as_ref())
            || path.to_string_lossy().contains("commitlog")
        {
            let data = entry.metadata().expect("just listed");
            let modified = data.modified().expect("Linux has it");
            files.insert(path.display().to_string(), (data.len(), modified));
        }
    }
    files
}
