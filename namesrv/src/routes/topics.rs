//! Topics and their queues, in parts: whoever has to go over all of them can let look-ups have their turn between two parts.

use remoting::body::QueueData;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A million topics make parts of 16,000: some milliseconds each.
pub const PARTS: usize = 64;

/// Topic to its queues on each broker, in order of broker names.
type Part = HashMap<String, Vec<QueueData>>;

pub struct TopicTable {
    hasher: RandomState,
    parts: Vec<Part>,
}

impl Default for TopicTable {
    fn default() -> TopicTable {
        TopicTable {
            hasher: RandomState::new(),
            parts: std::iter::repeat_with(Part::default).take(PARTS).collect(),
        }
    }
}

impl TopicTable {
    pub fn get(&self, topic: &str) -> Option<&Vec<QueueData>> {
        self.parts[self.part_of(topic)].get(topic)
    }

    pub fn get_mut(&mut self, topic: &str) -> Option<&mut Vec<QueueData>> {
        let part = self.part_of(topic);
        self.parts[part].get_mut(topic)
    }

    pub fn insert(&mut self, topic: &str, queues: Vec<QueueData>) {
        let part = self.part_of(topic);
        self.parts[part].insert(topic.to_owned(), queues);
    }

    /// The queues of a topic, none yet if it is new.
    pub fn entry(&mut self, topic: &str) -> &mut Vec<QueueData> {
        let part = self.part_of(topic);
        self.parts[part].entry(topic.to_owned()).or_default()
    }

    pub fn remove(&mut self, topic: &str) {
        let part = self.part_of(topic);
        self.parts[part].remove(topic);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Vec<QueueData>)> {
        self.parts.iter().flatten()
    }

    /// One of the [`PARTS`].
    pub fn part_mut(&mut self, part: usize) -> &mut Part {
        &mut self.parts[part]
    }

    fn part_of(&self, topic: &str) -> usize {
        self.hasher.hash_one(topic) as usize % PARTS
    }
}
