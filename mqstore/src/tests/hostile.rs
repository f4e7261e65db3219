//! Bytes of any kind: an answer, no panic, no end without end.

use std::os::unix::fs::FileExt as _;

use super::damage::copy;
use super::golden::unpack;
use super::*;

const ROUNDS: u64 = 100;

/// SplitMix64: the same damages every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

const NUMBERS: [u64; 6] = [0, u64::MAX, i64::MAX as u64, i64::MIN as u64, 0x7fff_ffff, 0xdaa3_20a7_daa3_20a7];

fn files(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = traces(root).into_keys().filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn any_bytes_are_answered() {
    for (seed, store) in ["five", "cqext", "crash"].into_iter().enumerate() {
        let dir = unpack("5.5.0", store);
        let root = dir.path().join("store");
        let _ = fs::remove_file(root.join("timerwheel"));
        let work = tempfile::tempdir().unwrap();
        copy(&root, work.path());
        let files = files(work.path());
        let mut random = Random(seed as u64);
        for round in 0..ROUNDS {
            let path = &files[random.below(files.len() as u64) as usize];
            let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
            let len = file.metadata().unwrap().len();
            // Where something stands, mostly.
            let near = 1 << random.below(24);
            let at = random.below(len.min(near));
            match random.below(8) {
                0 => file.set_len(at).unwrap(),
                1 => file.set_len(len + random.below(100)).unwrap(),
                2..=4 => file.write_all_at(&(random.next() as u8).to_be_bytes(), at).unwrap(),
                _ => {
                    let number = NUMBERS[random.below(6) as usize];
                    file.write_all_at(&number.to_be_bytes(), at / 4 * 4).unwrap();
                }
            }
            checked(work.path()).to_json_lines();
            // Damages add up for a while.
            if round % 20 == 19 {
                copy(&root, work.path());
            }
        }
    }
}

#[test]
fn what_is_no_store_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert!(check(dir.path(), &Options::default()).is_err());
    assert!(check(&dir.path().join("none"), &Options::default()).is_err());
}

#[test]
fn a_store_of_ours_in_use_is_read_and_left_alone() {
    use store::testing::{Scratch, derived, message};
    let mut scratch = Scratch::default();
    // Java's proportions: what `mqstore` knows without a configuration.
    scratch.config.max_index_num = 4 * scratch.config.max_hash_slot_num;
    let store = scratch.start();
    for index in 0..500 {
        store.append(&message("T", index % 3, &[b'x'; 300], "A")).unwrap();
    }
    derived(&store);
    let root = scratch.config.root();
    fs::create_dir_all(root.join("config")).unwrap();
    fs::write(root.join("config/topics.json"), "{\"topicConfigTable\":{\"T\":{}}}").unwrap();
    let report = checked(root);
    assert_eq!(report.worst(), Severity::Note, "{}", report.to_text());
    assert!(report.facts[0].ends_with("500 records"), "{:?}", report.facts);
    assert!(report.to_text().contains("in use by a broker"), "{}", report.to_text());
    store.shutdown();
    let report = checked(root);
    assert_eq!(report.worst(), Severity::Note, "{}", report.to_text());
    assert!(report.to_text().contains("stopped cleanly"), "{}", report.to_text());
}

#[test]
fn a_slave_s_store_that_was_cut_is_sound() {
    use store::BrokerRole;
    use store::testing::{Scratch, derived, message};
    let (mut master, mut slave) = (Scratch::default(), Scratch::default());
    slave.config.broker_role = BrokerRole::Slave;
    for scratch in [&mut master, &mut slave] {
        scratch.config.max_index_num = 4 * scratch.config.max_hash_slot_num;
    }
    let store = master.start();
    let mut ends = Vec::new();
    for index in 0..500 {
        ends.push(store.append(&message("T", index % 3, &[b'x'; 300], "A")).unwrap().end_offset());
    }
    store.shutdown();
    let mut names: Vec<_> =
        fs::read_dir(master.config.commit_log_dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let bytes: Vec<u8> = names.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let root = slave.config.root();
    fs::create_dir_all(root.join("config")).unwrap();
    fs::write(root.join("config/topics.json"), "{\"topicConfigTable\":{\"T\":{}}}").unwrap();
    for cut in [ends[299], 2 * slave.config.mapped_file_size_commit_log_bytes as i64] {
        let store = slave.start();
        let at = store.max_phy_offset();
        store.append_to_commit_log(at, &bytes[at as usize..ends[499] as usize]).unwrap();
        derived(&store);
        store.truncate(cut).unwrap();
        let records = ends.iter().filter(|end| **end <= cut).count();
        for _ in ["in use", "stopped"] {
            let report = checked(root);
            assert_eq!(report.worst(), Severity::Note, "{}", report.to_text());
            assert!(report.facts[0].ends_with(&format!("{records} records")), "{:?}", report.facts);
            store.shutdown();
        }
    }
}
