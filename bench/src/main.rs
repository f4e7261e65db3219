//! `loadgen` drives a broker over the remoting protocol and prints one line of figures, so that two brokers can be
//! compared under the same load.

mod connection;
mod end_to_end;
mod error;
mod ledger;
mod pull;
mod requests;
mod send;
mod tally;
mod topics;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, value_parser};

use connection::Connection;
use error::Error;
use ledger::Load;
use send::Schedule;
use tally::{Server, Tally};

/// One load for any RocketMQ-compatible broker.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    target: Target,
    /// Process id of the broker: its CPU time and memory are printed too.
    #[arg(long)]
    pid: Option<u32>,
    #[command(subcommand)]
    mode: Mode,
}

/// Where the load goes.
#[derive(clap::Args)]
struct Target {
    /// The broker's listen address.
    #[arg(long, default_value = "127.0.0.1:10911")]
    broker: String,
    #[arg(long, default_value = "LoadTopic")]
    topic: String,
    /// Queues of the topic; connection c uses the queues q with q % connections == c.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..))]
    queues: u32,
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..))]
    connections: u32,
}

#[derive(Subcommand)]
enum Mode {
    /// Creates the topic with --queues queues.
    Create,
    /// Creates --count topics of --queues queues, then sends a message to each queue.
    Topics {
        #[arg(long, default_value_t = 10_000)]
        count: u32,
        /// Requests in flight on each connection.
        #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
        window: u32,
    },
    /// Closed loop: every connection keeps --window sends in flight for --seconds.
    Send {
        #[arg(long, default_value_t = 128)]
        size: usize,
        #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..))]
        window: u32,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Messages a request (1 = SEND_MESSAGE_V2, more = SEND_BATCH_MESSAGE).
        #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
        batch: u32,
    },
    /// Open loop: --rate sends a second in all, for --seconds.
    Rate {
        #[arg(long, default_value_t = 128)]
        size: usize,
        #[arg(long, default_value_t = 5000, value_parser = value_parser!(u64).range(1..))]
        rate: u64,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Reads every queue from its min offset to its max, as fast as it comes.
    Pull {
        /// Messages a pull.
        #[arg(long, default_value_t = 32)]
        max: u32,
        /// Stop after this many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Sends numbered messages and appends every acknowledged one to --file, until --seconds pass or
    /// the broker goes away (so kill it as you like).
    Ledger {
        #[arg(long)]
        file: PathBuf,
        #[arg(long, default_value_t = 200)]
        size: usize,
        #[arg(long, default_value_t = 16, value_parser = value_parser!(u32).range(1..))]
        window: u32,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Start of the message numbers: give each run of one ledger its own.
        #[arg(long, default_value_t = 0)]
        first: u64,
    },
    /// Reads the topic and checks that every acknowledged message of --file is there, whole, at its
    /// queue and offset. Exit status 1 where one is missing or damaged.
    Verify {
        #[arg(long)]
        file: PathBuf,
    },
    /// Open loop sends with one long-polling reader a queue; latency from birth to arrival.
    EndToEnd {
        #[arg(long, default_value_t = 128)]
        size: usize,
        #[arg(long, default_value_t = 1000, value_parser = value_parser!(u64).range(1..))]
        rate: u64,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    run(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("loadgen: {error}");
        ExitCode::from(2)
    })
}

fn run(args: &Args) -> Result<ExitCode, Error> {
    let target = &args.target;
    let server = Server::before_run(args.pid);
    let figures = match &args.mode {
        Mode::Create => {
            create(target)?;
            return Ok(ExitCode::SUCCESS);
        }
        Mode::Topics { count, window } => {
            let topics::Figures { create, send, failed } = topics::run(target, *count, *window)?;
            println!(
                "topics create={:.1}s send={:.1}s failed={failed}",
                create.as_secs_f64(),
                send.as_secs_f64()
            );
            return Ok(ExitCode::SUCCESS);
        }
        Mode::Ledger { file, size, window, seconds, first } => {
            let run = Duration::from_secs(*seconds);
            let load = Load { body_bytes: *size, window: *window, run, first: *first };
            println!("ledger acknowledged={}", ledger::write(target, file, &load)?);
            return Ok(ExitCode::SUCCESS);
        }
        Mode::Verify { file } => return verify(target, file.as_path()),
        Mode::Send { size, window, seconds, batch } => {
            let run = Duration::from_secs(*seconds);
            let send = |number| send::closed_loop(target, number, *size, *window, run, *batch);
            server.figures("send", on_each_connection(target, &send)?)
        }
        Mode::Rate { size, rate, seconds } => {
            let schedule = Schedule::new(*rate, *seconds);
            let send = |number| send::open_loop(target, number, *size, schedule);
            server.figures("rate", on_each_connection(target, &send)?)
        }
        Mode::Pull { max, seconds } => {
            let pull = |number| pull::all(target, number, *max, Duration::from_secs(*seconds));
            server.figures("pull", on_each_connection(target, &pull)?)
        }
        Mode::EndToEnd { size, rate, seconds } => {
            server.figures("e2e", end_to_end::run(target, *size, *rate, *seconds)?)
        }
    };
    println!("{figures}");
    Ok(ExitCode::SUCCESS)
}

fn create(target: &Target) -> Result<(), Error> {
    let mut connection = Connection::open(&target.broker)?;
    let code = requests::create_topic(&mut connection.outbox, 1, &target.topic, target.queues);
    let (response, header) = connection.answer(code, |response| (response.code, response.header_text()))?;
    if response == wire::SUCCESS { Ok(()) } else { Err(Error::Refused { code, response, header }) }
}

fn verify(target: &Target, file: &std::path::Path) -> Result<ExitCode, Error> {
    let found = ledger::verify(target, file)?;
    println!(
        "verify acknowledged={} missing={} damaged={} clashes={} unacknowledged_but_stored={}",
        found.acknowledged, found.missing, found.damaged, found.clashes, found.unacknowledged
    );
    Ok(if found.all_there() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Target {
    /// The queues that a connection uses, at least one: with fewer queues than connections they share.
    fn queues_of(&self, connection: u32) -> Vec<u32> {
        let first = connection % self.queues.min(self.connections);
        (0..self.queues).filter(|queue| queue % self.connections == first).collect()
    }
}

fn on_each_connection(
    target: &Target,
    run: &(dyn Fn(u32) -> Result<Tally, Error> + Sync),
) -> Result<Tally, Error> {
    thread::scope(|scope| {
        sum((0..target.connections).map(|number| scope.spawn(move || run(number))).collect())
    })
}

/// Waits for all, also when one has failed.
fn sum(threads: Vec<ScopedJoinHandle<'_, Result<Tally, Error>>>) -> Result<Tally, Error> {
    let mut total = Tally::new();
    threads.into_iter().try_for_each(|thread| {
        total.add(join(thread)?);
        Ok(())
    })?;
    Ok(total)
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T, Error>>) -> Result<T, Error> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Since 1970. A load needs no other clock than the machine's.
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(queues: u32, connections: u32) -> Target {
        Target { broker: String::new(), topic: String::new(), queues, connections }
    }

    #[test]
    fn each_connection_has_queues_and_each_queue_a_connection() {
        assert_eq!(target(8, 4).queues_of(1), [1, 5]);
        assert_eq!(target(3, 4).queues_of(3), [0]);
        for (queues, connections) in [(1, 1), (8, 4), (3, 4), (5, 2)] {
            let target = target(queues, connections);
            let mut used: Vec<_> = (0..connections).flat_map(|number| target.queues_of(number)).collect();
            used.sort();
            used.dedup();
            assert_eq!(used, (0..queues).collect::<Vec<_>>(), "{queues} on {connections}");
        }
    }

    #[test]
    fn arguments_are_understood() {
        use clap::CommandFactory;
        Args::command().debug_assert();
        let words = "loadgen --topic T --queues 8 --pid 1 end-to-end --rate 10".split(' ');
        let args = Args::try_parse_from(words).ok().unwrap();
        assert!(matches!(args.mode, Mode::EndToEnd { rate: 10, size: 128, seconds: 10 }));
        assert!(Args::try_parse_from("loadgen --queues 0 create".split(' ')).is_err());
    }
}
