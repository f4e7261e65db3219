//! One connection to the broker: never blocks longer than it is told to.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::error::Error;
use crate::requests::{self, Queue};
use crate::wire::Response;

const BUFFER_BYTES: usize = 1 << 20;
const READ_BYTES: usize = 256 << 10;
const CALL_WAIT: Duration = Duration::from_secs(10);

pub struct Connection {
    stream: TcpStream,
    /// What has come and is not handed on yet: the tail is half a frame.
    received: Vec<u8>,
    /// Requests are appended here; [`Connection::turn`] sends them.
    pub outbox: Vec<u8>,
    sent_bytes: usize,
}

impl Connection {
    pub fn open(addr: &str) -> Result<Connection, Error> {
        let connect = || -> io::Result<TcpStream> {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        let stream = connect().map_err(|source| Error::Connect { addr: addr.to_owned(), source })?;
        Ok(Connection {
            stream,
            received: Vec::with_capacity(BUFFER_BYTES),
            outbox: Vec::with_capacity(BUFFER_BYTES),
            sent_bytes: 0,
        })
    }

    /// Waits up to `wait` for something to do, then moves bytes both ways.
    pub fn turn(&mut self, wait: Duration) -> Result<(), Error> {
        let mut wanted = PollFlags::POLLIN;
        if self.sent_bytes < self.outbox.len() {
            wanted |= PollFlags::POLLOUT;
        }
        let mut ready = [PollFd::new(self.stream.as_fd(), wanted)];
        // An interrupted wait is a short one.
        let _ = ppoll(&mut ready, Some(TimeSpec::from_duration(wait)), None);
        let has_input = ready[0].revents().is_some_and(|seen| seen != PollFlags::POLLOUT && !seen.is_empty());
        self.write_out()?;
        if has_input { self.read_in() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<(), Error> {
        while self.sent_bytes < self.outbox.len() {
            match self.stream.write(&self.outbox[self.sent_bytes..]) {
                Ok(bytes) => self.sent_bytes += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Error::Closed),
            }
        }
        self.outbox.clear();
        self.sent_bytes = 0;
        Ok(())
    }

    fn read_in(&mut self) -> Result<(), Error> {
        let before = self.received.len();
        self.received.resize(before + READ_BYTES, 0);
        let read = self.stream.read(&mut self.received[before..]);
        self.received.truncate(before + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(Error::Closed),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    /// Hands on every whole frame that has come.
    pub fn responses(&mut self, mut seen: impl FnMut(Response<'_>)) -> Result<(), Error> {
        let mut used = 0;
        while let Some((response, bytes)) = Response::first(&self.received[used..])? {
            seen(response);
            used += bytes;
        }
        self.received.drain(..used);
        Ok(())
    }

    /// Sends what is in the outbox, one request of this code, and waits for its response.
    pub fn answer<T>(&mut self, code: i32, read: impl Fn(Response<'_>) -> T) -> Result<T, Error> {
        let until = Instant::now() + CALL_WAIT;
        let mut answer = None;
        while Instant::now() < until {
            self.turn(Duration::from_millis(100))?;
            self.responses(|response| answer = Some(read(response)))?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        Err(Error::Silent { code, wait: CALL_WAIT })
    }

    /// The first and the end offset of a queue; -1 for both where there is none.
    pub fn offsets(&mut self, queue: Queue<'_>) -> Result<(i64, i64), Error> {
        let mut ask = |code| {
            requests::offset(&mut self.outbox, code, queue);
            self.answer(code, |response| response.number("offset"))
        };
        Ok((ask(requests::GET_MIN_OFFSET)?, ask(requests::GET_MAX_OFFSET)?))
    }
}
