//! Reads JSON as Java's servers write it: integer keys without quotes, whole objects as keys. Strict JSON is a subset.

use std::fmt;

/// A value, with numbers and bare keys kept as their text: `0.0` and `0` are different answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Json {
    Atom(String),
    Text(String),
    List(Vec<Json>),
    /// Sorted by key: Java's maps have no order worth comparing.
    Object(Vec<(Json, Json)>),
}

impl Json {
    pub fn parse(bytes: &[u8]) -> Result<Json, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
        let mut reader = Reader { text, at: 0 };
        let value = reader.value()?;
        reader.blanks();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.wrong("end of text")),
        }
    }

    /// The member `key` (quoted or bare) of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().find_map(|(k, v)| match k {
            Json::Text(name) | Json::Atom(name) if name == key => Some(v),
            _ => None,
        })
    }

    /// Puts lists into one order too: for lists that Java fills from a map.
    pub fn sorted(self) -> Json {
        match self {
            Json::List(items) => {
                let mut items: Vec<_> = items.into_iter().map(Json::sorted).collect();
                items.sort();
                Json::List(items)
            }
            Json::Object(members) => {
                Json::Object(members.into_iter().map(|(k, v)| (k, v.sorted())).collect())
            }
            atom => atom,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Atom(text) => f.write_str(text),
            Json::Text(text) => write!(f, "{text:?}"),
            Json::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Json::Object(members) => {
                f.write_str("{")?;
                for (i, (key, value)) in members.iter().enumerate() {
                    write!(f, "{}{key}:{value}", if i == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json, String> {
        self.blanks();
        match self.peek() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => Ok(Json::Text(self.quoted()?)),
            Some(c) if c.is_ascii_alphanumeric() || c == '-' => Ok(Json::Atom(self.atom())),
            _ => Err(self.wrong("a value")),
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        self.expect('{')?;
        let mut members = Vec::new();
        while !self.skip('}') {
            if !members.is_empty() {
                self.expect(',')?;
            }
            let key = self.value()?;
            self.expect(':')?;
            members.push((key, self.value()?));
        }
        members.sort();
        Ok(Json::Object(members))
    }

    fn list(&mut self) -> Result<Json, String> {
        self.expect('[')?;
        let mut items = Vec::new();
        while !self.skip(']') {
            if !items.is_empty() {
                self.expect(',')?;
            }
            items.push(self.value()?);
        }
        Ok(Json::List(items))
    }

    fn quoted(&mut self) -> Result<String, String> {
        // The text between the quotes is strict JSON, so the strict reader judges its escapes.
        let rest = &self.text[self.at..];
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find_map(|(i, c)| {
            let closing = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closing.then_some(i)
        });
        let end = end.ok_or_else(|| self.wrong("a closing quote"))?;
        self.at += end + 1;
        serde_json::from_str(&rest[..=end]).map_err(|e| format!("{e} in {}", &rest[..=end]))
    }

    fn atom(&mut self) -> String {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let atom = &rest[..end.unwrap_or(rest.len())];
        self.at += atom.len();
        atom.to_string()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip(&mut self, wanted: char) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.skip(wanted) { Ok(()) } else { Err(self.wrong(&format!("{wanted:?}"))) }
    }

    fn wrong(&self, wanted: &str) -> String {
        let near: String = self.text[self.at..].chars().take(20).collect();
        format!("{wanted} expected at byte {}, found {near:?}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn javas_keys_are_read_and_told_apart() {
        let bare = Json::parse(br#"{"b":{1:"x",0:"y"},"a":0.0}"#).unwrap();
        assert_eq!(bare.to_string(), r#"{"a":0.0,"b":{0:"y",1:"x"}}"#);
        let quoted = Json::parse(br#"{"a":0.0,"b":{"0":"y","1":"x"}}"#).unwrap();
        assert_ne!(bare, quoted);
        let object = Json::parse(br#"{"t":{{"queueId":0,"topic":"T"}:{"max":7}}}"#).unwrap();
        assert_eq!(object.to_string(), r#"{"t":{{"queueId":0,"topic":"T"}:{"max":7}}}"#);
    }

    #[test]
    fn broken_text_is_an_error() {
        for text in ["", "{", "{\"a\"}", "[1,", "\"open", "{\"a\":1}x", "{,}"] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
