//! What the compiler cannot say about the rooms (docs/ARCHITECTURE.md, "Rooms"): crates keep the arrows between them.

use broker::config::CLASSES;
use process::config::Mutability;
use std::collections::BTreeSet;
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

/// `./test` runs the examples of comments of `process` alone: a crate without any costs half a minute all the same.
#[test]
fn examples_that_run_stand_in_process() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for room in ["bench", "broker", "filter", "message", "mqstore", "namesrv", "remoting", "store"] {
        sources(&root.join(room), &mut files);
    }
    let runs = |text: &str| {
        let lines = text.lines().map(str::trim_start);
        let fences = lines.filter_map(|line| line.strip_prefix("///").or(line.strip_prefix("//!")));
        fences.filter_map(|line| line.trim().strip_prefix("```")).step_by(2).any(|kind| kind != "text")
    };
    files.retain(|file| runs(&fs::read_to_string(file).unwrap()));
    assert!(files.is_empty(), "{files:?}");
}

/// A name without the unit behind it.
fn without_unit(name: &str) -> &str {
    let units = ["_ms", "_s", "_sec", "_hours", "_bytes"];
    units.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name)
}

/// A struct with a field named as a live key would hold a copy of it, which an update does not reach.
#[test]
fn nobody_keeps_a_copy_of_what_can_change() {
    let keys = CLASSES.iter().flat_map(|class| class.keys);
    let live = keys.filter(|key| key.mutability == Mutability::Live).filter_map(|key| key.field);
    let live: BTreeSet<_> = live.map(without_unit).collect();
    assert!(live.len() > 60 && live.contains("long_polling_enable"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut copies = Vec::new();
    for room in ["broker/src", "store/src"] {
        let mut files = Vec::new();
        sources(&root.join(room), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let mut in_struct = false;
            for line in text.lines() {
                let code = line.trim_start();
                if code.contains("struct ") && line.ends_with('{') {
                    in_struct = true;
                } else if code == "}" {
                    in_struct = false;
                }
                // The rows of the tables have ` = ` behind the type.
                let field = code.split_once(": ").filter(|(_, of)| in_struct && !of.contains(" = "));
                let name = field.map(|(name, _)| name.rsplit(' ').next().unwrap_or(name));
                if let Some(name) = name.filter(|name| live.contains(without_unit(name))) {
                    copies.push(format!("{}: {name}", file.strip_prefix(root).unwrap().display()));
                }
            }
        }
    }
    copies.sort();
    let made_anew_each_time = [
        // What the command line says, before there are settings.
        "broker/src/config/startup.rs: namesrv_addr",
        // A send.
        "broker/src/handler/send/properties.rs: region_id",
        "broker/src/handler/send/properties.rs: trace_on",
        // A batch of the derive thread, or a read.
        "store/src/multi_dispatch.rs: enable_multi_dispatch",
    ];
    assert_eq!(copies, made_anew_each_time);
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
