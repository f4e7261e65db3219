//! One row a request code that Java's broker answers: its handler and the ports that serve it. A code that we refuse is
//! a row too; a code without a row is unknown. Both are answered the same.

use crate::broker::Broker;
use crate::handler::{
    Handler, call, client, end_transaction, offset, pull, query, queue, reply, reset, send, send_back, store,
    timer, topic,
};
use remoting::RequestCode as Code;
use remoting::client::unsupported;
use remoting::{Command, Outcome, Peer, Service};
use std::sync::Arc;

/// Which of the broker's two ports serve a code. Java: what `BrokerController.registerProcessor` gives to
/// `fastRemotingServer`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    /// `listenPort` and the fast port, `listenPort - 2`.
    Both,
    Main,
}

struct Row {
    code: Code,
    /// None: not served yet.
    handler: Option<Handler>,
    lane: Lane,
}

const fn served(code: Code, handler: Handler) -> Row {
    Row { code, handler: Some(handler), lane: Lane::Both }
}

const fn served_on_main(code: Code, handler: Handler) -> Row {
    Row { code, handler: Some(handler), lane: Lane::Main }
}

const fn refused(code: Code) -> Row {
    Row { code, handler: None, lane: Lane::Both }
}

/// In the order of the codes.
static ROWS: &[Row] = &[
    served(Code::SEND_MESSAGE, send::send_message),
    served_on_main(Code::PULL_MESSAGE, pull::pull_message),
    served(Code::QUERY_MESSAGE, query::query_message),
    served(Code::QUERY_CONSUMER_OFFSET, offset::query_consumer_offset),
    served(Code::UPDATE_CONSUMER_OFFSET, offset::update_consumer_offset),
    served(Code::UPDATE_AND_CREATE_TOPIC, topic::update_and_create_topic),
    refused(Code::UPDATE_AND_CREATE_TOPIC_LIST),
    refused(Code::GET_ALL_TOPIC_CONFIG),
    refused(Code::UPDATE_BROKER_CONFIG),
    refused(Code::GET_BROKER_CONFIG),
    refused(Code::GET_BROKER_RUNTIME_INFO),
    served(Code::SEARCH_OFFSET_BY_TIMESTAMP, queue::search_offset_by_timestamp),
    served(Code::GET_MAX_OFFSET, queue::get_max_offset),
    served(Code::GET_MIN_OFFSET, queue::get_min_offset),
    served(Code::GET_EARLIEST_MSG_STORETIME, queue::get_earliest_msg_storetime),
    served(Code::VIEW_MESSAGE_BY_ID, query::view_message_by_id),
    served(Code::HEART_BEAT, client::heart_beat),
    served(Code::UNREGISTER_CLIENT, client::unregister_client),
    served(Code::CONSUMER_SEND_MSG_BACK, send_back::consumer_send_msg_back),
    served(Code::END_TRANSACTION, end_transaction::end_transaction),
    served(Code::GET_CONSUMER_LIST_BY_GROUP, client::get_consumer_list_by_group),
    served(Code::LOCK_BATCH_MQ, queue::lock_batch_mq),
    served(Code::UNLOCK_BATCH_MQ, queue::unlock_batch_mq),
    refused(Code::GET_ALL_CONSUMER_OFFSET),
    refused(Code::GET_ALL_DELAY_OFFSET),
    served(Code::CHECK_CLIENT_CONFIG, client::check_client_config),
    served(Code::GET_TIMER_CHECK_POINT, timer::get_timer_check_point),
    served(Code::GET_TIMER_METRICS, timer::get_timer_metrics),
    refused(Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP),
    refused(Code::GET_ALL_SUBSCRIPTIONGROUP_CONFIG),
    refused(Code::GET_TOPIC_STATS_INFO),
    served(Code::GET_CONSUMER_CONNECTION_LIST, client::get_consumer_connection_list),
    served(Code::GET_PRODUCER_CONNECTION_LIST, client::get_producer_connection_list),
    refused(Code::DELETE_SUBSCRIPTIONGROUP),
    refused(Code::GET_CONSUME_STATS),
    refused(Code::DELETE_TOPIC_IN_BROKER),
    served(Code::INVOKE_BROKER_TO_RESET_OFFSET, reset::invoke_broker_to_reset_offset),
    served(Code::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, call::invoke_broker_to_get_consumer_status),
    refused(Code::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST),
    served(Code::QUERY_TOPIC_CONSUME_BY_WHO, client::query_topic_consume_by_who),
    served(Code::QUERY_CONSUME_TIME_SPAN, reset::query_consume_time_span),
    served(Code::GET_SYSTEM_TOPIC_LIST_FROM_BROKER, topic::get_system_topic_list_from_broker),
    served(Code::CLEAN_EXPIRED_CONSUMEQUEUE, store::clean_expired_consumequeue),
    served(Code::GET_CONSUMER_RUNNING_INFO, call::get_consumer_running_info),
    served(Code::QUERY_CORRECTION_OFFSET, reset::query_correction_offset),
    served(Code::CONSUME_MESSAGE_DIRECTLY, call::consume_message_directly),
    served(Code::SEND_MESSAGE_V2, send::send_message_v2),
    served(Code::CLONE_GROUP_OFFSET, reset::clone_group_offset),
    refused(Code::VIEW_BROKER_STATS_DATA),
    served(Code::CLEAN_UNUSED_TOPIC, store::clean_unused_topic),
    refused(Code::GET_BROKER_CONSUME_STATS),
    served(Code::SEND_BATCH_MESSAGE, send::send_batch_message),
    refused(Code::QUERY_CONSUME_QUEUE),
    served(Code::RESUME_CHECK_HALF_MESSAGE, end_transaction::resume_check_half_message),
    served(Code::SEND_REPLY_MESSAGE, reply::send_reply_message),
    served(Code::SEND_REPLY_MESSAGE_V2, reply::send_reply_message_v2),
    refused(Code::GET_ALL_PRODUCER_INFO),
    served(Code::DELETE_EXPIRED_COMMITLOG, store::delete_expired_commitlog),
    served(Code::QUERY_TOPICS_BY_CONSUMER, client::query_topics_by_consumer),
    served(Code::QUERY_SUBSCRIPTION_BY_CONSUMER, client::query_subscription_by_consumer),
    refused(Code::GET_TOPIC_CONFIG),
    refused(Code::GET_SUBSCRIPTIONGROUP_CONFIG),
    refused(Code::UPDATE_AND_GET_GROUP_FORBIDDEN),
    refused(Code::CHECK_ROCKSDB_CQ_WRITE_PROGRESS),
    refused(Code::EXPORT_ROCKSDB_CONFIG_TO_JSON),
    served_on_main(Code::LITE_PULL_MESSAGE, pull::lite_pull_message),
    served(Code::RECALL_MESSAGE, timer::recall_message),
    refused(Code::QUERY_ASSIGNMENT),
    refused(Code::SET_MESSAGE_REQUEST_MODE),
    refused(Code::GET_ALL_MESSAGE_REQUEST_MODE),
    refused(Code::UPDATE_AND_CREATE_STATIC_TOPIC),
    refused(Code::NOTIFY_MIN_BROKER_ID_CHANGE),
    refused(Code::EXCHANGE_BROKER_HA_INFO),
    refused(Code::GET_BROKER_HA_STATUS),
    refused(Code::RESET_MASTER_FLUSH_OFFSET),
    refused(Code::GET_BROKER_EPOCH_CACHE),
    refused(Code::NOTIFY_BROKER_ROLE_CHANGED),
    refused(Code::UPDATE_COLD_DATA_FLOW_CTR_CONFIG),
    refused(Code::REMOVE_COLD_DATA_FLOW_CTR_CONFIG),
    refused(Code::GET_COLD_DATA_FLOW_CTR_INFO),
    refused(Code::SET_COMMITLOG_READ_MODE),
    refused(Code::AUTH_CREATE_USER),
    refused(Code::AUTH_UPDATE_USER),
    refused(Code::AUTH_DELETE_USER),
    refused(Code::AUTH_GET_USER),
    refused(Code::AUTH_LIST_USER),
    refused(Code::AUTH_CREATE_ACL),
    refused(Code::AUTH_UPDATE_ACL),
    refused(Code::AUTH_DELETE_ACL),
    refused(Code::AUTH_GET_ACL),
    refused(Code::AUTH_LIST_ACL),
    refused(Code::SWITCH_TIMER_ENGINE),
    refused(Code::POP_MESSAGE),
    refused(Code::ACK_MESSAGE),
    refused(Code::PEEK_MESSAGE),
    refused(Code::CHANGE_MESSAGE_INVISIBLETIME),
    refused(Code::NOTIFICATION),
    refused(Code::POLLING_INFO),
    refused(Code::POP_ROLLBACK),
    refused(Code::POP_LITE_MESSAGE),
    refused(Code::LITE_SUBSCRIPTION_CTL),
    refused(Code::GET_BROKER_LITE_INFO),
    refused(Code::GET_PARENT_TOPIC_INFO),
    refused(Code::GET_LITE_TOPIC_INFO),
    refused(Code::GET_LITE_CLIENT_INFO),
    refused(Code::GET_LITE_GROUP_INFO),
    refused(Code::TRIGGER_LITE_DISPATCH),
    refused(Code::BATCH_ACK_MESSAGE),
];

