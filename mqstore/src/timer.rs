//! `timerwheel`, `timerlog` and `config/timercheck` (`TimerWheel`, `TimerLog`, `TimerCheckpoint`).

use std::io;

use message::record::MAGIC_BLANK;
use message::{java_string_hash, property};

use super::log::{Probe, Span};
use super::queue::Start;
use super::report::{Kind, Report, Severity};
use super::source::{self, Reader};
use super::tree::Tree;
use store::layout::{
    TIMER_CHECK_FILE, TIMER_LOG_RECORD_BYTES, TIMER_SLOT_BYTES, TIMER_WHEEL_FILE, TimerLogRecord, TimerSlot,
    timer_blank, timer_checkpoint, timer_magic,
};
use store::topic_name::RMQ_SYS_WHEEL_TIMER;

const PIECE_BYTES: usize = 1 << 20;

/// Checks all three.
pub fn check(tree: &Tree, span: Span, start: Start, report: &mut Report) -> io::Result<()> {
    let log_end = check_log(tree, span, start, report)?;
    check_wheel(tree, log_end, start, report)?;
    check_check(tree, report)
}

/// Where the timer log ends.
fn check_log(tree: &Tree, span: Span, start: Start, report: &mut Report) -> io::Result<i64> {
    let mut end = tree.timer_log.files.first().map_or(0, |file| file.start);
    let mut probe = Probe::new(&tree.commit_log);
    for file in &tree.timer_log.files {
        let path = tree.timer_log.path(file);
        let name = tree.name(&path);
        let mut reader = Reader::open(&path, PIECE_BYTES)?;
        let mut place = 0;
        loop {
            let bytes = reader.bytes(place, TIMER_LOG_RECORD_BYTES)?;
            let blank = bytes.get(timer_blank::MAGIC_AT..).and_then(|rest| rest.first_chunk());
            if blank.is_some_and(|magic| u32::from_be_bytes(*magic) == MAGIC_BLANK) {
                end = file.end();
                break;
            }
            let Some(record) = TimerLogRecord::decode(bytes) else { break };
            if record.size == 0 {
                end = file.start + place as i64;
                if let Some(nonzero) = reader.first_nonzero(place)? {
                    report.add(Severity::Wrong, Kind::Timer, &name, Some(nonzero), || {
                        "bytes behind the end of the timer log".to_owned()
                    });
                }
                return Ok(end);
            }
            let wrong = record_fault(&record, file.start + place as i64, span, &mut probe)?;
            if let Some((behind_log, what)) = wrong {
                let severity = match behind_log {
                    true if start.running => Severity::Note,
                    true => Severity::Repair,
                    false => Severity::Wrong,
                };
                report.add(severity, Kind::Timer, &name, Some(place), || what);
            }
            place += TIMER_LOG_RECORD_BYTES as u64;
            end = file.start + place as i64;
        }
    }
    Ok(end)
}

/// What is wrong with a record, and whether it is that its message is cut off the log.
fn record_fault(
    record: &TimerLogRecord,
    place: i64,
    span: Span,
    probe: &mut Probe<'_>,
) -> io::Result<Option<(bool, String)>> {
    let kinds = timer_magic::DEFAULT | timer_magic::ROLL | timer_magic::DELETE;
    let wrong = |what: String| Ok(Some((false, what)));
    if record.size as usize != TIMER_LOG_RECORD_BYTES {
        return wrong(format!("record of {} bytes", record.size));
    }
    if record.magic == 0 || record.magic & !kinds != 0 {
        return wrong(format!("kind {}", record.magic));
    }
    if record.previous != -1 && (record.previous < 0 || record.previous >= place) {
        return wrong(format!("the record before it at {}", record.previous));
    }
    let at = record.physical_offset;
    if at < span.min && at >= 0 {
        return Ok(None);
    }
    if at >= span.end {
        return Ok(Some((true, format!("points to {at}, the log ends at {}", span.end))));
    }
    let Some(stored) = probe.record(at)? else {
        return wrong(format!("points to {at}, where no record is"));
    };
    if stored.size != record.message_bytes as usize || stored.message.topic != RMQ_SYS_WHEEL_TIMER {
        return wrong(format!(
            "{} bytes of the timer's messages at {at}, there are {} of {}",
            record.message_bytes, stored.size, stored.message.topic
        ));
    }
    let topic = property::find(&stored.message.properties, property::REAL_TOPIC).unwrap_or_default();
    if java_string_hash(topic) != record.topic_hash {
        return wrong(format!("hash {} is not that of {topic}", record.topic_hash));
    }
    Ok(None)
}

