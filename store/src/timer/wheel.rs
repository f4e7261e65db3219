//! `timerwheel`: a slot for each tick (`TimerWheel`).

use std::io;
use std::path::Path;

use super::MessageStoreConfig;
use crate::disk::{Disk, Reserve};
use crate::error::{AccessError, OpenError};
use crate::layout::{TIMER_SLOT_BYTES, TIMER_SLOTS, TimerLogRecord, TimerSlot, timer_slot as at};
use crate::mapped_file::MappedFile;

const FILE_BYTES: usize = TIMER_SLOTS as usize * TIMER_SLOT_BYTES;

/// Mapped: only the pages of slots in use are in memory.
pub(super) struct Wheel {
    file: MappedFile,
    precision_ms: i64,
}

impl Wheel {
    /// Opens or makes the file; true if the timer log says more than it. Refuses a file of another size, as Java does.
    pub(super) fn open(
        path: &Path,
        disk: &Disk,
        config: &MessageStoreConfig,
    ) -> Result<(Wheel, bool), OpenError> {
        let bytes = match disk.metadata(path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(OpenError::io(path)(error)),
        };
        if bytes != 0 && bytes != FILE_BYTES as u64 {
            return Err(OpenError::WrongFileSize {
                path: path.to_owned(),
                bytes,
                expected: FILE_BYTES as u64,
            });
        }
        // Where Java keeps copies, it leaves this file behind.
        let is_new = bytes == 0 || config.timer_wheel_snapshot_flush;
        let file = match is_new {
            true => Self::make(disk, path),
            false => {
                MappedFile::open(disk, path, 0).and_then(|file| file.reserve(0..FILE_BYTES).map(|()| file))
            }
        };
        let file = file.map_err(OpenError::io(path))?;
        Ok((Wheel { file, precision_ms: config.timer_tick_ms() }, is_new))
    }

    fn make(disk: &Disk, path: &Path) -> io::Result<MappedFile> {
        disk.remove_if_there(path)?;
        let file = MappedFile::create(disk, path, 0, FILE_BYTES, Reserve::All)?;
        path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))?;
        Ok(file)
    }

    /// Where the slot of a tick lies in the file.
    fn place(tick: i64) -> usize {
        tick.rem_euclid(TIMER_SLOTS) as usize * TIMER_SLOT_BYTES
    }

    fn load(&self, place: usize) -> Result<TimerSlot, AccessError> {
        Ok(TimerSlot {
            time: self.file.load_i64(place + at::TIME)?,
            first: self.file.load_i64(place + at::FIRST)?,
            last: self.file.load_i64(place + at::LAST)?,
            count: self.file.load_i32(place + at::COUNT)?,
            magic: self.file.load_i32(place + at::MAGIC)?,
        })
    }

    fn store(&self, place: usize, slot: &TimerSlot) -> Result<(), AccessError> {
        self.file.store_i64(place + at::FIRST, slot.first)?;
        self.file.store_i64(place + at::LAST, slot.last)?;
        self.file.store_i32(place + at::COUNT, slot.count)?;
        self.file.store_i32(place + at::MAGIC, slot.magic)?;
        self.file.store_i64(place + at::TIME, slot.time)
    }

    /// The slot of a time, if it has messages or had, and was not emptied since.
    pub(super) fn slot(&self, slot_ms: i64) -> Result<Option<TimerSlot>, AccessError> {
        let tick = slot_ms.div_euclid(self.precision_ms);
        let slot = self.load(Self::place(tick))?;
        Ok((slot.time == tick && slot.first >= 0 && slot.last >= 0).then_some(slot))
    }

    /// Empties the slots of some time. They still know their last records, so that those do not come back when the timer log
    /// is read again; what is entered later follows none of them.
    pub(super) fn empty(&self, from_ms: i64, until_ms: i64) -> Result<(), AccessError> {
        let ticks = from_ms.div_euclid(self.precision_ms)..until_ms.div_euclid(self.precision_ms);
        for tick in ticks.take(TIMER_SLOTS as usize) {
            let slot = self.load(Self::place(tick))?;
            if slot.time == tick && slot.first >= 0 {
                self.store(Self::place(tick), &TimerSlot { first: -1, count: 0, ..slot })?;
            }
        }
        Ok(())
    }

    /// Notes a record, newer than all in its slot.
    pub(super) fn add(&self, place: i64, record: &TimerLogRecord) -> Result<(), AccessError> {
        let tick = record.slot_ms().div_euclid(self.precision_ms);
        let slot = self.slot(record.slot_ms())?;
        let slot = slot.unwrap_or(TimerSlot { time: tick, first: place, last: place, count: 0, magic: 0 });
        let count = slot.count + if record.deletes() { -1 } else { 1 };
        self.store(Self::place(tick), &TimerSlot { last: place, count, ..slot })
    }

    /// Notes a record unless it, or a later time, is in the slot already (`reviseSlot`).
    pub(super) fn revise(&self, place: i64, record: &TimerLogRecord) -> Result<(), AccessError> {
        let tick = record.slot_ms().div_euclid(self.precision_ms);
        let slot = self.load(Self::place(tick))?;
        match slot.time < tick || (slot.time == tick && slot.last < place) {
            true => self.add(place, record),
            false => Ok(()),
        }
    }

    /// Empties the slots that point behind `end`, where the timer log ends, and says from where it must be read to fill
    /// them again; none if there is no such slot (`checkPhyPos`). Reads the whole file.
    pub(super) fn forget_beyond(&self, end: i64) -> Result<Option<i64>, AccessError> {
        let mut from = None;
        for place in (0..FILE_BYTES).step_by(TIMER_SLOT_BYTES) {
            let slot = self.load(place)?;
            if slot.time > 0 && slot.last >= end {
                from = Some(from.unwrap_or(i64::MAX).min(slot.first.max(0)));
                self.store(place, &TimerSlot { first: -1, last: -1, count: 0, ..slot })?;
            }
        }
        Ok(from)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync(0, FILE_BYTES)
    }
}
