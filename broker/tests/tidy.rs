//! The arrows between the rooms point one way (README, "Map").

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Files of `room` (a path from the workspace's root) that hold one of `words`.
fn holding(room: &str, words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    sources(&root.join(room), &mut files);
    assert!(!files.is_empty(), "no sources in {room}");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = || text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for word in words.iter().filter(|word| code().any(|line| line.contains(**word))) {
            found.push(format!("{}: {word}", file.strip_prefix(root).unwrap().display()));
        }
    }
    found
}

#[test]
fn the_store_knows_files_and_nothing_else() {
    let above = [
        "crate::broker",
        "crate::clients",
        "crate::config",
        "crate::groups",
        "crate::handler",
        "crate::offsets",
        "crate::topics",
        "remoting::header",
        "remoting::body",
        "remoting::connection",
        "remoting::server",
        "tokio::",
    ];
    assert_eq!(holding("broker/src/store", &above), [""; 0]);
}

#[test]
fn handlers_touch_no_socket_and_no_file() {
    assert_eq!(holding("broker/src/handler", &["tokio::net", "std::net::Tcp", "std::fs", "File::"]), [""; 0]);
}

#[test]
fn the_wire_knows_no_store_and_the_processes_no_wire() {
    // Certificates are the one kind of file that the wire reads.
    let files = holding("remoting/src", &["std::fs"]);
    assert!(files.iter().all(|file| file.starts_with("remoting/src/tls/")), "{files:?}");
    assert_eq!(holding("remoting/src", &["use broker", "use namesrv", "use process"]), [""; 0]);
    assert_eq!(holding("process/src", &["remoting::", "tokio::net"]), [""; 0]);
}

#[test]
fn unsafe_code_has_one_room() {
    let rooms = ["remoting/src", "process/src", "namesrv/src", "broker/src"];
    let found: Vec<_> =
        rooms.iter().flat_map(|room| holding(room, &["unsafe {", "unsafe fn", "unsafe impl"])).collect();
    assert_eq!(found, ["broker/src/store/mapped_file.rs: unsafe {"]);
}