fn find(code: Code) -> Option<&'static Row> {
    ROWS.binary_search_by_key(&code, |row| row.code).ok().map(|at| &ROWS[at])
}

/// What a port of the broker serves.
pub struct Port {
    broker: Arc<Broker>,
    is_fast: bool,
}

impl Port {
    pub fn main(broker: Arc<Broker>) -> Port {
        Port { broker, is_fast: false }
    }

    pub fn fast(broker: Arc<Broker>) -> Port {
        Port { broker, is_fast: true }
    }
}

impl Service for Port {
    fn handle(&self, peer: &Arc<Peer>, request: Command) -> Outcome {
        let row = find(request.request_code()).filter(|row| !(self.is_fast && row.lane == Lane::Main));
        let Some(handler) = row.and_then(|row| row.handler) else {
            tracing::warn!("{} asked for {:?}, not supported", peer.remote_addr(), request.request_code());
            return Outcome::Now(unsupported(&request));
        };
        handler(&self.broker, peer, request).unwrap_or_else(|refusal| Outcome::Now(refusal.into()))
    }

    fn closed(&self, peer: &Arc<Peer>) {
        self.broker.connection_closed(peer.id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_order_and_names_are_java_s() {
        assert!(ROWS.is_sorted_by(|a, b| a.code < b.code));
        let source = include_str!("dispatch.rs");
        let named = source.lines().filter_map(|line| line.trim().strip_prefix("served"));
        let mut count = 0;
        for row in named.filter_map(|row| row.split_once("(Code::")?.1.strip_suffix("),")) {
            let (code, handler) = row.split_once(", ").unwrap();
            let function = handler.rsplit("::").next().unwrap();
            assert_eq!(function, code.to_lowercase());
            count += 1;
        }
        assert_eq!(count, ROWS.iter().filter(|row| row.handler.is_some()).count());
    }
}
