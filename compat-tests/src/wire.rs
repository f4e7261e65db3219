//! A remoting client of its own, blocking and plain: the judge shares no code with the servers it judges.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Map, Value};

/// `MQVersion.V5_5_0`, what a 5.5.0 client puts into `version`.
pub const VERSION_5_5_0: i32 = 513;
/// `MQVersion.V4_9_7`.
pub const VERSION_4_9_7: i32 = 407;

pub const FLAG_RESPONSE: i32 = 1;
const FLAG_ONEWAY: i32 = 2;
const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// For an answer that may never come.
const ANSWER_WAIT: Duration = Duration::from_millis(300);
const REPLY_WAIT: Duration = Duration::from_secs(20);

/// Which of the two header encodings a frame uses (`SerializeType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Json,
    RocketMq,
}

/// A request or a reply as it crosses the wire (`RemotingCommand`).
#[derive(Clone, Debug)]
pub struct Command {
    pub code: i32,
    pub flag: i32,
    pub opaque: i32,
    pub version: i32,
    pub language: String,
    pub remark: Option<String>,
    pub ext: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub codec: Codec,
}

impl Command {
    pub fn request(code: i32, ext: &[(&str, &str)], body: &[u8]) -> Self {
        Command {
            code,
            flag: 0,
            opaque: 0,
            version: VERSION_5_5_0,
            language: "JAVA".into(),
            remark: None,
            ext: ext.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
            body: body.to_vec(),
            codec: Codec::Json,
        }
    }

    pub fn oneway(mut self) -> Self {
        self.flag |= FLAG_ONEWAY;
        self
    }

    fn is_reply(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// The whole frame, its four length bytes included.
    pub fn encode(&self) -> Vec<u8> {
        let header = match self.codec {
            Codec::Json => self.json_header(),
            Codec::RocketMq => self.binary_header(),
        };
        frame(self.codec as u8, &header, &self.body)
    }

    fn json_header(&self) -> Vec<u8> {
        let mut header = Map::new();
        header.insert("code".into(), self.code.into());
        header.insert("flag".into(), self.flag.into());
        header.insert("language".into(), self.language.clone().into());
        header.insert("opaque".into(), self.opaque.into());
        header.insert("serializeTypeCurrentRPC".into(), "JSON".into());
        header.insert("version".into(), self.version.into());
        if let Some(remark) = &self.remark {
            header.insert("remark".into(), remark.clone().into());
        }
        let ext = self.ext.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect::<Map<_, _>>();
        header.insert("extFields".into(), ext.into());
        Value::from(header).to_string().into_bytes()
    }

    fn binary_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend_from_slice(&(self.code as i16).to_be_bytes());
        header.push(language_code(&self.language));
        header.extend_from_slice(&(self.version as i16).to_be_bytes());
        header.extend_from_slice(&self.opaque.to_be_bytes());
        header.extend_from_slice(&self.flag.to_be_bytes());
        let remark = self.remark.as_deref().unwrap_or("");
        header.extend_from_slice(&(remark.len() as i32).to_be_bytes());
        header.extend_from_slice(remark.as_bytes());
        let mut ext = Vec::new();
        for (key, value) in &self.ext {
            ext.extend_from_slice(&(key.len() as i16).to_be_bytes());
            ext.extend_from_slice(key.as_bytes());
            ext.extend_from_slice(&(value.len() as i32).to_be_bytes());
            ext.extend_from_slice(value.as_bytes());
        }
        header.extend_from_slice(&(ext.len() as i32).to_be_bytes());
        header.extend_from_slice(&ext);
        header
    }

    fn decode(frame: &[u8]) -> io::Result<Self> {
        let mark = u32::from_be_bytes(take(frame, 0, 4)?.try_into().unwrap());
        let header_bytes = (mark & 0x00FF_FFFF) as usize;
        let header = take(frame, 4, header_bytes)?;
        let body = frame[4 + header_bytes..].to_vec();
        match mark >> 24 {
            0 => Self::decode_json(header, body),
            1 => Self::decode_binary(header, body),
            other => Err(bad(format!("unknown header encoding {other}"))),
        }
    }

