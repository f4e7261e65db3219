//! First inputs, from what real Java servers and clients sent (`compat-tests/golden/wire`) and from our own `conf/`.

use flate2::read::ZlibDecoder;
use message::Record;
use remoting::Command;
use remoting::body::RegisterBrokerBody;
use remoting::{ExtFields, RequestCode, frame};
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// Longer ones make slow steps and teach nothing new.
const SEED_BYTES_MAX: usize = 8192;
/// Of each target, spread over all there are.
const SEEDS_MAX: usize = 400;

const LABS: [&str; 6] =
    ["5.5.0/json", "5.5.0/rocketmq", "5.5.0/auth", "4.9.7/json", "4.9.7/rocketmq", "4.9.7/auth"];

pub struct Golden {
    frames: Vec<Frame>,
}

struct Frame {
    bytes: Vec<u8>,
    command: Command,
}

impl Golden {
    /// Panics where a file is missing: fuzzing from nothing finds nothing.
    pub fn read() -> Golden {
        let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/wire");
        let mut frames = Vec::new();
        for lab in LABS {
            let folder = wire.join(lab).join("frames");
            let listing = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
            let mut paths: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            for path in paths {
                let bytes = fs::read(&path).unwrap();
                let command = frame::decode(bytes[4..].to_vec().into());
                let command = command.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                frames.push(Frame { bytes, command });
            }
        }
        Golden { frames }
    }

    pub fn frames(&self) -> Vec<Vec<u8>> {
        chosen(self.frames.iter().map(|frame| frame.bytes.clone()))
    }

    /// Headers without their frame, each behind a byte for its encoding.
    pub fn headers(&self) -> Vec<Vec<u8>> {
        let header = |frame: &Frame| frame.bytes[4..frame.bytes.len() - frame.command.body.len()].to_vec();
        let headers = self.frames.iter().map(header).map(|mut header| {
            header.drain(1..4);
            header
        });
        chosen(headers)
    }

    pub fn json_bodies(&self) -> Vec<Vec<u8>> {
        chosen(self.bodies().filter(|body| matches!(body.first(), Some(b'{' | b'['))))
    }

    /// A registration in either form: as it came, and compressed.
    pub fn register_bodies(&self) -> Vec<Vec<u8>> {
        let bodies = self.bodies_of(RequestCode::REGISTER_BROKER);
        chosen(bodies.chain(self.registrations().map(|body| body.encode(true))))
    }

    pub fn inflated_register_bodies(&self) -> Vec<Vec<u8>> {
        let inflated = self.registrations().map(|body| {
            let mut inflated = Vec::new();
            ZlibDecoder::new(&body.encode(true)[..]).read_to_end(&mut inflated).unwrap();
            inflated
        });
        chosen(inflated)
    }

    fn registrations(&self) -> impl Iterator<Item = RegisterBrokerBody> {
        let bodies = self.bodies_of(RequestCode::REGISTER_BROKER);
        bodies.filter_map(|body| RegisterBrokerBody::decode(&body, false, 0).ok())
    }

    pub fn records(&self) -> Vec<Vec<u8>> {
        chosen(self.all_records())
    }

    pub fn batches(&self) -> Vec<Vec<u8>> {
        chosen(self.bodies_of(RequestCode::SEND_BATCH_MESSAGE))
    }

    pub fn properties(&self) -> Vec<Vec<u8>> {
        let of_records = self.all_records().filter_map(|record| {
            let properties = message::record::properties(&record)?.into_owned();
            Some(properties.into_bytes())
        });
        chosen(of_records.chain(self.ext_values(&["i", "properties"])))
    }

    pub fn message_ids(&self) -> Vec<Vec<u8>> {
        let ipv6 = "FD990000000000000000000000000002000000002A9F0000000000000007";
        chosen(self.ext_values(&["msgId", "offsetMsgId"]).chain([ipv6.into()]))
    }

    pub fn config_texts(&self) -> Vec<Vec<u8>> {
        let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf");
        let files = ["broker.conf", "namesrv.conf"].map(|name| fs::read(conf.join(name)).unwrap());
        let of_wire = self.bodies().filter(|body| body.contains(&b'=') && body.first() != Some(&b'{'));
        let escapes = br"a\=\:\ b=\t\u4e2d\q\\".to_vec();
        chosen(files.into_iter().chain(of_wire).chain([escapes]))
    }

    /// Small languages within header fields.
    pub fn words(&self) -> Vec<Vec<u8>> {
        let written =
            ["+message.type=FIFO,-reserve.time", "TagA || TagB", "TopicA 4 4 6 SINGLE_TAG {\"a\":\"b\"}"];
        let written = written.map(|text| text.as_bytes().to_vec());
        let keys = ["topic", "consumerGroup", "subscription", "attributes", "orderTopicConf", "b"];
        chosen(written.into_iter().chain(self.ext_values(&keys)))
    }

    pub fn store_entries(&self) -> Vec<Vec<u8>> {
        let entry = [0, 0, 0, 0, 0x26, 0xab, 0x86, 0x90, 0, 0, 1, 0x0e, 0, 0, 1, 0xa2, 4, 0x25, 0xc3, 0x1b];
        vec![entry.to_vec(), entry.repeat(3), b"00000000000000524288".to_vec()]
    }

    pub fn requests(&self) -> impl Iterator<Item = &Command> {
        self.frames.iter().map(|frame| &frame.command).filter(|command| !command.is_response())
    }

    fn bodies(&self) -> impl Iterator<Item = Vec<u8>> {
        self.frames.iter().map(|frame| frame.command.body.bytes().to_vec()).filter(|body| !body.is_empty())
    }

    fn bodies_of(&self, code: RequestCode) -> impl Iterator<Item = Vec<u8>> {
        let wanted = self.requests().filter(move |command| command.request_code() == code);
        wanted.map(|command| command.body.bytes().to_vec()).filter(|body| !body.is_empty())
    }

    fn ext_values<'a>(&'a self, keys: &'a [&str]) -> impl Iterator<Item = Vec<u8>> + 'a {
        let pairs =
            |ext: &'a ExtFields| ext.iter().filter(|(key, _)| keys.contains(key)).map(|(_, value)| value);
        self.frames
            .iter()
            .flat_map(move |frame| pairs(&frame.command.ext))
            .map(|value| value.as_bytes().to_vec())
    }

    /// Those that pulls and queries brought.
    fn all_records(&self) -> impl Iterator<Item = Vec<u8>> {
        self.bodies().flat_map(|body| {
            let mut records = Vec::new();
            let mut rest = &body[..];
            while let Ok(Record::Message(record)) = Record::decode(rest) {
                records.push(rest[..record.size].to_vec());
                rest = &rest[record.size..];
            }
            records
        })
    }
}

fn chosen(inputs: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> = inputs.filter(|input| input.len() <= SEED_BYTES_MAX).collect();
    inputs.sort();
    inputs.dedup();
    let step = inputs.len().div_ceil(SEEDS_MAX).max(1);
    inputs.into_iter().step_by(step).collect()
}
