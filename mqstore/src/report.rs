//! What was found in a store: one line a finding, like findings of one file counted together.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use process::printable::printable;

/// How bad a finding is. The worst one is the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing, nothing is wrong.
    Note,
    /// Wrong, and the start of our broker puts it right without losing a whole message.
    Repair,
    /// Wrong, and no start repairs it, or only by dropping messages.
    Wrong,
}

impl Severity {
    /// The mildest first.
    pub const ALL: [Self; 3] = [Self::Note, Self::Repair, Self::Wrong];

    /// As lines and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Repair => "repair",
            Self::Wrong => "wrong",
        }
    }
}

/// What a finding is about. Declared once, with the name that lines and JSON bear.
macro_rules! kinds {
    ($($(#[$meta:meta])* $variant:ident $name:literal,)*) => {
        /// What a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[allow(missing_docs, reason = "those that their name does not say have one")] $(#[$meta])* $variant,)*
        }

        impl Kind {
            /// As lines and JSON have it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A file or folder that no broker makes, or one that cannot be read now.
    File "file",
    /// A file of another size than its neighbours.
    FileSize "file-size",
    /// Files of a sequence that are missing or overlap.
    FileGap "file-gap",
    /// Bytes of the log that are no record, with records behind them.
    Record "record",
    /// A body or a record that does not match its checksum.
    Checksum "checksum",
    /// A record that says it lies elsewhere.
    Place "place",
    /// The blank record at the end of a log file.
    Blank "blank",
    /// Bytes behind the end of the log.
    Tail "tail",
    /// Properties or topic that are not well-formed.
    Properties "properties",
    /// Queue offsets that do not follow one another.
    QueueOffset "queue-offset",
    /// A message that its queue does not know.
    Missing "missing-entry",
    /// An entry that says something else than its message.
    Entry "entry",
    /// An entry of no message.
    Orphan "orphan-entry",
    /// The extension of a queue entry.
    Ext "entry-ext",
    IndexHeader "index-header",
    IndexEntry "index-entry",
    IndexChain "index-chain",
    /// A key that no index file knows.
    IndexMissing "index-missing",
    Checkpoint "checkpoint",
    /// A JSON file that cannot be read.
    Json "json",
    /// A table that does not fit the messages.
    Table "table",
    Timer "timer",
    Compaction "compaction",
    /// How the last broker ended.
    Stop "stop",
}

/// One finding and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: Kind,
    /// Path below the store's root.
    pub file: String,
    /// Byte of the file.
    pub offset: Option<u64>,
    /// For a human.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<6} {}", self.severity.name(), printable(&self.file))?;
        if let Some(offset) = self.offset {
            write!(f, " +{offset}")?;
        }
        write!(f, ": {}", printable(&self.text))
    }
}

#[derive(Clone, Debug, Default)]
struct Group {
    count: u64,
    examples: Vec<Finding>,
}

/// Groups of like findings kept, at most; further ones are counted by kind.
const GROUPS_MAX: usize = 20_000;

/// All findings, the first few of each file, severity and kind in words.
#[derive(Clone, Debug)]
pub struct Report {
    examples_max: usize,
    groups: BTreeMap<(String, Severity, Kind), Group>,
    /// Findings of groups beyond [`GROUPS_MAX`].
    beyond: BTreeMap<(Severity, Kind), u64>,
    /// What was read, in a line each.
    pub facts: Vec<String>,
}

impl Report {
    /// An empty one, which keeps so many findings of a group in words.
    pub fn new(examples_max: usize) -> Self {
        Self { examples_max, groups: BTreeMap::new(), beyond: BTreeMap::new(), facts: Vec::new() }
    }

    /// `text` is made only if it is kept.
    pub fn add(
        &mut self,
        severity: Severity,
        kind: Kind,
        file: &str,
        offset: Option<u64>,
        text: impl FnOnce() -> String,
    ) {
        let Some(group) = self.group(severity, kind, file) else { return };
        group.count += 1;
        if group.examples.len() < self.examples_max {
            let text = text();
            let finding = Finding { severity, kind, file: file.to_owned(), offset, text };
            if let Some(group) = self.group(severity, kind, file) {
                group.examples.push(finding);
            }
        }
    }

    fn group(&mut self, severity: Severity, kind: Kind, file: &str) -> Option<&mut Group> {
        let key = (file.to_owned(), severity, kind);
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            *self.beyond.entry((severity, kind)).or_default() += 1;
            return None;
        }
        Some(self.groups.entry(key).or_default())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.beyond.is_empty()
    }

    /// Takes over what another report found.
    pub fn merge(&mut self, other: Report) {
        for ((file, severity, kind), theirs) in other.groups {
            let room = self.examples_max;
            let Some(ours) = self.group(severity, kind, &file) else { continue };
            ours.count += theirs.count;
            ours.examples.extend(theirs.examples);
            ours.examples.truncate(room);
        }
        for (key, count) in other.beyond {
            *self.beyond.entry(key).or_default() += count;
        }
    }

    /// Every finding that is kept in words, in order of files.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.groups.values().flat_map(|group| &group.examples)
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> u64 {
        let groups = self.groups.iter().filter(|(key, _)| key.1 == severity).map(|(_, group)| group.count);
        let beyond = self.beyond.iter().filter(|(key, _)| key.0 == severity).map(|(_, count)| *count);
        groups.chain(beyond).sum()
    }

    /// The severity of the worst finding; a note if there is none.
    pub fn worst(&self) -> Severity {
        let found = Severity::ALL.into_iter().rev().find(|severity| self.count(*severity) > 0);
        found.unwrap_or(Severity::Note)
    }

    /// The last line.
    pub fn verdict(&self) -> String {
        let counts = Severity::ALL.map(|severity| format!("{} {}", self.count(severity), severity.name()));
        let verdict = match self.worst() {
            Severity::Note => "sound",
            Severity::Repair => "damaged, a start repairs it",
            Severity::Wrong => "damaged, a start does not repair it",
        };
        format!("{verdict} ({})", counts.join(", "))
    }

    /// For people: a line a finding, the verdict last.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for fact in &self.facts {
            let _ = writeln!(text, "{fact}");
        }
        for ((file, severity, kind), group) in &self.groups {
            for finding in &group.examples {
                let _ = writeln!(text, "{finding}");
            }
            let more = group.count - group.examples.len() as u64;
            if more > 0 {
                let (severity, file) = (severity.name(), printable(file));
                let _ = writeln!(text, "{severity:<6} {file}: and {more} more ({})", kind.name());
            }
        }
        for ((severity, kind), count) in &self.beyond {
            let _ =
                writeln!(text, "{:<6} and {count} more in other files ({})", severity.name(), kind.name());
        }
        let _ = writeln!(text, "{}", self.verdict());
        text
    }

    /// For machines: one object a line and group, the verdict last.
    pub fn to_json_lines(&self) -> String {
        let mut text = String::new();
        for ((_, _, kind), group) in &self.groups {
            for finding in &group.examples {
                let offset = finding.offset.map_or("null".to_owned(), |offset| offset.to_string());
                let _ = writeln!(
                    text,
                    "{{\"severity\":\"{}\",\"kind\":\"{}\",\"file\":{},\"offset\":{offset},\"text\":{},\"count\":{}}}",
                    finding.severity.name(),
                    kind.name(),
                    quoted(&finding.file),
                    quoted(&finding.text),
                    group.count,
                );
            }
        }
        let [notes, repairs, wrongs] = Severity::ALL.map(|severity| self.count(severity));
        let verdict = quoted(&self.verdict());
        let _ = writeln!(
            text,
            "{{\"verdict\":{verdict},\"note\":{notes},\"repair\":{repairs},\"wrong\":{wrongs}}}"
        );
        text
    }
}

