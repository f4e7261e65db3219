//! Changing some keys of a properties file and nothing else: comments, order and all other lines stay as they are.

use super::{MalformedEscape, Properties, lines, split_at_separator, unescape};

impl Properties {
    /// `text` with these pairs in it. A key that is there changes where it counts, in its last line; the others follow at the end.
    /// [`Properties::parse`] reads what was there, with these pairs over it. [`MalformedEscape`] if it holds a broken `\u`.
    pub fn edit(&self, text: &[u8]) -> Result<Vec<u8>, MalformedEscape> {
        let mut places = Vec::new();
        for line in lines(text) {
            let malformed = || MalformedEscape { line: line.number };
            let key = unescape(split_at_separator(&line.text).0).ok_or_else(malformed)?;
            if self.get(&key).is_some() {
                places.retain(|(known, _)| *known != key);
                places.push((key, line.range));
            }
        }
        let (mut edited, mut copied) = (Vec::with_capacity(text.len()), 0);
        for (key, range) in &places {
            edited.extend_from_slice(&text[copied..range.start]);
            edited.extend_from_slice(self.line_of(key).as_bytes());
            copied = range.end;
        }
        edited.extend_from_slice(&text[copied..]);
        let added =
            self.iter().map(|(key, _)| key).filter(|key| !places.iter().any(|(known, _)| known == key));
        for key in added {
            if edited.last().is_some_and(|last| !matches!(last, b'\n' | b'\r')) {
                edited.push(b'\n');
            }
            edited.extend_from_slice(self.line_of(key).as_bytes());
            edited.push(b'\n');
        }
        Ok(edited)
    }

    /// `key=value`, without a line end.
    fn line_of(&self, key: &str) -> String {
        let mut one = Properties::default();
        one.insert(key, self.get(key).unwrap_or_default());
        one.render().trim_end_matches('\n').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, update: &[(&str, &str)]) -> String {
        let mut properties = Properties::default();
        update.iter().for_each(|(key, value)| properties.insert(*key, *value));
        let edited = properties.edit(text.as_bytes()).unwrap();
        // Whatever the text, it reads back.
        let mut expected = Properties::parse(text.as_bytes()).unwrap();
        properties.iter().for_each(|(key, value)| expected.insert(key, value));
        assert_eq!(Properties::parse(&edited).unwrap(), expected, "{text:?}");
        String::from_utf8(edited).unwrap()
    }

    #[test]
    fn only_the_keys_lines_change() {
        let text = "# ours\nbrokerName = a\n\n! deleteWhen=03\ndeleteWhen=04\nfileReservedTime : 48\n";
        assert_eq!(
            edit(text, &[("deleteWhen", "05"), ("maxMessageSize", "9")]),
            "# ours\nbrokerName = a\n\n! deleteWhen=03\ndeleteWhen=05\nfileReservedTime : 48\nmaxMessageSize=9\n"
        );
        assert_eq!(edit("a=1", &[("b", "2")]), "a=1\nb=2\n");
        assert_eq!(edit("", &[("b", "2")]), "b=2\n");
        assert_eq!(edit("a=1\r\nb=2\r\n", &[("a", "3")]), "a=3\r\nb=2\r\n");
    }

    #[test]
    fn of_two_lines_the_last_counts() {
        assert_eq!(edit("a=1\nb=2\na=3\n", &[("a", "4")]), "a=1\nb=2\na=4\n");
    }

    #[test]
    fn continued_escaped_and_odd_lines() {
        assert_eq!(edit("a=1,\\\n   2\nb=3", &[("a", "4")]), "a=4\nb=3");
        assert_eq!(edit("a=1\\\r\n2\r\nb=3\r\n", &[("a", "4")]), "a=4\r\nb=3\r\n");
        assert_eq!(edit("\\u0061=1\n", &[("a", "4")]), "a=4\n");
        assert_eq!(edit("a=1\\\n", &[("a", "2\n3\\")]), "a=2\\n3\\\\\n");
        assert_eq!(
            edit("a\n  b   2\n\\\n# no comment\n", &[("a", " x"), ("b", "")]),
            "a=\\ x\nb=\n\\\n# no comment\n"
        );
        assert!(Properties::default().edit(b"\\u00=1").is_err());
    }
}
