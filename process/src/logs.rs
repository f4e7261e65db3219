//! Log files under Java's names, in Java's format, rolled as Java's logback files are.
//!
//! An event is rendered where it happens and handed over a bounded queue to one thread that writes all files; a full
//! queue drops lines and counts them, so that a slow disk never stalls a server.

mod rolling;
mod subscriber;
mod writer;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::{Dispatch, Level};

use crate::clock::Clock;
use crate::files::FileError;

use subscriber::FileSubscriber;
use writer::Writer;

/// One log file, and the events that go into it.
#[derive(Clone, Copy, Debug)]
pub struct LogFile {
    /// A tracing target; events of targets below it (`store::append` below `store`) come here too,
    /// unless a longer target of the list fits. The empty target takes what fits no other.
    pub target: &'static str,
    /// Name without `.log`.
    pub name: &'static str,
    /// A file that has grown beyond this is put aside.
    pub roll_bytes: u64,
    /// Rolled and compressed files that are kept.
    pub kept: u32,
}

const MB: u64 = 1 << 20;

const fn file(target: &'static str, name: &'static str, roll_bytes: u64, kept: u32) -> LogFile {
    LogFile { target, name, roll_bytes, kept }
}

/// Java's `rmq.namesrv.logback.xml`.
pub const NAMESRV_FILES: &[LogFile] =
    &[file("", "namesrv", 100 * MB, 5), file("namesrv::traffic", "namesrv_traffic", 100 * MB, 10)];

/// Java's `rmq.broker.logback.xml`, for the rooms that we have; and the name server's, for a standalone process.
pub const BROKER_FILES: &[LogFile] = &[
    file("", "broker", 128 * MB, 20),
    file("broker::filter", "filter", 100 * MB, 10),
    file("broker::lock", "lock", 100 * MB, 5),
    file("broker::pop", "pop", 128 * MB, 10),
    file("broker::protection", "protection", 100 * MB, 10),
    file("broker::stats", "stats", 100 * MB, 5),
    file("broker::transaction", "transaction", 100 * MB, 10),
    file("broker::water_mark", "watermark", 100 * MB, 10),
    file("namesrv", "namesrv", 100 * MB, 5),
    file("namesrv::traffic", "namesrv_traffic", 100 * MB, 10),
    file("remoting", "remoting", 100 * MB, 10),
    file("store", "store", 128 * MB, 10),
    file("store::error", "storeerror", 100 * MB, 10),
];

/// `~/logs/rocketmqlogs`. With `isolateLogEnable` Java appends `<brokerName>_<brokerId>` to that last name, without a
/// separator.
pub fn folder(home: &Path, isolated_as: Option<&str>) -> PathBuf {
    home.join("logs").join(format!("rocketmqlogs{}", isolated_as.unwrap_or_default()))
}

/// The running log. Keep it until the end: dropping it writes out what is queued.
pub struct Logs {
    dispatch: Dispatch,
    _writer: Writer,
}

impl Logs {
    /// Starts writing to `folder`. Files are made at their first line. An error if the folder or the thread that writes
    /// cannot be made.
    pub fn open(
        folder: &Path,
        files: &'static [LogFile],
        level: Level,
        clock: Clock,
    ) -> Result<Logs, FileError> {
        let writer = Writer::start(folder, files)?;
        let dispatch = Dispatch::new(FileSubscriber::new(files, level, clock, writer.queue()));
        Ok(Logs { dispatch, _writer: writer })
    }

    /// Makes this the process's log. Only the first call of a process has an effect.
    pub fn make_global(&self) {
        // The error says that there is one already.
        let _ = tracing::dispatcher::set_global_default(self.dispatch.clone());
    }

    /// What [`make_global`](Self::make_global) makes the process's log; tests use it for one thread.
    pub fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }
}

/// `2026-11-23 02:59:39`: Java's log pattern, which has its times in GMT+8 wherever the server runs.
pub fn timestamp(wall_ms: i64) -> String {
    const GMT_PLUS_8_S: i64 = 8 * 3600;
    date_and_time(wall_ms.div_euclid(1000) + GMT_PLUS_8_S)
}

/// `2026-11-22 18:59:39.042Z`: to the millisecond and where nothing is Java's.
pub fn utc(wall_ms: i64) -> String {
    format!("{}.{:03}Z", date_and_time(wall_ms.div_euclid(1000)), wall_ms.rem_euclid(1000))
}

fn date_and_time(seconds: i64) -> String {
    const DAY_S: i64 = 86_400;
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_S));
    let of_day = seconds.rem_euclid(DAY_S);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a count of days since 1970 (Gregorian, any era), counting years from March so that the leap
/// day comes last.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    const DAYS_FROM_0000_MARCH_TO_1970: i64 = 719_468;
    let days = days + DAYS_FROM_0000_MARCH_TO_1970;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// One line on stdout, as Java's start-up prints it. A reader that has gone must not end a server.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Puts lines on the console as Java's console log does: what `-p` and `-m` print.
pub fn print_on_console(clock: &Clock, lines: impl IntoIterator<Item = String>) {
    let mut console = io::stdout().lock();
    for line in lines {
        // The reader may have gone, as in `mqbroker -p | head`.
        if writeln!(console, "{} INFO main - {line}", timestamp(clock.wall_ms())).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
