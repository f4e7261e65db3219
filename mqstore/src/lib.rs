//! `mqstore`: looks at any store, Java's or ours, running or stopped, and changes nothing.
//!
//! The judge of a take-over: it shares the layouts with the store ([`store::layout`], the record's codec) and none of
//! its logic. It reads with `pread` only: no lock, no mapping, no write.
//!
//! ```text
//! tree (which files) -> log (one walk) -> queue, batch_queue, index: what each record should have there
//!                                      -> checkpoint, table, timer: what is kept beside
//!                                      -> report
//! ```
//!
//! Memory: some 40 MiB of windows on queue entries, at most a record of 128 MiB, the slots of one index file (20 MB by default),
//! some hundred bytes a queue, the tables of `config/`.
#![warn(missing_docs)]

mod batch_queue;
mod check;
mod checkpoint;
pub mod cli;
mod dump;
mod expected;
mod ext;
mod index;
mod log;
mod outlook;
mod queue;
pub mod report;
mod source;
mod stat;
mod table;
#[cfg(test)]
mod tests;
mod timer;
mod tree;

pub use check::check;
pub use dump::{Wanted, What, dump};
pub use report::{Finding, Kind, Report, Severity};
pub use stat::stat;
pub use tree::Options;
