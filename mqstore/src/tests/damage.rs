//! One damage at a time, in every kind of file: found, in its place, and judged.

use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use super::golden::unpack;
use super::*;

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
pub enum Damage {
    /// One bit of the byte.
    Flip(u64),
    Write(u64, &'static [u8]),
    /// To so many bytes.
    Truncate(u64),
    Delete,
    /// A copy under this name beside it.
    Copy(&'static str),
    Text(&'static str),
}
use Damage::*;

pub fn apply(root: &Path, file: &str, damage: Damage) {
    let path = root.join(file);
    let open = || fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    match damage {
        Flip(at) => {
            let mut byte = [0];
            open().read_exact_at(&mut byte, at).unwrap();
            open().write_all_at(&[byte[0] ^ 4], at).unwrap();
        }
        Write(at, bytes) => open().write_all_at(bytes, at).unwrap(),
        Truncate(bytes) => open().set_len(bytes).unwrap(),
        Delete if path.is_dir() => fs::remove_dir_all(&path).unwrap(),
        Delete => fs::remove_file(&path).unwrap(),
        Copy(name) => drop(fs::copy(&path, path.with_file_name(name)).unwrap()),
        Text(text) => fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap(),
    }
}

struct Case {
    store: &'static str,
    file: &'static str,
    damage: Damage,
    severity: Severity,
    kind: Kind,
    /// Where the finding must be, if not anywhere in the file.
    at: Option<u64>,
    /// The file that the finding names, if not the damaged one.
    names: Option<&'static str>,
}

const fn case(
    store: &'static str,
    file: &'static str,
    damage: Damage,
    severity: Severity,
    kind: Kind,
    at: Option<u64>,
) -> Case {
    Case { store, file, damage, severity, kind, at, names: None }
}

const LOG: &str = "commitlog/00000000000000000000";
const LOG_2: &str = "commitlog/00000000000000524288";
const QUEUE: &str = "consumequeue/Sh_Keys/1/00000000000000000000";
const EXT: &str = "consumequeue_ext/Sh_Small/0/00000000000000000000";
const INDEX: &str = "index/20261122164804389";
const BATCH: &str = "batchconsumequeue/Sh_Bcq/0/00000000000000000000";
const TIMER_LOG: &str = "timerlog/00000000000000000000";
const TABLE: &str = "config/topics.json";
/// Of the golden stores' index files.
const SLOTS_AT: u64 = 40;
const ENTRIES_AT: u64 = SLOTS_AT + 4 * 1000;

use Severity::{Note, Repair, Wrong};

const CASES: &[Case] = &[
    // The log.
    case("core", LOG, Flip(0), Wrong, Kind::Record, Some(0)),
    case("core", LOG, Flip(5), Wrong, Kind::Record, Some(0)),
    case("core", LOG, Flip(9), Wrong, Kind::Checksum, Some(0)),
    case("core", LOG, Flip(27), Wrong, Kind::Entry, None).names("consumequeue/"),
    case("core", LOG, Flip(34), Wrong, Kind::Place, Some(0)),
    case("core", LOG, Flip(100), Wrong, Kind::Checksum, Some(0)),
    case("core", LOG, Flip(508_289), Wrong, Kind::Blank, Some(508_286)),
    case("core", LOG_2, Truncate(1000), Wrong, Kind::FileSize, None),
    case("core", LOG_2, Delete, Wrong, Kind::FileGap, None).names("commitlog/00000000000001048576"),
    case("core", LOG, Copy("00000000000000262144"), Wrong, Kind::FileGap, None).names("commitlog/"),
    case("core", LOG, Copy("readme"), Note, Kind::File, None).names("commitlog/readme"),
    case(
        "core",
        "commitlog/00000000000001572864",
        Write(518_121, &[7; 40]),
        Wrong,
        Kind::Tail,
        Some(518_121),
    ),
    case("core", "commitlog/00000000000001572864", Write(519_000, &[7; 40]), Note, Kind::Tail, Some(518_121)),
    // Queues.
    case("core", QUEUE, Flip(20 + 7), Wrong, Kind::Entry, Some(20)),
    case("core", QUEUE, Flip(20 + 11), Wrong, Kind::Entry, Some(20)),
    case("core", QUEUE, Flip(20 + 19), Wrong, Kind::Entry, Some(20)),
    case("core", QUEUE, Write(20, &[0; 20]), Wrong, Kind::Missing, Some(20)),
    case(
        "core",
        QUEUE,
        Write(5000, b"\0\0\0\0\0\0\0\x09\0\0\0\x09\0\0\0\0\0\0\0\0"),
        Wrong,
        Kind::Orphan,
        Some(5000),
    ),
    case(
        "core",
        QUEUE,
        Write(5000, b"\0\0\0\x7f\0\0\0\x09\0\0\0\x09\0\0\0\0\0\0\0\0"),
        Wrong,
        Kind::Orphan,
        Some(5000),
    ),
    case("core", QUEUE, Write(5000, &[0xff; 20]), Wrong, Kind::Entry, Some(5000)),
    case("core", QUEUE, Truncate(3000), Wrong, Kind::FileSize, None),
    case("core", "consumequeue/Sh_Keys", Delete, Wrong, Kind::Missing, None).names("consumequeue/Sh_Keys/0"),
    case("flow", "consumequeue/%LMQ%Sh_q1/0/00000000000000000000", Flip(7), Wrong, Kind::Entry, Some(0)),
    case(
        "flow",
        "consumequeue/SCHEDULE_TOPIC_XXXX/2/00000000000000000000",
        Flip(19),
        Wrong,
        Kind::Entry,
        Some(0),
    ),
    case("cqext", "consumequeue/Sh_Small/0/00000000000000000000", Flip(19), Wrong, Kind::Ext, Some(0)),
    case("cqext", EXT, Flip(1), Wrong, Kind::Ext, Some(0)).names("consumequeue/Sh_Small/0/"),
    case("cqext", EXT, Flip(9), Wrong, Kind::Ext, Some(0)).names("consumequeue/Sh_Small/0/"),
    case("cqext", EXT, Flip(17), Wrong, Kind::Ext, Some(0)).names("consumequeue/Sh_Small/0/"),
    case("cqext", "consumequeue_ext", Delete, Wrong, Kind::Ext, Some(0)).names("consumequeue/Sh_Small/0/"),
    case("five", BATCH, Flip(46 + 7), Wrong, Kind::Orphan, Some(46)),
    case("five", BATCH, Flip(46 + 11), Wrong, Kind::Entry, Some(46)),
    case("five", BATCH, Flip(46 + 19), Wrong, Kind::Entry, Some(46)),
    case("five", BATCH, Flip(46 + 27), Wrong, Kind::Entry, Some(46)),
    case("five", BATCH, Flip(46 + 35), Wrong, Kind::Entry, Some(46)),
    case("five", BATCH, Flip(46 + 37), Wrong, Kind::Entry, Some(46)),
    case("five", BATCH, Flip(46 + 45), Wrong, Kind::Entry, Some(46)),
    // Index.
    case("core", INDEX, Flip(7), Wrong, Kind::IndexEntry, None),
    case("core", INDEX, Flip(14), Repair, Kind::IndexHeader, Some(8)),
    case("core", INDEX, Flip(23), Repair, Kind::IndexHeader, Some(16)),
    case("core", INDEX, Flip(31), Repair, Kind::IndexHeader, Some(24)),
    case("core", INDEX, Flip(35), Wrong, Kind::IndexHeader, Some(32)),
    case("core", INDEX, Write(36, &[0, 0, 4, 0x9e]), Wrong, Kind::IndexMissing, None).names("index"),
    case("core", INDEX, Write(SLOTS_AT, &[0, 1, 0, 0]), Wrong, Kind::IndexChain, Some(SLOTS_AT)),
    case("core", INDEX, Flip(ENTRIES_AT + 103), Wrong, Kind::IndexEntry, Some(ENTRIES_AT + 100)),
    case("core", INDEX, Flip(ENTRIES_AT + 107), Wrong, Kind::IndexEntry, Some(ENTRIES_AT + 100)),
    case("core", INDEX, Flip(ENTRIES_AT + 111), Wrong, Kind::IndexEntry, Some(ENTRIES_AT + 100)),
    case("core", INDEX, Flip(ENTRIES_AT + 115), Wrong, Kind::IndexEntry, Some(ENTRIES_AT + 100)),
    case("core", INDEX, Flip(ENTRIES_AT + 119), Wrong, Kind::IndexChain, Some(ENTRIES_AT + 100)),
    case("core", INDEX, Truncate(50_001), Wrong, Kind::FileSize, None),
    case("core", INDEX, Delete, Note, Kind::IndexMissing, None).names("index"),
    // The small files.
    case("core", "checkpoint", Delete, Repair, Kind::Checkpoint, None),
    case("core", "checkpoint", Truncate(100), Repair, Kind::Checkpoint, None),
    case("core", "checkpoint", Flip(2), Repair, Kind::Checkpoint, Some(0)),
    case("core", "checkpoint", Flip(34), Repair, Kind::Checkpoint, Some(32)),
    case("crash", "checkpoint", Flip(2), Repair, Kind::Checkpoint, Some(0)),
    case("core", "checkpoint", Flip(100), Note, Kind::Checkpoint, Some(100)),
    case("core", TABLE, Truncate(40), Repair, Kind::Json, None),
    case("core", TABLE, Text(""), Repair, Kind::Json, None),
    case("core", TABLE, Text("[]"), Repair, Kind::Json, None),
    case("core", "config/topics.json.bak", Text("{"), Note, Kind::Json, None),
    case(
        "core",
        "config/consumerOffset.json",
        Text("{\"offsetTable\":{\"a@b\":{x:1}}}"),
        Repair,
        Kind::Json,
        None,
    ),
    case(
        "core",
        "config/consumerOffset.json",
        Text("{\"offsetTable\":{\"Sh_Keys@g\":{1:1000}}}"),
        Note,
        Kind::Table,
        None,
    ),
    case("core", "config/delayOffset.json", Text("{\"offsetTable\":{1:4}}"), Note, Kind::Table, None),
    case("five", TIMER_LOG, Flip(3), Wrong, Kind::Timer, Some(0)),
    case("five", TIMER_LOG, Flip(52 + 11), Wrong, Kind::Timer, Some(52)),
    case("five", TIMER_LOG, Write(15, &[8]), Wrong, Kind::Timer, Some(0)),
    case("five", TIMER_LOG, Flip(35), Wrong, Kind::Timer, Some(0)),
    case("five", TIMER_LOG, Flip(39), Wrong, Kind::Timer, Some(0)),
    case("five", TIMER_LOG, Flip(43), Wrong, Kind::Timer, Some(0)),
    case("five", "timerwheel", Write(0, &[0, 0, 0, 0, 0, 0, 0, 9]), Wrong, Kind::Timer, Some(0)),
    case("five", "timerwheel", Truncate(33), Wrong, Kind::FileSize, None),
    case("five", "config/timercheck", Truncate(33), Repair, Kind::Timer, None),
    case("five", "config/timercheck", Write(8, &[0x80]), Wrong, Kind::Timer, Some(8)),
    case("core", "lock", Copy("notes.txt"), Note, Kind::File, None).names("notes.txt"),
];

impl Case {
    const fn names(self, names: &'static str) -> Self {
        Self { names: Some(names), ..self }
    }
}

#[test]
fn every_damage_is_found_in_its_place() {
    for store in ["core", "flow", "cqext", "five", "crash"] {
        let dir = unpack("5.5.0", store);
        let root = dir.path().join("store");
        if store != "five" {
            // Zeros, and slow to copy.
            let _ = fs::remove_file(root.join("timerwheel"));
        }
        for case in CASES.iter().filter(|case| case.store == store) {
            let what = format!("{store} {} {:?}", case.file, case.damage);
            let saved = tempfile::tempdir().unwrap();
            copy(&root, saved.path());
            apply(saved.path(), case.file, case.damage);
            let report = checked(saved.path());
            let text = report.to_text();
            assert_eq!(report.worst(), case.severity, "{what}:\n{text}");
            let names = case.names.unwrap_or(case.file);
            let is_it = |finding: &Finding| {
                finding.severity == case.severity
                    && finding.kind == case.kind
                    && finding.file.starts_with(names)
                    && (case.at.is_none() || finding.offset == case.at)
            };
            assert!(report.findings().any(is_it), "{what}:\n{text}");
        }
    }
}

/// `CommitLog.recoverAbnormally` dispatches all of the log anew, and `IndexService.buildIndex` leaves out what lies before
/// the last record of the last file that it kept, but not that record. A record whose keys go to two files shows it.
#[test]
fn javas_recovery_indexes_a_record_twice() {
    let dir = unpack("5.5.0", "core");
    let root = dir.path().join("store");
    let _ = fs::remove_file(root.join("timerwheel"));
    let before = checked(&root);
    let file = fs::OpenOptions::new().read(true).write(true).open(root.join(INDEX)).unwrap();
    let read_i32 = |at: u64| {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, at).unwrap();
        i32::from_be_bytes(bytes)
    };
    let count = read_i32(36) as u64;
    let entry_at = |number: u64| ENTRIES_AT + 20 * number;
    let mut entry = [0; 20];
    file.read_exact_at(&mut entry, entry_at(count - 1)).unwrap();
    let slot_at = SLOTS_AT + 4 * (read_i32(entry_at(count - 1)) as u64 % 1000);
    entry[16..].copy_from_slice(&read_i32(slot_at).to_be_bytes());
    file.write_all_at(&entry, entry_at(count)).unwrap();
    file.write_all_at(&(count as i32).to_be_bytes(), slot_at).unwrap();
    file.write_all_at(&(count as i32 + 1).to_be_bytes(), 36).unwrap();
    assert_eq!(checked(&root).to_text(), before.to_text().replace("1183 entries", "1184 entries"));
    assert_eq!(checked(&root).worst(), before.worst());
}

pub fn copy(from: &Path, to: &Path) {
    let done = std::process::Command::new("cp")
        .args(["-rp", "--sparse=always"])
        .arg(from.join("."))
        .arg(to)
        .status()
        .unwrap();
    assert!(done.success());
}
