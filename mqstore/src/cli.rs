//! The command line of `mqstore`.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use process::properties::Properties;

use super::dump::{Failed, Wanted, What, dump};
use super::stat::stat;
use super::{Options, Severity, check};

/// `sysexits.h`: the command line is not understood.
const EX_USAGE: u8 = 64;
/// `sysexits.h`: something cannot be read or written.
const EX_IOERR: u8 = 74;

const AFTER_HELP: &str = "\
A finding is a `note` (nothing is wrong), a `repair` (the start of a broker puts it right) or `wrong` (no start repairs it, or
only by dropping messages). DIR is the broker's storePathRootDir; it may be in use, on a read-only file system, and of Java's
broker (4.9.7, 5.5.0) or ours. Nothing in it is changed.

Exit status: 0 sound, 1 a start repairs what is wrong, 2 a start does not, 64 usage, 74 the store cannot be read.";

fn command() -> Command {
    let dir = || {
        Arg::new("DIR")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help("Root directory of the store (storePathRootDir)")
    };
    let config = || {
        Arg::new("config")
            .long("config")
            .short('c')
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The broker's properties: commit log folders, index geometry, delay levels")
    };
    Command::new("mqstore")
        .about("Looks at a message store without changing it")
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .subcommand(
            Command::new("check")
                .about("Verifies every record, queue entry, index entry, checkpoint and table")
                .after_help(AFTER_HELP)
                .arg(dir())
                .arg(config())
                .arg(
                    Arg::new("examples")
                        .long("examples")
                        .value_name("N")
                        .default_value("3")
                        .value_parser(clap::value_parser!(usize))
                        .help("Like findings of a file told in words; the others are counted"),
                )
                .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON object a line")),
        )
        .subcommand(
            Command::new("stat").about("Counts messages, bytes, lags and files").arg(dir()).arg(config()),
        )
        .subcommand(dump_command().arg(config()))
}

fn dump_command() -> Command {
    let number = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .allow_negative_numbers(true)
            .value_parser(clap::value_parser!(i64))
            .help(help)
    };
    Command::new("dump")
        .about("Prints what stands in the files, one line an item")
        .arg(
            Arg::new("DIR")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Root directory of the store (storePathRootDir)"),
        )
        .arg(Arg::new("WHAT").default_value("log").value_parser(What::NAMES).help("Which files"))
        .arg(Arg::new("topic").long("topic").value_name("T").help("Only of this topic (log, queue)"))
        .arg(number("queue", "N", "Only of this queue id (log, queue)"))
        .arg(number("from", "OFFSET", "From this physical offset (log, index) or queue offset (queue) on"))
        .arg(number("count", "N", "Items, at most"))
        .arg(Arg::new("body").long("body").action(ArgAction::SetTrue).help("Bodies too (log)"))
}

/// Why the tool ends without an answer.
#[derive(Debug)]
enum Failure {
    Config(PathBuf, String),
    Store(PathBuf, io::Error),
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Self::Store(path, why) => write!(f, "cannot read the store {}: {why}", path.display()),
            Self::Output(why) => write!(f, "cannot write: {why}"),
        }
    }
}

/// The program, but for its streams.
pub fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let is_error = error.use_stderr();
            // Nothing else to say if even this cannot be written.
            let _ = error.print();
            return if is_error { ExitCode::from(EX_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let done = match matches.subcommand() {
        Some(("check", matches)) => run_check(matches, out),
        Some(("stat", matches)) => run_stat(matches, out),
        Some(("dump", matches)) => run_dump(matches, out),
        _ => return ExitCode::from(EX_USAGE),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        // A reader that has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mqstore: {failure}");
            ExitCode::from(EX_IOERR)
        }
    }
}

fn dir(matches: &ArgMatches) -> PathBuf {
    matches.get_one::<PathBuf>("DIR").cloned().unwrap_or_default()
}

fn options(matches: &ArgMatches) -> Result<Options, Failure> {
    let mut options = Options::default();
    if let Some(path) = matches.get_one::<PathBuf>("config") {
        let failed = |why: String| Failure::Config(path.clone(), why);
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        options.properties = Properties::parse(&bytes).map_err(|error| failed(error.to_string()))?;
    }
    Ok(options)
}

fn unreadable(dir: &Path) -> impl FnOnce(io::Error) -> Failure + '_ {
    move |error| Failure::Store(dir.to_owned(), error)
}

fn run_check(matches: &ArgMatches, out: &mut dyn Write) -> Result<u8, Failure> {
    let mut options = options(matches)?;
    if let Some(examples) = matches.get_one::<usize>("examples") {
        options.examples_max = *examples;
    }
    let dir = dir(matches);
    let report = check(&dir, &options).map_err(unreadable(&dir))?;
    let text = if matches.get_flag("json") { report.to_json_lines() } else { report.to_text() };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    Ok(match report.worst() {
        Severity::Note => 0,
        Severity::Repair => 1,
        Severity::Wrong => 2,
    })
}

fn run_stat(matches: &ArgMatches, out: &mut dyn Write) -> Result<u8, Failure> {
    let dir = dir(matches);
    let text = stat(&dir, &options(matches)?).map_err(unreadable(&dir))?;
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    Ok(0)
}

fn run_dump(matches: &ArgMatches, out: &mut dyn Write) -> Result<u8, Failure> {
    let dir = dir(matches);
    let number = |name: &str| matches.get_one::<i64>(name).copied();
    let wanted = Wanted {
        topic: matches.get_one::<String>("topic").cloned(),
        queue_id: number("queue").and_then(|id| i32::try_from(id).ok()),
        from: number("from").unwrap_or(0),
        count: number("count").map_or(u64::MAX, |count| u64::try_from(count).unwrap_or(0)),
        body: matches.get_flag("body"),
    };
    let what = matches.get_one::<String>("WHAT").and_then(|name| What::parse(name)).unwrap_or(What::Log);
    dump(&dir, &options(matches)?, what, &wanted, out).map_err(|failed| match failed {
        Failed::Store(error) => Failure::Store(dir.clone(), error),
        Failed::Output(error) => Failure::Output(error),
    })?;
    out.flush().map_err(Failure::Output)?;
    Ok(0)
}
