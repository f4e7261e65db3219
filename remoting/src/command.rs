//! A command: request or response. Java: `RemotingCommand`.

mod json;
mod rocketmq;

use crate::code::{RequestCode, ResponseCode};
use crate::ext_fields::ExtFields;
use crate::json::ScanError;
use crate::refusal::Refusal;
use bytes::Bytes;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;

/// The remark of every reply of Java's until a handler sets another, which some forget. Java:
/// `RemotingCommand.createResponseCommand`.
pub const UNSET_REMARK: &str = "not set any response code";

/// The version that we present ourselves as. Java: ordinal of `MQVersion.V5_5_0`.
pub const CURRENT_VERSION: i32 = 513;

const RESPONSE_FLAG: i32 = 1;
const ONEWAY_FLAG: i32 = 2;

/// One request or response, header and body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// A [`RequestCode`] or, in a response, a [`ResponseCode`].
    pub code: i32,
    /// The sender's.
    pub language: Language,
    /// Ordinal of the sender's `MQVersion`.
    pub version: i32,
    /// The sender's number for this request, echoed in the response.
    pub opaque: i32,
    /// Bits: response, one-way.
    pub flag: i32,
    /// A text for humans, in responses.
    pub remark: Option<Cow<'static, str>>,
    /// The typed header of the code, as text pairs: see [`crate::header`].
    pub ext: ExtFields,
    /// What the code carries behind the header.
    pub body: Body,
    /// The encoding that the header came in.
    pub codec: Codec,
}

impl Command {
    /// A request, numbered by whoever sends it.
    pub fn request(code: RequestCode, ext: ExtFields) -> Command {
        Command { code: code.0, version: CURRENT_VERSION, ext, ..Command::default() }
    }

    /// A response; whoever sends it adds the number of its request.
    pub fn response(code: ResponseCode) -> Command {
        Command { code: code.0, version: CURRENT_VERSION, flag: RESPONSE_FLAG, ..Command::default() }
    }

    /// A response with code SUCCESS.
    pub fn success() -> Command {
        Command::response(ResponseCode::SUCCESS)
    }

    /// Sets the remark.
    pub fn with_remark(mut self, remark: impl Into<Cow<'static, str>>) -> Command {
        self.remark = Some(remark.into());
        self
    }

    /// Sets the ext fields.
    pub fn with_ext(mut self, ext: ExtFields) -> Command {
        self.ext = ext;
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Body>) -> Command {
        self.body = body.into();
        self
    }

    /// What it takes of memory, about.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Command>() + self.ext.memory_bytes() + self.body.len()
    }

    /// What a request asks for.
    pub fn request_code(&self) -> RequestCode {
        RequestCode(self.code)
    }

    /// How a response says that its request ended.
    pub fn response_code(&self) -> ResponseCode {
        ResponseCode(self.code)
    }

    /// Whether this answers a request.
    pub fn is_response(&self) -> bool {
        self.flag & RESPONSE_FLAG != 0
    }

    /// A request that wants no response, not even an error.
    pub fn is_oneway(&self) -> bool {
        self.flag & ONEWAY_FLAG != 0
    }

    /// Makes this a request that wants no response.
    pub fn mark_oneway(&mut self) {
        self.flag |= ONEWAY_FLAG;
    }
}

impl From<Refusal> for Command {
    fn from(refusal: Refusal) -> Command {
        let ext = refusal.ext.map(|ext| *ext).unwrap_or_default();
        Command::response(refusal.code).with_remark(refusal.remark).with_ext(ext)
    }
}

/// The header's encoding. Java: `SerializeType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// Code 0: a JSON object.
    #[default]
    Json,
    /// Code 1: binary.
    Rocketmq,
}

impl Codec {
    /// By its code on the wire.
    pub fn of_wire(code: u8) -> Option<Codec> {
        match code {
            0 => Some(Codec::Json),
            1 => Some(Codec::Rocketmq),
            _ => None,
        }
    }

    /// The code on the wire.
    pub fn wire(self) -> u8 {
        self as u8
    }

    /// The constant's name in Java.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Json => "JSON",
            Codec::Rocketmq => "ROCKETMQ",
        }
    }

    /// The encoding that this process writes, whatever it is asked in.
    /// Java: environment `ROCKETMQ_SERIALIZE_TYPE`, by the enum's name.
    pub fn of_environment() -> Codec {
        match std::env::var("ROCKETMQ_SERIALIZE_TYPE").as_deref() {
            Ok("ROCKETMQ") => Codec::Rocketmq,
            _ => Codec::Json,
        }
    }

    pub(crate) fn decode(self, header: &[u8]) -> Result<Command, HeaderError> {
        match self {
            Codec::Json => json::decode(header),
            Codec::Rocketmq => rocketmq::decode(header),
        }
    }

    pub(crate) fn encode(self, command: &Command, out: &mut Vec<u8>) {
        match self {
            Codec::Json => json::encode(command, out),
            Codec::Rocketmq => rocketmq::encode(command, out),
        }
    }
}

/// What is wrong with a header's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Its bytes end too early.
    Truncated,
    /// A text that is not UTF-8.
    NotUtf8,
    /// No JSON, or not the JSON of a header.
    Json(ScanError),
    /// ROCKETMQ: a length that is negative or beyond the header.
    Length(i32),
}

impl From<ScanError> for HeaderError {
    fn from(error: ScanError) -> HeaderError {
        HeaderError::Json(error)
    }
}

impl std::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HeaderError::Truncated => write!(f, "it ends too early"),
            HeaderError::NotUtf8 => write!(f, "it is not UTF-8"),
            HeaderError::Json(error) => error.fmt(f),
            HeaderError::Length(length) => write!(f, "it holds a length of {length}"),
        }
    }
}

/// The language of the sender's client, by its code. Java: `LanguageCode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Language(pub u8);

impl Language {
    /// The code of Java clients, and ours.
    pub const JAVA: Language = Language(0);
    /// A name that we do not know. Java holds null, and writes it as such.
    pub const UNKNOWN: Language = Language(u8::MAX);

    const NAMES: [&str; 14] = [
        "JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY", "OTHER", "HTTP", "GO", "PHP", "OMS",
        "RUST", "NODE_JS",
    ];

    /// The constant's name in Java.
    pub fn name(self) -> Option<&'static str> {
        Self::NAMES.get(self.0 as usize).copied()
    }

    /// By the constant's name in Java.
    pub fn of_name(name: &str) -> Language {
        Self::NAMES.iter().position(|n| *n == name).map_or(Language::UNKNOWN, |code| Language(code as u8))
    }
}

/// A command's body: pieces that go out in order, without being copied together.
#[derive(Clone, Debug, Default)]
pub struct Body(SmallVec<[Bytes; 1]>);

impl Body {
    /// Bytes of all pieces.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    /// The pieces.
    pub fn segments(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter()
    }

    /// The pieces, taken.
    pub fn into_segments(self) -> impl Iterator<Item = Bytes> {
        self.0.into_iter()
    }

    /// The body as one piece: what a decoded command always has.
    pub fn bytes(&self) -> Bytes {
        match &self.0[..] {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Body {}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        if bytes.is_empty() { Body::default() } else { Body(smallvec![bytes]) }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        text.into_bytes().into()
    }
}

impl FromIterator<Bytes> for Body {
    fn from_iter<I: IntoIterator<Item = Bytes>>(segments: I) -> Body {
        Body(segments.into_iter().collect())
    }
}
