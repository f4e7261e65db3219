//! What the longest frame can make us allocate at once, whatever it claims to hold.

use flate2::Compression;
use flate2::write::ZlibEncoder;
use peak_alloc::PeakAlloc;
use remoting::frame::FRAME_BYTES_MAX;
use std::io::Write as _;
use std::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;
const HEADER_BYTES_MAX: usize = FRAME_BYTES_MAX - 8;

/// The most that is held at once while `target` has `input`, the input itself not counted.
fn peak_mib(target: &str, input: &[u8]) -> usize {
    let run = fuzz::target(target).run;
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let started = Instant::now();
    run(input);
    let peak = (MEMORY.peak_usage() - before) / MIB;
    println!("{target}: {peak} MiB, {:?}", started.elapsed());
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

fn deflated(bytes: &[u8], copies: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    (0..copies).for_each(|_| encoder.write_all(bytes).unwrap());
    encoder.finish().unwrap()
}

fn frames() {
    let pairs = filled(br#"{"extFields":{"#, br#""":"","#, b"}}", HEADER_BYTES_MAX);
    peak_mib("frame", &frame_of(0, &pairs));
    let maps = filled(b"{", br#""extFields":{},"#, b"}", HEADER_BYTES_MAX);
    peak_mib("frame", &frame_of(0, &maps));
    let fixed = [0; 17];
    let rest = (HEADER_BYTES_MAX - 21) / 6 * 6;
    let start = [&fixed[..], &(rest as u32).to_be_bytes()].concat();
    peak_mib("frame", &frame_of(1, &filled(&start, &[0; 6], &[], HEADER_BYTES_MAX)));
    let value = (HEADER_BYTES_MAX - 27) as u32;
    let start = [&fixed[..], &(value + 6).to_be_bytes(), &[0, 0], &value.to_be_bytes()].concat();
    peak_mib("frame", &frame_of(1, &filled(&start, &[0xff], &[], HEADER_BYTES_MAX)));
}

fn bodies() {
    let subscriptions = br#"{"consumerDataSet":[{"subscriptionDataSet":["#;
    for (start, piece) in [
        (&subscriptions[..], &b"{},"[..]),
        (subscriptions, br#"{"$ref":"$"},"#),
        (br#"{"consumerDataSet":["#, b"{},"),
        (br#"{"mqSet":["#, b"{},"),
        (br#"{"consumerIdList":["#, br#""","#),
        (br#"{"queueDatas":["#, b"null,"),
        (br#"{"x":"#, b"["),
    ] {
        println!("{}", String::from_utf8_lossy(piece));
        peak_mib("json_bodies", &filled(start, piece, b"]", FRAME_BYTES_MAX));
    }
    let mut topics = br#"{"topicConfigTable":{"#.to_vec();
    for number in 0..1_400_000 {
        write!(topics, "\"{number:x}\":{{}},").unwrap();
    }
    topics.extend_from_slice(b"}}");
    println!("topics {}", topics.len());
    peak_mib("json_tables", &topics);
}

fn bombs() {
    println!("zero");
    peak_mib("register_broker", &deflated(&[0; MIB], 4096));
    let start = [&0x7fff_ffffu32.to_be_bytes()[..], &[0xff; MIB]].concat();
    println!("piece");
    peak_mib("register_broker", &deflated(&start, 512));
    let mut topics = b"\0\0\0\x02{}\x7f\xff\xff\xff".to_vec();
    for number in 0..10_000_000 {
        write!(topics, "\0\0\0\x18{number:07x} 1 1 6 SINGLE_TAG").unwrap();
    }
    println!("topics");
    peak_mib("register_broker", &deflated(&topics, 1));
}

#[test]
fn one_frame_takes_no_more_than_its_share() {
    frames();
    bodies();
    bombs();
}
