//! `consumequeue_ext`: units that queue entries point to in place of a tags code (`ConsumeQueueExt`).

use std::io;

use super::expected::{Tags, Target};
use super::source;
use super::tree::Tree;
use store::layout::ext;

pub struct Exts<'t> {
    tree: &'t Tree,
}

impl<'t> Exts<'t> {
    pub fn new(tree: &'t Tree) -> Self {
        Self { tree }
    }

    /// What is wrong with the unit at `address`, if anything.
    pub fn check(
        &self,
        target: Target<'_>,
        address: i64,
        tags: &Tags,
        store_ms: i64,
    ) -> io::Result<Option<String>> {
        let at = address.wrapping_sub(i64::MIN);
        let Some(files) = self.tree.exts.get(&(target.topic.to_owned(), target.queue_id)) else {
            return Ok(Some(format!("extended at {at}, and there is no consumequeue_ext of this queue")));
        };
        let Some(file) = files.find(at) else {
            return Ok(Some(format!("extended at {at}, where consumequeue_ext has no file")));
        };
        let opened = source::open(&files.path(file))?;
        let mut bytes = [0; ext::UNIT_BYTES_MIN];
        let read = source::read_full(&opened, &mut bytes, (at - file.start) as u64)?;
        let Some(unit) = ext::UnitHead::decode(&bytes[..read]) else {
            return Ok(Some(format!("extended at {at}, where the file ends")));
        };
        let bit_map_bytes = i32::from(unit.size) - ext::UNIT_BYTES_MIN as i32;
        Ok(if bit_map_bytes < 0 || bit_map_bytes != i32::from(unit.bit_map_bytes) {
            Some(format!("extended at {at}: unit of {} bytes, bit map of {}", unit.size, unit.bit_map_bytes))
        } else if !tags.fit(unit.tags_code, store_ms) {
            Some(format!("extended at {at}: tags code {}, the record's is {}", unit.tags_code, tags.code()))
        } else if unit.store_timestamp_ms != store_ms {
            Some(format!(
                "extended at {at}: store time {}, the record's is {store_ms}",
                unit.store_timestamp_ms
            ))
        } else {
            None
        })
    }
}
