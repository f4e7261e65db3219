//! Why a run could not be made.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug)]
pub enum Error {
    Connect {
        addr: String,
        source: io::Error,
    },
    /// The broker closed the connection, or it broke.
    Closed,
    /// What came is no remoting frame.
    NoFrame,
    /// No answer to a request code within this time.
    Silent {
        code: i32,
        wait: Duration,
    },
    /// A response code other than 0 where the run cannot go on without the answer.
    Refused {
        code: i32,
        response: i32,
        header: String,
    },
    Ledger {
        path: PathBuf,
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect { addr, source } => write!(f, "cannot connect to {addr}: {source}"),
            Error::Closed => write!(f, "the broker closed the connection"),
            Error::NoFrame => write!(f, "the broker sent what is no frame"),
            Error::Silent { code, wait } => write!(f, "no answer to request code {code} in {wait:?}"),
            Error::Refused { code, response, header } => {
                write!(f, "request code {code} was answered with {response}: {header}")
            }
            Error::Ledger { path, source } => write!(f, "{}: {source}", path.display()),
        }
    }
}
