//! What both server processes need and is not the wire: configuration, the command line, log files, safe replacement
//! of small files, the clock, threads and signals. Knows nothing about topics, sockets or stores.
#![warn(missing_docs)]

pub mod clock;
pub mod config;
pub mod files;
pub mod flags;
pub mod logs;
pub mod printable;
pub mod properties;
pub mod signals;
pub mod threads;