    fn decode_json(header: &[u8], body: Vec<u8>) -> io::Result<Self> {
        let fields: Value = serde_json::from_slice(header).map_err(|e| bad(format!("reply header: {e}")))?;
        let number = |key: &str| fields.get(key).and_then(Value::as_i64).map(|n| n as i32);
        let missing = |key: &str| bad(format!("reply header without {key}: {fields}"));
        let mut ext = BTreeMap::new();
        for (key, value) in fields.get("extFields").and_then(Value::as_object).into_iter().flatten() {
            // Java writes every value as a JSON string; anything else would surprise its clients.
            let text =
                value.as_str().ok_or_else(|| bad(format!("extFields.{key} is not a string: {value}")))?;
            ext.insert(key.clone(), text.to_string());
        }
        Ok(Command {
            code: number("code").ok_or_else(|| missing("code"))?,
            flag: number("flag").ok_or_else(|| missing("flag"))?,
            opaque: number("opaque").ok_or_else(|| missing("opaque"))?,
            version: number("version").ok_or_else(|| missing("version"))?,
            language: fields.get("language").and_then(Value::as_str).unwrap_or("").to_string(),
            remark: fields.get("remark").and_then(Value::as_str).map(str::to_string),
            ext,
            body,
            codec: Codec::Json,
        })
    }

    fn decode_binary(header: &[u8], body: Vec<u8>) -> io::Result<Self> {
        let int = |at: usize| -> io::Result<i32> {
            Ok(i32::from_be_bytes(take(header, at, 4)?.try_into().unwrap()))
        };
        let short = |bytes: &[u8]| i16::from_be_bytes([bytes[0], bytes[1]]);
        let remark_bytes = int(13)? as usize;
        let remark = take(header, 17, remark_bytes)?;
        let ext_bytes = int(17 + remark_bytes)? as usize;
        let mut rest = take(header, 21 + remark_bytes, ext_bytes)?;
        let mut ext = BTreeMap::new();
        while !rest.is_empty() {
            let key_bytes = short(take(rest, 0, 2)?) as usize;
            let key = take(rest, 2, key_bytes)?;
            let value_bytes = i32::from_be_bytes(take(rest, 2 + key_bytes, 4)?.try_into().unwrap()) as usize;
            let value = take(rest, 6 + key_bytes, value_bytes)?;
            ext.insert(
                String::from_utf8_lossy(key).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            );
            rest = &rest[6 + key_bytes + value_bytes..];
        }
        Ok(Command {
            code: short(take(header, 0, 2)?) as i32,
            flag: int(9)?,
            opaque: int(5)?,
            version: short(take(header, 3, 2)?) as i32,
            language: format!("#{}", header[2]),
            remark: (!remark.is_empty()).then(|| String::from_utf8_lossy(remark).into_owned()),
            ext,
            body,
            codec: Codec::RocketMq,
        })
    }
}

/// A frame from its parts, whatever they hold: bad-input cases build theirs with it too.
pub fn frame(codec: u8, header: &[u8], body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(8 + header.len() + body.len());
    frame.extend_from_slice(&((4 + header.len() + body.len()) as u32).to_be_bytes());
    frame.extend_from_slice(&(((codec as u32) << 24) | header.len() as u32).to_be_bytes());
    frame.extend_from_slice(header);
    frame.extend_from_slice(body);
    frame
}

/// One connection to a server. Requests the server sends on it are kept until asked for.
pub struct Connection {
    stream: TcpStream,
    next_opaque: i32,
    calls: Vec<Command>,
}

