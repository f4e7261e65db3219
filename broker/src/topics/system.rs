//! The topics that a broker makes for itself. Java: `TopicConfigManager.init`, 5.5.0.

use super::perm;
use crate::config::BrokerSettings;
use crate::topic_validator as names;
use remoting::body::TopicConfig;

const SCHEDULE_TOPIC_QUEUE_NUM: i32 = 18;
const BENCHMARK_QUEUE_NUM: i32 = 1024;

pub(super) fn topics(settings: &BrokerSettings) -> Vec<TopicConfig> {
    let (identity, broker) = (&settings.identity, &settings.broker);
    let cluster = &identity.broker_cluster_name;
    let inherited = |is_open: bool| match is_open {
        true => perm::INHERIT | perm::READ | perm::WRITE,
        false => perm::INHERIT,
    };
    let mut topics = vec![
        topic(names::SELF_TEST_TOPIC, 1),
        topic(names::BENCHMARK_TEST, BENCHMARK_QUEUE_NUM),
        TopicConfig {
            topic_name: cluster.clone(),
            perm: inherited(broker.cluster_topic_enable),
            ..TopicConfig::default()
        },
        TopicConfig { perm: inherited(broker.broker_topic_enable), ..topic(&identity.broker_name, 1) },
        topic(names::OFFSET_MOVED_EVENT, 1),
        topic(names::SCHEDULE_TOPIC_XXXX, SCHEDULE_TOPIC_QUEUE_NUM),
        topic(&format!("{cluster}_REPLY_TOPIC"), 1),
        topic(&[names::REVIVE_LOG_PREFIX, cluster].concat(), broker.revive_queue_num),
        TopicConfig {
            perm: perm::INHERIT,
            ..topic(&[names::SYNC_BROKER_MEMBER_PREFIX, &identity.broker_name].concat(), 1)
        },
        topic(names::RMQ_SYS_TRANS_HALF_TOPIC, 1),
        topic(names::RMQ_SYS_TRANS_OP_HALF_TOPIC, 1),
        topic(names::RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC, 1),
        topic(names::RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC, 1),
    ];
    if broker.auto_create_topic_enable {
        let example = topic(names::TBW102, broker.default_topic_queue_nums);
        topics.push(TopicConfig { perm: inherited(true), ..example });
    }
    if broker.trace_topic_enable {
        topics.push(topic(&broker.msg_trace_topic_name, 1));
    }
    if settings.store.timer_wheel_enable {
        topics.push(topic(names::RMQ_SYS_WHEEL_TIMER, 1));
    }
    topics
}

fn topic(name: &str, queue_nums: i32) -> TopicConfig {
    TopicConfig {
        topic_name: name.to_owned(),
        read_queue_nums: queue_nums,
        write_queue_nums: queue_nums,
        ..TopicConfig::default()
    }
}
