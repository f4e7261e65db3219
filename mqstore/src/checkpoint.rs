//! `checkpoint` against the log (`StoreCheckpoint`).

use std::io;

use super::log::Span;
use super::queue::Start;
use super::report::{Kind, Report, Severity};
use super::source;
use super::tree::Tree;
use store::layout::CHECKPOINT_FILE;
use store::layout::checkpoint::{self as at, Fields};

/// Each field with its Java name.
pub fn named(fields: &Fields) -> [(&'static str, usize, i64); 6] {
    [
        ("physicMsgTimestamp", at::PHYSIC_MSG_TIMESTAMP, fields.physic_msg_timestamp),
        ("logicsMsgTimestamp", at::LOGICS_MSG_TIMESTAMP, fields.logics_msg_timestamp),
        ("indexMsgTimestamp", at::INDEX_MSG_TIMESTAMP, fields.index_msg_timestamp),
        ("masterFlushedOffset", at::MASTER_FLUSHED_OFFSET, fields.master_flushed_offset),
        ("confirmPhyOffset", at::CONFIRM_PHY_OFFSET, fields.confirm_phy_offset),
        ("logicsPhysicalOffset", at::LOGICS_PHYSICAL_OFFSET, fields.logics_physical_offset),
    ]
}

/// The fields; `None` if there is no file that holds them.
pub fn read(tree: &Tree, report: &mut Report) -> Option<Fields> {
    let path = tree.root.join(CHECKPOINT_FILE);
    let mut add = |severity, offset, text: String| {
        report.add(severity, Kind::Checkpoint, CHECKPOINT_FILE, offset, || text);
    };
    let bytes = match source::read_small(&path, 1 << 20) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let severity = if tree.commit_log.files.is_empty() { Severity::Note } else { Severity::Repair };
            add(severity, None, "is missing, a start makes it anew".to_owned());
            return None;
        }
        Err(error) => {
            add(Severity::Wrong, None, format!("cannot be read: {error}"));
            return None;
        }
    };
    if bytes.len() != at::FILE_BYTES {
        add(Severity::Repair, None, format!("{} bytes, Java's have {}", bytes.len(), at::FILE_BYTES));
    }
    let fields_end = at::LOGICS_PHYSICAL_OFFSET + 8;
    let ours = bytes.get(at::DURABLE..).is_some_and(|rest| rest.starts_with(&at::DURABLE_MARK.to_be_bytes()));
    let unused_end = if ours { at::DURABLE } else { bytes.len() };
    let unused = bytes.get(fields_end..unused_end).unwrap_or_default();
    if let Some(place) = unused.iter().position(|&byte| byte != 0) {
        add(Severity::Note, Some((fields_end + place) as u64), "bytes behind the last field".to_owned());
    }
    Some(Fields::decode(&bytes))
}

/// Against what was found in the log. `last_store_ms`: the latest store time there.
pub fn check(fields: &Fields, span: Span, last_store_ms: i64, start: Start, report: &mut Report) {
    for (name, place, value) in named(fields) {
        // After a crash it says what is on disk: too far on, and what is not stays out. A place where no record is, is not believed.
        let is_believed = match name {
            "indexMsgTimestamp" => true,
            "logicsMsgTimestamp" => fields.logics_physical_offset <= 0,
            _ => false,
        };
        let severity = match (start.running, start.unclean && is_believed) {
            (true, _) => Severity::Note,
            (_, true) => Severity::Wrong,
            _ => Severity::Repair,
        };
        let is_time = name.ends_with("Timestamp");
        let limit = if is_time { last_store_ms } else { span.end };
        let what = if is_time { "the last record was stored at" } else { "the log ends at" };
        let severity = if name == "masterFlushedOffset" { Severity::Note } else { severity };
        if value > limit.max(0) {
            report.add(severity, Kind::Checkpoint, CHECKPOINT_FILE, Some(place as u64), || {
                format!("{name} {value}, {what} {limit}")
            });
        } else if value < -1 {
            report.add(Severity::Repair, Kind::Checkpoint, CHECKPOINT_FILE, Some(place as u64), || {
                format!("{name} {value}")
            });
        }
    }
}
