//! `namesrvAddr`: the name servers that a broker registers with, as `host:port;host:port`.

use std::net::Ipv6Addr;

/// Java parts them by the first; the second is what people write, and is in no address.
const SEPARATORS: [char; 2] = [';', ','];

/// The addresses, each as `host:port`.
pub fn addresses(text: &str) -> impl Iterator<Item = &str> {
    text.split(SEPARATORS).map(str::trim).filter(|address| !address.is_empty())
}

/// Whether all addresses can be such. Java starts with `http://host:port`, and never registers.
pub fn are_well_formed(text: &str) -> bool {
    // Java's split drops empty parts at the end only.
    text.trim_end_matches(SEPARATORS).split(SEPARATORS).all(|address| is_well_formed(address.trim()))
}

fn is_well_formed(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let is_host = match host.contains(':') {
        true => host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        false => {
            let is_foreign = |c: char| c.is_whitespace() || c.is_control() || "/\\@?#\"'".contains(c);
            !host.is_empty() && !host.contains(is_foreign)
        }
    };
    is_host && port.parse::<u16>().is_ok()
}

/// What to tell the user about how he wrote them, in one line.
pub fn spelling(text: &str) -> Option<String> {
    text.contains(',').then(|| {
        format!("namesrvAddr={text}: ',' is taken for ';', as in \"127.0.0.1:9876;192.168.0.1:9876\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parted_by_semicolons_and_commas() {
        for text in ["a:1;b:2", "a:1,b:2", " a:1 , b:2;", "a:1;b:2,,"] {
            assert!(are_well_formed(text), "{text}");
            assert_eq!(addresses(text).collect::<Vec<_>>(), ["a:1", "b:2"], "{text}");
        }
        assert_eq!(addresses("").count(), 0);
        assert!(spelling("a:1,b:2").is_some_and(|line| line.contains("a:1;b:2") || line.contains("';'")));
        assert_eq!(spelling("a:1;b:2"), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for good in ["127.0.0.1:9876", "name_server-1.svc:9876", "[::1]:9876", "::1:9876", "größe:1"] {
            assert!(are_well_formed(good), "{good}");
        }
        for bad in [
            "",
            ";a:1",
            "a:1;;b:2",
            "nowhere",
            "a:",
            ":9876",
            "a:70000",
            "http://a:9876",
            "http://127.0.0.1:9876/",
            "//a:9876",
            "a/b:9876",
            "user@a:9876",
            "a b:9876",
            "\"a:9876\"",
            "a:9876;http://b:9876",
            "a:b:9876",
        ] {
            assert!(!are_well_formed(bad), "{bad}");
        }
    }
}
