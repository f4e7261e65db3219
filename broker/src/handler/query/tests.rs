use super::*;
use crate::config::{self, Overrides};
use crate::configuration::Configuration;
use crate::start;
use process::clock::Clock;
use process::config::Environment;
use process::properties::Properties;
use remoting::{ExtFields, RequestCode};

async fn broker(home: &std::path::Path, more: &str) -> start::Running {
    let text = format!("listenPort=0\nbindAddress=127.0.0.1\nmappedFileSizeCommitLog=1048576\n{more}\n");
    let settings = Properties::parse(text.as_bytes()).unwrap();
    let overrides = Overrides { settings, ..Overrides::default() };
    let (config, settings) = config::load(Arc::new(Environment::fixed(home)), &overrides).unwrap();
    start::start(Configuration::new(config, None), settings, Clock::real()).await.unwrap()
}

fn query(max_num: &str, is_unique_key: &str) -> Command {
    let mut ext = ExtFields::empty();
    for (name, value) in [
        ("topic", "T"),
        ("key", "k"),
        ("maxNum", max_num),
        ("beginTimestamp", "0"),
        ("endTimestamp", "9223372036854775807"),
        ("_UNIQUE_KEY_QUERY", is_unique_key),
    ] {
        ext.push(name, value.to_owned());
    }
    Command::request(RequestCode::QUERY_MESSAGE, ext)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn less_than_no_messages_are_none() {
    let home = tempfile::tempdir().unwrap();
    let running = broker(home.path(), "defaultQueryMaxNum=-7").await;
    for (max_num, is_unique_key) in [("-1", "false"), ("-2147483648", "false"), ("0", "false"), ("1", "true")]
    {
        let call = &mut Call::new(&Peer::detached(), query(max_num, is_unique_key));
        let Ok(Outcome::Now(reply)) = query_message(running.broker(), call) else {
            panic!("{max_num} is refused");
        };
        assert_eq!(reply.response_code(), ResponseCode::QUERY_NOT_FOUND, "{max_num}: {:?}", reply.remark);
    }
    running.shutdown().await;
}