fn quoted(text: &str) -> String {
    String::from_utf8_lossy(&remoting::json::to_bytes(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_findings_are_counted_and_the_worst_is_the_verdict() {
        let mut report = Report::new(2);
        assert_eq!(report.worst(), Severity::Note);
        for at in 0..5 {
            report.add(Severity::Repair, Kind::Missing, "q", Some(at), || format!("{at}"));
        }
        assert_eq!(report.worst(), Severity::Repair);
        let mut other = Report::new(2);
        other.add(Severity::Wrong, Kind::Checksum, "a\"b", None, || "x".to_owned());
        report.merge(other);
        assert_eq!(report.worst(), Severity::Wrong);
        assert_eq!(
            report.to_text(),
            "wrong  a\"b: x\nrepair q +0: 0\nrepair q +1: 1\nrepair q: and 3 more (missing-entry)\n\
             damaged, a start does not repair it (0 note, 5 repair, 1 wrong)\n"
        );
        for line in report.to_json_lines().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn findings_without_end_take_memory_with_an_end() {
        let mut report = Report::new(1);
        for file in 0..GROUPS_MAX + 10 {
            report.add(Severity::Note, Kind::File, &file.to_string(), None, String::new);
        }
        assert_eq!(report.groups.len(), GROUPS_MAX);
        assert_eq!(report.count(Severity::Note), GROUPS_MAX as u64 + 10);
    }
}