fn check_wheel(tree: &Tree, log_end: i64, start: Start, report: &mut Report) -> io::Result<()> {
    let mut reader = match Reader::open(&tree.root.join(TIMER_WHEEL_FILE), PIECE_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if reader.len() == 0 || !reader.len().is_multiple_of(TIMER_SLOT_BYTES as u64) {
        let len = reader.len();
        report.add(Severity::Wrong, Kind::FileSize, TIMER_WHEEL_FILE, None, || {
            format!("{len} bytes are no whole number of slots")
        });
        return Ok(());
    }
    let slots = reader.len() / TIMER_SLOT_BYTES as u64;
    let log_min = tree.timer_log.files.first().map_or(0, |file| file.start);
    let mut place = 0;
    while let Some(nonzero) = reader.first_nonzero(place)? {
        let index = nonzero / TIMER_SLOT_BYTES as u64;
        place = index * TIMER_SLOT_BYTES as u64;
        let Some(slot) = TimerSlot::decode(reader.bytes(place, TIMER_SLOT_BYTES)?) else { break };
        let in_log = |at: i64| at == -1 || (at < log_end && at >= 0);
        let fault = if slot.time < 0 || slot.time as u64 % slots != index {
            Some(format!("slot {index}: time {} belongs elsewhere", slot.time))
        } else if slot.last >= log_min
            && (!in_log(slot.first) || !in_log(slot.last) || slot.first > slot.last)
        {
            Some(format!(
                "slot {index}: places {} to {}, the timer log ends at {log_end}",
                slot.first, slot.last
            ))
        } else {
            None
        };
        if let Some(what) = fault {
            // A start reads the timer log again from where it was last flushed.
            let severity = match (start.running, start.unclean) {
                (true, _) => Severity::Note,
                (_, true) if slot.last >= log_end => Severity::Repair,
                _ => Severity::Wrong,
            };
            report.add(severity, Kind::Timer, TIMER_WHEEL_FILE, Some(place), || what);
        }
        place += TIMER_SLOT_BYTES as u64;
    }
    Ok(())
}

fn check_check(tree: &Tree, report: &mut Report) -> io::Result<()> {
    let bytes = match source::read_small(&tree.root.join(TIMER_CHECK_FILE), 1 << 20) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if bytes.len() != timer_checkpoint::FILE_BYTES {
        report.add(Severity::Repair, Kind::Timer, TIMER_CHECK_FILE, None, || {
            format!("{} bytes, Java's have {}", bytes.len(), timer_checkpoint::FILE_BYTES)
        });
    }
    for (index, field) in bytes.chunks_exact(8).take(timer_checkpoint::FIELDS).enumerate() {
        let value = field.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        if value < 0 {
            report.add(Severity::Wrong, Kind::Timer, TIMER_CHECK_FILE, Some(index as u64 * 8), || {
                format!("field {index} is {value}")
            });
        }
    }
    if let Some(place) = bytes.iter().skip(timer_checkpoint::BYTES).position(|&byte| byte != 0) {
        report.add(
            Severity::Note,
            Kind::Timer,
            TIMER_CHECK_FILE,
            Some((timer_checkpoint::BYTES + place) as u64),
            || "bytes behind the last field".to_owned(),
        );
    }
    Ok(())
}
