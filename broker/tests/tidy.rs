//! What the compiler cannot say about the rooms (docs/ARCHITECTURE.md, "Rooms"): crates keep the arrows between them.

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
fn handlers_touch_no_socket_and_no_file() {
    assert_eq!(holding("broker/src/handler", &["tokio::net", "std::net::Tcp", "std::fs", "File::"]), [""; 0]);
}

#[test]
fn the_wire_reads_no_file_but_those_of_tls() {
    let files = holding("remoting/src", &["std::fs"]);
    // `netty` reads the file that `tls.config.file` names.
    let of_tls =
        |file: &String| file.starts_with("remoting/src/tls/") || file.starts_with("remoting/src/netty.rs");
    assert!(files.iter().all(of_tls), "{files:?}");
}

#[test]
fn unsafe_code_has_one_room() {
    let rooms = [
        "message/src",
        "process/src",
        "remoting/src",
        "filter/src",
        "store/src",
        "mqstore/src",
        "namesrv/src",
        "broker/src",
        "broker/mqbroker/src",
    ];
    let found: Vec<_> =
        rooms.iter().flat_map(|room| holding(room, &["unsafe {", "unsafe fn", "unsafe impl"])).collect();
    assert!(!found.is_empty());
    assert!(found.iter().all(|file| file.starts_with("store/src/mapped_file")), "{found:?}");
}
