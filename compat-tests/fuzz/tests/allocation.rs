//! What the longest frame can make us allocate at once, whatever it claims to hold.

use bytes::BytesMut;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use peak_alloc::PeakAlloc;
use remoting::body::*;
use remoting::frame::{self, FRAME_BYTES_MAX};
use remoting::json;
use std::io::Write as _;
use std::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
/// Of a header as long as a frame: its text, of which each invalid byte becomes three, and two words for each pair.
const HEADER_MIB_MAX: usize = 128;
/// Of a body as long as a frame. A growing list is held twice while it moves.
const BODY_MIB_MAX: usize = 512;

/// Where the decoder of a registration stops.
const INFLATED_MIB_MAX: usize = 64;

const HEADER_BYTES_MAX: usize = FRAME_BYTES_MAX - 8;

/// MiB that are held at the worst moment of `decode`, beyond what was held before it.
fn peak_mib<T>(what: &str, decode: impl FnOnce() -> T) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let started = Instant::now();
    drop(decode());
    let peak = (MEMORY.peak_usage() - before) / MIB;
    println!("{what}: {peak} MiB, {:?}", started.elapsed());
    peak
}

/// `start`, as many of `piece` as fit, `end`.
fn filled(start: &[u8], piece: &[u8], end: &[u8], bytes: usize) -> Vec<u8> {
    let count = (bytes - start.len() - end.len()) / piece.len();
    [start, &piece.repeat(count), end].concat()
}

fn frame_of(codec: u8, header: &[u8]) -> Vec<u8> {
    let mark = u32::from(codec) << 24 | header.len() as u32;
    [&(header.len() as u32 + 4).to_be_bytes()[..], &mark.to_be_bytes(), header].concat()
}

fn deflated(start: &[u8], repeated: &[u8], copies: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(start).unwrap();
    (0..copies).for_each(|_| encoder.write_all(repeated).unwrap());
    encoder.finish().unwrap()
}

fn frames() {
    let fixed = [0; 17];
    let rest = (HEADER_BYTES_MAX - 21) / 6 * 6;
    let empty_pairs = [&fixed[..], &(rest as u32).to_be_bytes()].concat();
    let value = (HEADER_BYTES_MAX - 27) as u32;
    let one_pair = [&fixed[..], &(value + 6).to_be_bytes(), &[0, 0], &value.to_be_bytes()].concat();
    for (what, codec, header) in [
        ("short pairs", 0, filled(br#"{"extFields":{"#, br#""":"","#, b"}}", HEADER_BYTES_MAX)),
        ("many maps", 0, filled(b"{", br#""extFields":{},"#, b"}", HEADER_BYTES_MAX)),
        ("escapes", 0, filled(br#"{"remark":""#, br"\\n", b"\"}", HEADER_BYTES_MAX)),
        ("unknown key", 0, filled(br#"{"x":""#, br"\\n", b"\"}", HEADER_BYTES_MAX)),
        ("empty pairs", 1, filled(&empty_pairs, &[0; 6], &[], HEADER_BYTES_MAX)),
        ("no UTF-8", 1, filled(&one_pair, &[0xff], &[], HEADER_BYTES_MAX)),
    ] {
        let mut input = BytesMut::from(&frame_of(codec, &header)[..]);
        let peak = peak_mib(what, || frame::take(&mut input).unwrap().expect("a whole frame"));
        assert!(peak <= HEADER_MIB_MAX, "{what} took {peak} MiB");
    }
}

fn bodies() {
    let subscriptions = br#"{"consumerDataSet":[{"subscriptionDataSet":["#;
    for (start, piece, end) in [
        (&subscriptions[..], &b"{},"[..], &b"]}]}"[..]),
        (subscriptions, b"null,", b"]}]}"),
        (subscriptions, br#"{"$ref":"$.x"},"#, br#"]}],"x":{}}"#),
        (br#"{"consumerDataSet":["#, b"{},", b"]}"),
        (br#"{"x":"#, b"[", b""),
    ] {
        let body = filled(start, piece, end, FRAME_BYTES_MAX);
        let what = String::from_utf8_lossy(piece);
        let peak = peak_mib(&what, || json::from_slice::<HeartbeatData>(&body));
        assert!(peak <= BODY_MIB_MAX, "a heartbeat of {what} took {peak} MiB");
    }
    let body = filled(br#"{"consumerIdList":["#, br#""","#, b"]}", FRAME_BYTES_MAX);
    let peak = peak_mib("ids", || json::from_slice::<GetConsumerListByGroupResponseBody>(&body));
    assert!(peak <= BODY_MIB_MAX, "ids took {peak} MiB");
    let topics: String = (0..1_400_000).map(|number| format!("\"{number:x}\":{{}},")).collect();
    let body = format!("{{\"topicConfigSerializeWrapper\":{{\"topicConfigTable\":{{{topics}}}}}}}");
    let peak = peak_mib("topics", || RegisterBrokerBody::decode(body.as_bytes(), false, 513));
    assert!(peak <= BODY_MIB_MAX, "topics took {peak} MiB");
}

fn bombs() {
    let endless = 0x7fff_ffffu32.to_be_bytes();
    let no_topics = [b"\0\0\0\x02{}\0\0\0\x01", &endless[..]].concat();
    let topic = b"\0\0\0\x18abcdefg 1 1 6 SINGLE_TAG";
    for (what, start, repeated) in [
        ("zeros", &[][..], &[0; MIB][..]),
        ("one piece", &endless, &[0xff; MIB]),
        ("one topic", &no_topics, &[0xff; MIB]),
        ("the same topic", b"\0\0\0\x02{}\x7f\xff\xff\xff", &topic.repeat(MIB / topic.len())),
    ] {
        let body = deflated(start, repeated, 2 * INFLATED_MIB_MAX);
        assert!(body.len() < FRAME_BYTES_MAX);
        let peak = peak_mib(what, || RegisterBrokerBody::decode(&body, true, 513));
        assert!(peak <= BODY_MIB_MAX, "a bomb of {what} took {peak} MiB");
    }
    let topics: Vec<u8> = (0..2_500_000)
        .flat_map(|number| format!("\0\0\0\x18{number:07x} 1 1 6 SINGLE_TAG").into_bytes())
        .collect();
    let body = deflated(b"\0\0\0\x02{}\x7f\xff\xff\xff", &topics, 1);
    let peak = peak_mib("different topics", || RegisterBrokerBody::decode(&body, true, 513));
    assert!(peak <= BODY_MIB_MAX, "different topics took {peak} MiB");
}

/// One test, since the allocator counts for all threads.
#[test]
fn one_frame_takes_no_more_than_its_share() {
    frames();
    bodies();
    bombs();
}
