//! Which queue offsets have come by.

/// Gaps remembered in the offsets of one queue; what lies in further ones is not looked at.
const SPANS_MAX: usize = 256;
/// The queue offsets of the records that were seen, as spans `from..to`.
#[derive(Clone, Debug, Default)]
pub struct Seen(Vec<(i64, i64)>);

impl Seen {
    pub fn put(&mut self, offset: i64) {
        let to = offset.saturating_add(1);
        let is_full = self.0.len() >= SPANS_MAX;
        match self.0.last_mut() {
            Some(last) if last.1 == offset => last.1 = to,
            Some(last) if last.0 <= offset && offset < last.1 => {}
            Some(last) if is_full => *last = (last.0.min(offset), last.1.max(to)),
            _ => self.0.push((offset, to)),
        }
    }

    /// Ascending and without overlaps.
    pub fn settle(&mut self) {
        self.0.sort_unstable();
        let mut settled: Vec<(i64, i64)> = Vec::new();
        for &(from, to) in &self.0 {
            match settled.last_mut() {
                Some(last) if last.1 >= from => last.1 = last.1.max(to),
                _ => settled.push((from, to)),
            }
        }
        self.0 = settled;
    }

    /// The end of the span that holds `offset`.
    pub fn end_of(&self, offset: i64) -> Option<i64> {
        let index = self.0.partition_point(|span| span.0 <= offset);
        self.0[..index].last().map(|span| span.1).filter(|end| offset < *end)
    }

    /// The first offset, and the one behind the last.
    pub fn range(&self) -> Option<(i64, i64)> {
        Some((self.0.first()?.0, self.0.last()?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_offsets_are_spans() {
        let mut seen = Seen::default();
        [5, 6, 7, 10, 11, 0, 1, 6].into_iter().for_each(|offset| seen.put(offset));
        seen.settle();
        assert_eq!(seen.0, [(0, 2), (5, 8), (10, 12)]);
        assert_eq!(
            [4, 5, 7, 8, 11].map(|offset| seen.end_of(offset)),
            [None, Some(8), Some(8), None, Some(12)]
        );
    }
}
