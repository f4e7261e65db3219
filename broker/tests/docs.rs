//! What the documents say is there: the tests that they name, the files that they link to, and the same table in both
//! languages. Needs no server.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The top of the checkout.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Whether the file has a test function of this name, or a trial or case with it as its literal.
fn has_test(file: &str, name: &str) -> bool {
    file.contains(&format!("fn {name}(")) || file.contains(&format!("\"{name}\""))
}

/// An entry of `DIFFERENCES.md`: its heading without the `###`, and its lines.
fn differences(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut entries: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        match line.strip_prefix("### ") {
            Some(heading) => {
                entries.push((heading, Vec::new()));
                is_open = true;
            }
            None if line.starts_with('#') => is_open = false,
            None if is_open => entries.last_mut().expect("an open entry").1.push(line),
            None => {}
        }
    }
    entries
}

/// What is wrong with an entry, given what the files of tests hold.
fn complaint(heading: &str, lines: &[&str], file: impl Fn(&str) -> Option<String>) -> Option<String> {
    let id = heading.split(' ').next().unwrap_or_default();
    let digits = id.strip_prefix('D').unwrap_or_default();
    if digits.len() != 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(format!("{heading:?} has no id"));
    }
    if !lines.iter().any(|line| line.starts_with("Why: ")) {
        return Some(format!("{id} has no reason"));
    }
    let tests: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("Test: ")).collect();
    if tests.is_empty() {
        return Some(format!("{id} has no test"));
    }
    tests.into_iter().find_map(|test| {
        let [path, name] = quoted(test)[..] else {
            return Some(format!("{id}: {test:?} is no file and test"));
        };
        match file(path) {
            None => Some(format!("{id}: no file {path}")),
            Some(text) if !has_test(&text, name) => Some(format!("{id}: no test {name} in {path}")),
            Some(_) => None,
        }
    })
}

#[test]
fn every_difference_has_a_test() {
    let text = read("docs/DIFFERENCES.md");
    let entries = differences(&text);
    assert!(entries.len() > 50, "only {}", entries.len());
    let file = |path: &str| fs::read_to_string(checkout().join(path)).ok();
    let complaints: Vec<_> =
        entries.iter().filter_map(|(heading, lines)| complaint(heading, lines, file)).collect();
    assert_eq!(complaints, [""; 0]);
    let mut ids = BTreeSet::new();
    let retired = text.split("## Retired ids").nth(1).expect("the list of retired ids");
    let retired = retired.split([' ', ',', '.', '\n']).filter(|word| word.starts_with('D'));
    for id in entries.iter().filter_map(|(heading, _)| heading.split(' ').next()).chain(retired) {
        assert!(ids.insert(id.to_owned()), "{id} is used twice");
    }
    let unshown = text.split("## Said, not shown").nth(1).and_then(|rest| rest.split("\n## ").next());
    let unshown = unshown.expect("the list of what no test shows").split("\n- ").skip(1);
    assert!(unshown.into_iter().all(|item| item.contains("No test: ")), "a reason for each that has no test");
}

#[test]
fn entries_without_id_reason_or_test_are_found() {
    let file = |path: &str| (path == "a.rs").then(|| "fn shows_it() {\n name: \"a_case\",".to_owned());
    let found = |text: &str| {
        let entries = differences(text);
        complaint(entries[0].0, &entries[0].1, file)
    };
    for test in ["shows_it", "a_case"] {
        assert_eq!(found(&format!("### D001 X\nWhy: y.\nTest: `a.rs` `{test}`")), None);
    }
    for (text, complaint) in [
        ("### X\nWhy: y.\nTest: `a.rs` `shows_it`", "\"X\" has no id"),
        ("### D001 X\nTest: `a.rs` `shows_it`", "D001 has no reason"),
        ("### D001 X\nWhy: y.\n## Other\nTest: `a.rs` `shows_it`", "D001 has no test"),
        ("### D001 X\nWhy: y.\nTest: a.rs shows_it", "D001: \"a.rs shows_it\" is no file and test"),
        ("### D001 X\nWhy: y.\nTest: `b.rs` `shows_it`", "D001: no file b.rs"),
        ("### D001 X\nWhy: y.\nTest: `a.rs` `shows`", "D001: no test shows in a.rs"),
    ] {
        assert_eq!(found(text).as_deref(), Some(complaint));
    }
}

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// The cells of the rows of the table of features: the one with three columns.
fn features(text: &str) -> Vec<[String; 3]> {
    let rows = text.lines().filter_map(|line| line.strip_prefix('|')?.trim_end().strip_suffix('|'));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    let rows = cells.filter_map(|cells| <[String; 3]>::try_from(cells).ok());
    // Behind the head and the line below it.
    rows.skip(2).collect()
}

