//! Why the store did not do what it was asked.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place in a file that could not be read or written: its disk failed, the file was cut behind our back, or what stands
/// there cannot be what was written.
#[derive(Clone, Debug)]
pub struct AccessError(Arc<Place>);

#[derive(Debug)]
struct Place {
    path: PathBuf,
    at: u64,
    why: Cow<'static, str>,
}

impl AccessError {
    #[cold]
    pub(crate) fn new(path: &Path, at: u64, why: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Place { path: path.to_owned(), at, why: why.into() }))
    }

    /// For an operation on a file that has failed.
    #[cold]
    pub(crate) fn of(path: &Path, at: u64, error: io::Error) -> Self {
        match error.downcast() {
            Ok(known) => known,
            Err(error) => Self::new(path, at, error.to_string()),
        }
    }

    /// Where in its file.
    pub(crate) fn at(&self) -> u64 {
        self.0.at
    }

    /// The place for which an operation failed, if it failed for one.
    pub(crate) fn behind<T>(done: io::Result<T>) -> io::Result<Option<Self>> {
        match done.map_err(io::Error::downcast) {
            Ok(_) => Ok(None),
            Err(Ok(place)) => Ok(Some(place)),
            Err(Err(other)) => Err(other),
        }
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { path, at, why } = &*self.0;
        write!(f, "{} at {at}: {why}", path.display())
    }
}

impl std::error::Error for AccessError {}

impl From<AccessError> for io::Error {
    fn from(error: AccessError) -> Self {
        Self::other(error)
    }
}

/// Why a message was not appended. Each is one of Java's `PutMessageStatus`, but the last two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutError {
    /// Not started, shutting down, a slave, or the disk refuses writes. Java: `SERVICE_NOT_AVAILABLE`.
    ServiceNotAvailable(String),
    /// The next log file could not be made. Java: `CREATE_MAPPED_FILE_FAILED`.
    CreateMappedFileFailed(String),
    /// Topic, body or record too long, or flags that a batch must not have. Java: `MESSAGE_ILLEGAL`.
    MessageIllegal(String),
    /// Properties beyond 32,767 bytes. Java: `PROPERTIES_SIZE_EXCEEDED`.
    PropertiesSizeExceeded,
    /// Fewer replicas are in sync than an acknowledgement needs. Java: `IN_SYNC_REPLICAS_NOT_ENOUGH`.
    InSyncReplicasNotEnough,
    /// No room for one more LMQ. Java: `LMQ_CONSUME_QUEUE_NUM_EXCEEDED`.
    LmqConsumeQueueNumExceeded,
    /// Another append has held the lock too long. Java: `OS_PAGE_CACHE_BUSY`.
    OsPageCacheBusy,
    /// The timer does not take it. The store itself knows none.
    WheelTimer(WheelTimerError),
    /// A batch body that does not split, or beyond `max_message_size`: Java throws, its caller answers SYSTEM_ERROR with
    /// this text.
    BatchIllegal(String),
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceNotAvailable(why) => write!(f, "store not writable: {why}"),
            Self::CreateMappedFileFailed(why) => write!(f, "cannot make the next commit log file: {why}"),
            Self::MessageIllegal(why) | Self::BatchIllegal(why) => f.write_str(why),
            Self::PropertiesSizeExceeded => f.write_str("properties longer than 32767 bytes"),
            Self::InSyncReplicasNotEnough => f.write_str("in-sync replicas not enough"),
            Self::LmqConsumeQueueNumExceeded => f.write_str("too many LMQs"),
            Self::WheelTimer(why) => why.fmt(f),
            Self::OsPageCacheBusy => f.write_str("page cache busy"),
        }
    }
}

impl std::error::Error for PutError {}

/// Why a message with a delivery time of its own is not taken. Each is one of Java's `PutMessageStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WheelTimerError {
    /// The timer is off. Java: `WHEEL_TIMER_NOT_ENABLE`.
    NotEnable,
    /// A time that is no number or too far off, or a recall that comes too late. Java: `WHEEL_TIMER_MSG_ILLEGAL`.
    MsgIllegal,
    /// Too many messages want that time. Java: `WHEEL_TIMER_FLOW_CONTROL`.
    FlowControl,
}

impl fmt::Display for WheelTimerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEnable => "timed messages are switched off",
            Self::MsgIllegal => "no time at which a message can be delivered",
            Self::FlowControl => "too many messages for that time",
        })
    }
}

impl std::error::Error for WheelTimerError {}

/// Why a store does not open or start.
#[derive(Debug)]
pub enum OpenError {
    /// A running broker, ours or Java's, holds the lock.
    Locked(PathBuf),
    /// Directory or file that cannot be read, made or written.
    Io {
        /// Which of them.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A log or queue file that cannot be read: its disk fails, or it was cut while it was open.
    Access(AccessError),
    /// A file size that cannot be.
    FileSize {
        /// What sets the size: a key of Java's configuration, or several and what of.
        property: &'static str,
        /// The size that comes of it.
        bytes: u64,
    },
    /// A file whose size is not the configured one.
    WrongFileSize {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The configured size.
        expected: u64,
    },
    /// Two directories of the log have a file of the same name.
    FileTwice(PathBuf, PathBuf),
}

impl OpenError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl From<AccessError> for OpenError {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(path) => write!(f, "store is locked by a running broker: {}", path.display()),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Access(error) => error.fmt(f),
            Self::FileSize { property, bytes } => write!(f, "{property}={bytes} is no size of a file"),
            Self::WrongFileSize { path, bytes, expected } => {
                write!(f, "{} has {bytes} bytes, configured are {expected}", path.display())
            }
            Self::FileTwice(one, other) => {
                write!(f, "{} and {} are one part of the log", one.display(), other.display())
            }
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Access(error) => Some(error),
            _ => None,
        }
    }
}
