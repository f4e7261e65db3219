use std::fs;
use std::io::Read;

use flate2::read::GzDecoder;

use super::*;

static FILES: &[LogFile] =
    &[file("", "broker", MB, 2), file("store", "store", MB, 2), file("store::error", "storeerror", MB, 2)];

static SMALL: &[LogFile] = &[file("", "small", 100, 2)];

/// 2026-11-22 18:59:39 UTC.
const NOW_MS: i64 = 1_795_373_979_000;

fn logged(files: &'static [LogFile], log: impl FnOnce()) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let logs = Logs::open(folder.path(), files, Level::INFO, Clock::test(NOW_MS)).unwrap();
    tracing::dispatcher::with_default(logs.dispatch(), log);
    drop(logs);
    folder
}

fn content(folder: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_default()
}

#[test]
fn timestamps_are_java_s() {
    assert_eq!(timestamp(NOW_MS), "2026-11-23 02:59:39");
    assert_eq!(timestamp(-8 * 3_600_000), "1970-01-01 00:00:00");
    assert_eq!(timestamp(1_709_136_000_000), "2024-02-29 00:00:00");
    assert_eq!(timestamp(4_107_513_600_000), "2100-03-01 00:00:00");
}

#[test]
fn events_go_to_the_file_of_their_target() {
    let folder = logged(FILES, || {
        tracing::info!(target: "broker::handler", queue = 3, "hello {}", "world");
        tracing::warn!(target: "store::append", "slow");
        tracing::error!(target: "store::error", offset = 7, "torn");
        tracing::info!(target: "storefront", "not the store");
        tracing::debug!(target: "store", "too fine");
    });
    let thread = std::thread::current().name().unwrap().to_string();
    assert_eq!(
        content(&folder, "broker.log"),
        format!(
            "2026-11-23 02:59:39 INFO {thread} - hello world queue=3\n\
             2026-11-23 02:59:39 INFO {thread} - not the store\n"
        )
    );
    assert_eq!(content(&folder, "store.log"), format!("2026-11-23 02:59:39 WARN {thread} - slow\n"));
    assert!(content(&folder, "storeerror.log").ends_with("torn offset=7\n"));
}

#[test]
fn a_line_stays_one_line_and_has_an_end() {
    let folder = logged(FILES, || {
        tracing::info!("{}\n2026 INFO main - forged", "ä".repeat(10_000));
        tracing::info!("two\nlines");
    });
    let text = content(&folder, "broker.log");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].len() < 9_000 && lines[0].ends_with("ä..."));
    assert!(lines[1].ends_with("two\\nlines"));
}

/// Names come from peers, as message, field or error text.
#[test]
fn nothing_in_a_line_steers_a_terminal() {
    let name = "a\u{1b}[31mb\u{9b}2J\u{7f}\0\u{8}\r\tc";
    let folder = logged(FILES, || {
        tracing::info!("{name}");
        tracing::info!(topic = name, other = %name, "field");
        tracing::info!("{}", "\u{1b}".repeat(10_000));
    });
    let text = content(&folder, "broker.log");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    let lines: Vec<_> = text.lines().collect();
    let escaped = r"a\u001b[31mb\u009b2J\u007f\u0000\u0008\r\tc";
    assert!(lines[0].ends_with(escaped), "{text:?}");
    assert!(lines[1].ends_with(&format!("field topic={escaped} other={escaped}")), "{text:?}");
    assert!(lines[2].len() < 9_000 && lines[2].ends_with("..."));
}

#[test]
fn full_files_are_compressed_and_few_are_kept() {
    let folder = logged(SMALL, || {
        for number in 0..20 {
            tracing::info!("line {number}: {}", "x".repeat(40));
        }
    });
    let mut names: Vec<_> = fs::read_dir(folder.path().join("otherdays"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["small.1.log.gz", "small.2.log.gz"]);
    let rolled = fs::File::open(folder.path().join("otherdays/small.1.log.gz")).unwrap();
    let mut text = String::new();
    GzDecoder::new(rolled).read_to_string(&mut text).unwrap();
    let text = text + &content(&folder, "small.log");
    let numbers: Vec<_> =
        text.lines().filter_map(|line| line.split("line ").nth(1)?.split(':').next()).collect();
    assert_eq!(numbers.last(), Some(&"19"));
    assert!(numbers.len() >= 2 && numbers.is_sorted_by_key(|number| number.parse::<u32>().unwrap()));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let result = Logs::open(&folder.path().join("file/logs"), FILES, Level::INFO, Clock::real());
    let Err(error) = result else { panic!("opened below a file") };
    assert!(error.to_string().starts_with("cannot create folder"), "{error}");
}

#[test]
fn folders_are_named_as_java_s() {
    let home = Path::new("/home/u");
    assert_eq!(folder(home, None), Path::new("/home/u/logs/rocketmqlogs"));
    assert_eq!(folder(home, Some("vm_0")), Path::new("/home/u/logs/rocketmqlogsvm_0"));
}