impl Connection {
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, CONNECT_WAIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WAIT))?;
        Ok(Connection { stream, next_opaque: 1, calls: Vec::new() })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Sends a request and waits for its reply. Checks what Java checks: the response bit and the opaque.
    pub fn ask(&mut self, request: &Command) -> io::Result<Command> {
        let opaque = self.send(request)?;
        self.reply_to(opaque)
    }

    /// Sends without waiting; returns the opaque under which the reply will come.
    pub fn send(&mut self, request: &Command) -> io::Result<i32> {
        let mut request = request.clone();
        request.opaque = self.next_opaque;
        self.next_opaque += 1;
        self.send_bytes(&request.encode())?;
        Ok(request.opaque)
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn reply_to(&mut self, opaque: i32) -> io::Result<Command> {
        loop {
            let command = self.receive()?;
            if !command.is_reply() {
                self.calls.push(command);
            } else if command.opaque == opaque {
                return Ok(command);
            } else {
                return Err(bad(format!("reply to {}, but {opaque} was asked", command.opaque)));
            }
        }
    }

    /// The next request of the server's own (a change notice, a check), waiting at most `wait`.
    pub fn call_from_server(&mut self, wait: Duration) -> io::Result<Command> {
        if !self.calls.is_empty() {
            return Ok(self.calls.remove(0));
        }
        self.stream.set_read_timeout(Some(wait))?;
        let command = self.receive();
        self.stream.set_read_timeout(Some(REPLY_WAIT))?;
        command
    }

    /// Reads one frame. `UnexpectedEof` or `ConnectionReset`: the server closed.
    pub fn receive(&mut self) -> io::Result<Command> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = i32::from_be_bytes(length);
        if length < 4 || length as usize > FRAME_BYTES_MAX {
            return Err(bad(format!("frame of {length} bytes")));
        }
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame)?;
        Command::decode(&frame)
    }

    /// Gives the server time to answer what it has, then tells it that nothing more comes. Java forgets its answer when the
    /// end of the stream overtakes it.
    pub fn linger_then_end_sending(&self) -> io::Result<()> {
        let mut byte = [0];
        self.stream.set_read_timeout(Some(ANSWER_WAIT))?;
        // Whatever the outcome (an answer, a close, silence), it shows when reading on.
        let _ = self.stream.peek(&mut byte);
        self.stream.set_read_timeout(Some(REPLY_WAIT))?;
        self.stream.shutdown(Shutdown::Write)
    }
}

/// `LanguageCode`: the few that the cases use.
fn language_code(name: &str) -> u8 {
    match name {
        "JAVA" => 0,
        "CPP" => 1,
        "GO" => 9,
        "RUST" => 12,
        other => panic!("add {other} to language_code"),
    }
}

fn take(bytes: &[u8], at: usize, count: usize) -> io::Result<&[u8]> {
    bytes
        .get(at..at.saturating_add(count))
        .ok_or_else(|| bad(format!("{count} bytes wanted at {at}, frame part has {}", bytes.len())))
}

fn bad(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_decode_to_what_was_encoded() {
        for codec in [Codec::Json, Codec::RocketMq] {
            let mut command = Command::request(105, &[("topic", "TopicA")], b"abc");
            command.codec = codec;
            command.opaque = 7;
            let decoded = Command::decode(&command.encode()[4..]).unwrap();
            assert_eq!(decoded.code, 105);
            assert_eq!(decoded.opaque, 7);
            assert_eq!(decoded.version, VERSION_5_5_0);
            assert_eq!(decoded.ext["topic"], "TopicA");
            assert_eq!(decoded.body, b"abc");
        }
    }

    #[test]
    fn binary_header_is_javas() {
        let mut command = Command::request(105, &[("topic", "TopicA")], b"");
        command.codec = Codec::RocketMq;
        command.opaque = 7;
        let hex: String = command.encode().iter().map(|b| format!("{b:02x}")).collect();
        let java = "0000002a01000026006900020100000007000000000000000000000011\
                    0005746f70696300000006546f70696341";
        assert_eq!(hex, java);
    }
}
