//! What `dump` and `stat` print, and how the tool ends.

use std::ffi::OsString;

use super::golden::unpack;
use super::*;
use store::testing::{Scratch, derived, message};

/// The tool's output, and whether it ended with success.
fn run(arguments: &[&str], root: &Path) -> (String, bool) {
    let mut line: Vec<OsString> = vec!["mqstore".into()];
    line.extend(
        arguments.iter().map(|&argument| if argument == "DIR" { root.into() } else { argument.into() }),
    );
    let mut out = Vec::new();
    let code = cli::run(line, &mut out);
    (String::from_utf8(out).unwrap(), code == std::process::ExitCode::SUCCESS)
}

#[test]
fn items_are_printed_one_a_line() {
    let dir = unpack("5.5.0", "five");
    let root = dir.path().join("store");
    let before = traces(&root);
    let lines = |arguments: &[&str]| {
        let (text, done) = run(arguments, &root);
        assert!(done, "{arguments:?}");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&["dump", "DIR"]).len(), 144);
    let some = lines(&["dump", "DIR", "--topic", "Sh_Pop", "--queue", "1", "--count", "2", "--body"]);
    assert!(
        some.len() == 2 && some.iter().all(|line| line.contains(" Sh_Pop/1@") && line.contains(" body=\""))
    );
    let from: i64 = some[1].split(' ').next().unwrap().parse().unwrap();
    let rest = lines(&["dump", "DIR", "--topic", "Sh_Pop", "--queue", "1", "--from", &from.to_string()]);
    assert!(rest[0].starts_with(&format!("{from} size=")), "{}", rest[0]);
    let queue =
        lines(&["dump", "DIR", "queue", "--topic", "Sh_Pop", "--queue", "0", "--from", "3", "--count", "2"]);
    assert!(queue.len() == 2 && queue[0].starts_with("Sh_Pop/0@3 at="), "{queue:?}");
    let batch = lines(&["dump", "DIR", "queue", "--topic", "Sh_Bcq", "--queue", "0"]);
    assert!(batch[0].starts_with("Sh_Bcq/0@0 count=7 at=9104 size=1134"), "{batch:?}");
    assert_eq!(lines(&["dump", "DIR", "index"]).len(), 1 + 395);
    assert_eq!(lines(&["dump", "DIR", "checkpoint"]).len(), 6);
    assert!(lines(&["dump", "DIR", "config"]).contains(&"# config/topics.json".to_owned()));
    assert!(traces(&root) == before, "reading left a trace");
}

/// Topics, groups and keys are names that peers chose.
#[test]
fn no_name_steers_a_terminal() {
    let scratch = Scratch::default();
    let store = scratch.start();
    let name = "T\u{1b}[2J\u{9b}\r\nsound (0 note, 0 repair, 0 wrong)";
    store.append(&message(name, 0, b"body\x1b", name)).unwrap();
    derived(&store);
    store.shutdown();
    let root = &scratch.config.store_path_root_dir;
    fs::create_dir_all(root.join("config")).unwrap();
    let offsets = "{\"offsetTable\":{\"T\u{1b}@g\u{1b}\":{0:9}}}";
    fs::write(root.join("config/consumerOffset.json"), offsets).unwrap();
    for arguments in [
        &["check", "DIR"][..],
        &["stat", "DIR"],
        &["dump", "DIR", "--body"],
        &["dump", "DIR", "queue"],
        &["dump", "DIR", "index"],
        &["dump", "DIR", "config"],
    ] {
        let (text, _) = run(arguments, root);
        assert!(!text.is_empty() && !text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("sound (0 note, 0 repair, 0 wrong)")), "{text:?}");
    }
}

#[test]
fn numbers_of_a_store() {
    let dir = unpack("4.9.7", "core");
    let root = dir.path().join("store");
    let (text, done) = run(&["stat", "DIR"], &root);
    let words = |start: &str| {
        let line =
            text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(done);
    assert_eq!(words("Sh_Plain")[1..5], ["0", "0", "94", "94"]);
    let of_group = |line: &str| line.split_whitespace().take(3).eq(["Sh_CG_tag", "Sh_Keys", "3"]);
    assert!(text.lines().any(of_group), "{text}");
    assert_eq!(words("commitlog")[1..3], ["5", "2621440"]);
    assert!(text.contains("0..2280322, 643 records") && text.contains("0 bytes behind"), "{text}");
}

#[test]
fn how_it_ends() {
    let dir = unpack("4.9.7", "ipv6");
    let root = dir.path().join("store");
    assert!(run(&["check", "DIR"], &root).1);
    fs::remove_file(root.join("checkpoint")).unwrap();
    let (text, done) = run(&["check", "--json", "DIR"], &root);
    assert!(!done && text.contains("\"severity\":\"repair\",\"kind\":\"checkpoint\""), "{text}");
    assert!(!run(&["check", "DIR"], &root.join("none")).1);
    assert!(!run(&["bogus"], &root).1);
}
