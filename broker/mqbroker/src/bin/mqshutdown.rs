//! `mqshutdown broker|namesrv`: asks the servers of this machine to stop, ours and Java's, as Java's script of that name
//! does, with its words and exit codes.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How one kind of server is found.
struct Server {
    /// File name of our executable, and the name in messages.
    program: &'static str,
    /// Java's main class.
    java_class: &'static [u8],
}

const BROKER: Server =
    Server { program: "mqbroker", java_class: b"org.apache.rocketmq.broker.BrokerStartup" };
const NAMESRV: Server =
    Server { program: "mqnamesrv", java_class: b"org.apache.rocketmq.namesrv.NamesrvStartup" };

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("broker") => shut_down(&BROKER),
        Some("namesrv") => shut_down(&NAMESRV),
        _ => {
            println!("Usage: mqshutdown broker | namesrv");
            ExitCode::SUCCESS
        }
    }
}

fn shut_down(server: &Server) -> ExitCode {
    let program = server.program;
    let found = running(server, Path::new("/proc"));
    if found.is_empty() {
        println!("No {program} running.");
        return ExitCode::from(255);
    }
    let pids = found.iter().map(i32::to_string).collect::<Vec<_>>().join(" ");
    println!("The {program}({pids}) is running...");
    for pid in found {
        if let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM) {
            eprintln!("cannot stop {program}({pid}): {error}");
            return ExitCode::FAILURE;
        }
    }
    println!("Send shutdown request to {program}({pids}) OK");
    ExitCode::SUCCESS
}

/// Process ids, in ascending order. `proc` is `/proc`.
fn running(server: &Server, proc: &Path) -> Vec<i32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<i32> = pids.filter(|pid| is_server(server, &proc.join(pid.to_string()))).collect();
    found.sort_unstable();
    found
}

fn is_server(server: &Server, process: &Path) -> bool {
    // Not the process's name: the shell that runs Java's script `mqbroker` bears it too.
    let executable = fs::read_link(process.join("exe")).unwrap_or_default();
    match executable.file_name().and_then(|name| name.to_str()) {
        // The kernel says so of a file that an upgrade has replaced.
        Some(name) if name.trim_end_matches(" (deleted)") == server.program => true,
        Some("java") => {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            arguments.split(|&byte| byte == 0).any(|argument| argument == server.java_class)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn process(proc: &Path, pid: &str, executable: &str, arguments: &str) {
        let folder = proc.join(pid);
        fs::create_dir(&folder).unwrap();
        symlink(executable, folder.join("exe")).unwrap();
        fs::write(folder.join("cmdline"), arguments.replace(' ', "\0")).unwrap();
    }

    #[test]
    fn ours_and_java_s_and_nothing_else() {
        let proc = tempfile::tempdir().unwrap();
        let proc = proc.path();
        process(proc, "30", "/opt/mq/mqbroker", "mqbroker -c broker.conf");
        process(proc, "4", "/usr/bin/java", "java -cp x org.apache.rocketmq.broker.BrokerStartup -n a:1");
        process(proc, "5", "/opt/mq/mqbroker (deleted)", "mqbroker");
        process(proc, "6", "/bin/sh", "/bin/sh bin/mqbroker");
        process(proc, "7", "/usr/bin/grep", "grep org.apache.rocketmq.broker.BrokerStartup");
        process(proc, "8", "/opt/mq/mqnamesrv", "mqnamesrv");
        fs::create_dir(proc.join("self")).unwrap();
        assert_eq!(running(&BROKER, proc), [4, 5, 30]);
        assert_eq!(running(&NAMESRV, proc), [8]);
    }
}