#[test]
fn both_readmes_have_the_same_table() {
    let [english, chinese] = READMES.map(|path| features(&read(path)));
    assert!(english.len() > 10, "only {} rows", english.len());
    assert_eq!(english.len(), chinese.len());
    for ([feature, state, test], [feature_zh, state_zh, test_zh]) in english.iter().zip(&chinese) {
        assert_eq!(test, test_zh, "tests of {feature}");
        assert_eq!(quoted(feature), quoted(feature_zh), "{feature}");
        assert_eq!(quoted(state), quoted(state_zh), "state of {feature}");
        assert_eq!(state.starts_with("works"), state_zh.starts_with("可用"), "state of {feature}");
        assert_eq!(numbers_in(feature), numbers_in(feature_zh), "{feature}");
        assert!(state.starts_with("works") != test.is_empty(), "{feature} works and has a test, or neither");
    }
}

/// Names and versions with digits in them stand the same in every language.
fn numbers_in(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    words.map(|word| word.trim_matches('.')).filter(|word| word.bytes().any(|b| b.is_ascii_digit())).collect()
}

/// What stands before the explanation on each line of the indented blocks.
fn commands(text: &str) -> Vec<&str> {
    let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
    indented.map(|line| line.split("  ").next().unwrap_or_default().trim()).collect()
}

#[test]
fn both_readmes_have_the_same_commands() {
    let [english, chinese] = READMES.map(read);
    assert!(commands(&english).contains(&"./run") && commands(&english).contains(&"./test"));
    assert_eq!(commands(&english), commands(&chinese));
}

/// Files of a name, below a folder.
fn has_file(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        path.file_name().is_some_and(|there| there == name) || path.is_dir() && has_file(&path, name)
    })
}

/// Whether a test that the table names is there: a Java class, a file or folder, a module `crate::module`, or a test of
/// `compat-tests` by its name.
fn is_there(test: &str) -> bool {
    let top = checkout();
    if test.ends_with("IT") {
        return has_file(&top.join("java-it/src"), &format!("{test}.java"));
    }
    if let Some((room, module)) = test.split_once("::") {
        let module = top.join(room).join("src").join(module.replace("::", "/"));
        return module.is_dir() || module.with_extension("rs").is_file();
    }
    [test.to_owned(), format!("compat-tests/tests/{test}"), format!("compat-tests/tests/{test}.rs")]
        .iter()
        .any(|path| top.join(path).exists())
}

#[test]
fn the_tests_of_the_table_are_there() {
    let rows = features(&read("README.md"));
    let tests: Vec<_> = rows.iter().flat_map(|[_, _, tests]| quoted(tests)).collect();
    let missing: Vec<_> = tests.into_iter().filter(|test| !is_there(test)).collect();
    assert_eq!(missing, [""; 0]);
    for nothing in ["NoSuchIT", "store::no_such", "no_such", "remoting/tests/no_such.rs"] {
        assert!(!is_there(nothing), "{nothing}");
    }
}

/// The documents for readers of the whole project.
fn documents() -> Vec<PathBuf> {
    let top = checkout();
    let docs = fs::read_dir(top.join("docs")).expect("the folder of documents");
    let docs = docs.map(|entry| entry.expect("an entry").path());
    READMES.map(|name| top.join(name)).into_iter().chain(docs).collect()
}

/// Targets of Markdown links that lead to a file, without the place in it.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files =
        targets.filter(|target| !target.contains("://")).filter_map(|target| target.split('#').next());
    files.filter(|path| !path.is_empty()).collect()
}

#[test]
fn links_lead_to_files_of_the_checkout() {
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document is UTF-8");
        let folder = document.parent().expect("a file has a folder");
        for link in links(&text) {
            let target = folder.join(link).canonicalize();
            let is_inside = target.is_ok_and(|path| path.starts_with(checkout().canonicalize().unwrap()));
            assert!(is_inside, "{}: {link}", document.display());
        }
        assert!(!text.contains("../shared"), "{} points outside", document.display());
    }
}

/// Whether there is a file of this path; a `*` in it stands for the rest of a name.
fn is_file(path: &str) -> bool {
    match path.split_once('*') {
        None => checkout().join(path).is_file(),
        Some((start, _)) => {
            let (folder, name) = start.rsplit_once('/').unwrap_or((".", start));
            let entries = fs::read_dir(checkout().join(folder)).into_iter().flatten().flatten();
            entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(name))
        }
    }
}

#[test]
fn files_that_documents_name_are_there() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document is UTF-8");
        let paths = quoted(&text)
            .into_iter()
            .filter(|path| path.contains('/') && !path.contains(char::is_whitespace));
        let paths = paths.filter(|path| [".rs", ".md", ".tsv"].iter().any(|end| path.ends_with(end)));
        missing.extend(
            paths.filter(|path| !is_file(path)).map(|path| format!("{}: {path}", document.display())),
        );
    }
    assert_eq!(missing, [""; 0]);
}
