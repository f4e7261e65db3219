use std::fs;
use std::sync::Arc;

use super::*;

fn two_pages(disk: &Disk) -> (tempfile::TempDir, Arc<LogFile>) {
    let dir = tempfile::tempdir().unwrap();
    let file = LogFile::create(disk, &dir.path().join("0"), 0, 2 * PAGE_BYTES).unwrap();
    (dir, Arc::new(file))
}

fn cut(mapping: &Mapping, bytes: u64) {
    File::options().write(true).open(mapping.path()).unwrap().set_len(bytes).unwrap();
}

#[test]
fn append_and_lend() {
    let (_dir, file) = two_pages(&Disk::real());
    let mut appender = file.appender(5).unwrap();
    assert!(file.appender(5).is_none(), "one at a time");
    appender.append(b"hello").unwrap();
    assert!(appender.append(&[1; 2 * PAGE_BYTES]).is_err());
    assert!(file.range(5, 6).is_none(), "not written yet");
    assert_eq!(file.range(8, 2).unwrap().to_vec().unwrap(), b"lo");
    let range = file.range(5, 5).unwrap();
    assert!(file.is_resident(0, 10));
    file.touch(0, usize::MAX);
    file.sync(5, 5).unwrap();
    drop(appender);
    assert!(file.appender(9).is_none(), "lent up to 10");
    fs::remove_file(file.path()).unwrap();
    drop(file);
    assert_eq!(range.for_socket().as_ref(), b"hello");
}

#[test]
fn copies_of_every_length() {
    let (_dir, file) = two_pages(&Disk::real());
    let bytes: Vec<u8> = (0..=255).cycle().take(2 * PAGE_BYTES).map(|byte: u8| byte ^ 0x5a).collect();
    file.appender(0).unwrap().append(&bytes).unwrap();
    for len in (0..200).chain([4095, 4096, 4097, 2 * PAGE_BYTES - 7]) {
        for at in [0, 1, 7] {
            let mut read = vec![0xee; len + 1];
            file.read(at, &mut read[..len]).unwrap();
            assert_eq!((&read[..len], read[len]), (&bytes[at..at + len], 0xee));
            let mut appended = vec![1, 2];
            file.read_to(at, len, &mut appended).unwrap();
            assert_eq!(appended[2..], bytes[at..at + len]);
        }
    }
    assert!(file.read(2 * PAGE_BYTES, &mut [0]).is_err());
    assert!(file.read(usize::MAX, &mut [0]).is_err());
}

#[test]
fn numbers_in_place_are_big_endian() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0");
    let file = MappedFile::create(&Disk::real(), &path, 0, PAGE_BYTES, Reserve::All).unwrap();
    file.store_i32(4, -2).unwrap();
    file.store_i64(8, 0x0102_0304_0506_0708).unwrap();
    assert_eq!((file.load_i32(4).unwrap(), file.load_i64(8).unwrap()), (-2, 0x0102_0304_0506_0708));
    assert_eq!(file.read_array(4).unwrap(), [255, 255, 255, 254, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(file.load_i64(PAGE_BYTES).is_err() && file.store_i32(PAGE_BYTES, 1).is_err());
}

#[test]
fn what_lies_behind_a_cut_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0");
    let file = MappedFile::create(&Disk::real(), &path, 0, 4 * PAGE_BYTES, Reserve::All).unwrap();
    file.write(0, &[7; 4 * PAGE_BYTES]).unwrap();
    cut(&file, 5000);
    let place = |error: AccessError| error.to_string().split(" at ").nth(1).unwrap().to_owned();
    let mut buffer = vec![1; PAGE_BYTES];
    file.read(0, &mut buffer).unwrap();
    assert!(buffer.iter().all(|byte| *byte == 7));
    let error = file.read_to(PAGE_BYTES, PAGE_BYTES + 1, &mut buffer).unwrap_err();
    assert_eq!(place(error), "5000: the file was cut behind it, of 16384 bytes");
    assert_eq!(buffer.len(), PAGE_BYTES);
    let far = 3 * PAGE_BYTES;
    assert!(file.read(far, &mut [0]).is_err() && file.write(far, b"x").is_err());
    assert!(file.load_i32(far).is_err() && file.load_i64(far).is_err());
    assert!(file.store_i32(far, 1).is_err() && file.store_i64(far, 1).is_err());
    assert!(file.check(0, 8192).is_ok() && file.check(0, 8193).is_err());
    file.populate(0, 8193);
    assert!(file.check_record(0, 5000).is_ok());
    assert!(file.check_record(0, 5001).is_err(), "the rest of the page is zeros");
    assert!(!file.is_resident(far, 1));
    assert!(file.sync(0, 10).is_err(), "what stands behind is lost");
    // Given back, it can be read.
    cut(&file, 4 * PAGE_BYTES as u64);
    assert_eq!(file.read_array(far).unwrap(), [0]);
    file.write(far, b"x").unwrap();
}

#[test]
fn an_append_behind_a_cut_is_not_published() {
    let (_dir, file) = two_pages(&Disk::real());
    let mut appender = file.appender(0).unwrap();
    appender.append(&[7; 100]).unwrap();
    cut(&file, 0);
    assert!(appender.append(&[7; 100]).is_err());
    assert!(file.range(0, 101).is_none());
    assert!(file.range(0, 100).unwrap().to_vec().is_err());
}

#[test]
fn faults_of_many_threads_at_once() {
    let (_dir, file) = two_pages(&Disk::real());
    cut(&file, PAGE_BYTES as u64);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert!(file.read(PAGE_BYTES, &mut [0; 50]).is_err());
                    assert!(file.read(PAGE_BYTES - 50, &mut [0; 50]).is_ok());
                }
            });
        }
    });
}

#[test]
fn a_file_that_does_not_fit_is_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0");
    assert!(LogFile::create(&Disk::real(), &path, 0, 1 << 60).is_err());
    assert!(!path.exists());
}
