//! One row a request code that Java's broker answers. Java: `BrokerController.registerProcessor`.

use crate::broker::Broker;
use crate::handler::{
    call, client, end_transaction, group, offset, pull, query, queue, reply, reset, runtime_info, send,
    send_back, settings, stats, store, timer, topic,
};
use remoting::table::{Port, Row, Table};
use remoting::{Call, Outcome, Peer, Refusal, RequestCode as Code, Service, served};
use std::sync::Arc;

const fn refused(code: Code) -> Row<Broker> {
    Row::refused(code)
}

static TABLE: Table<Broker> = Table::new(&[
    served!(SEND_MESSAGE => send::send_message),
    served!(PULL_MESSAGE => pull::pull_message).on_main_only(),
    served!(QUERY_MESSAGE => query::query_message).on_disk_pool(),
    served!(QUERY_CONSUMER_OFFSET => offset::query_consumer_offset),
    served!(UPDATE_CONSUMER_OFFSET => offset::update_consumer_offset),
    served!(UPDATE_AND_CREATE_TOPIC => topic::update_and_create_topic),
    served!(UPDATE_AND_CREATE_TOPIC_LIST => topic::update_and_create_topic_list),
    served!(GET_ALL_TOPIC_CONFIG => topic::get_all_topic_config),
    served!(UPDATE_BROKER_CONFIG => settings::update_broker_config).on_disk_pool(),
    served!(GET_BROKER_CONFIG => settings::get_broker_config),
    served!(GET_BROKER_RUNTIME_INFO => runtime_info::get_broker_runtime_info).on_disk_pool(),
    served!(SEARCH_OFFSET_BY_TIMESTAMP => queue::search_offset_by_timestamp).on_disk_pool(),
    served!(GET_MAX_OFFSET => queue::get_max_offset),
    served!(GET_MIN_OFFSET => queue::get_min_offset),
    served!(GET_EARLIEST_MSG_STORETIME => queue::get_earliest_msg_storetime).on_disk_pool(),
    served!(VIEW_MESSAGE_BY_ID => query::view_message_by_id).on_disk_pool(),
    served!(HEART_BEAT => client::heart_beat),
    served!(UNREGISTER_CLIENT => client::unregister_client),
    served!(CONSUMER_SEND_MSG_BACK => send_back::consumer_send_msg_back).on_disk_pool(),
    served!(END_TRANSACTION => end_transaction::end_transaction).on_disk_pool(),
    served!(GET_CONSUMER_LIST_BY_GROUP => client::get_consumer_list_by_group),
    served!(LOCK_BATCH_MQ => queue::lock_batch_mq),
    served!(UNLOCK_BATCH_MQ => queue::unlock_batch_mq),
    served!(GET_ALL_CONSUMER_OFFSET => offset::get_all_consumer_offset),
    served!(GET_ALL_DELAY_OFFSET => timer::get_all_delay_offset),
    served!(CHECK_CLIENT_CONFIG => client::check_client_config),
    served!(GET_TIMER_CHECK_POINT => timer::get_timer_check_point),
    served!(GET_TIMER_METRICS => timer::get_timer_metrics),
    served!(UPDATE_AND_CREATE_SUBSCRIPTIONGROUP => group::update_and_create_subscriptiongroup),
    served!(GET_ALL_SUBSCRIPTIONGROUP_CONFIG => group::get_all_subscriptiongroup_config),
    served!(GET_TOPIC_STATS_INFO => stats::get_topic_stats_info).on_disk_pool(),
    served!(GET_CONSUMER_CONNECTION_LIST => client::get_consumer_connection_list),
    served!(GET_PRODUCER_CONNECTION_LIST => client::get_producer_connection_list),
    served!(DELETE_SUBSCRIPTIONGROUP => group::delete_subscriptiongroup),
    served!(GET_CONSUME_STATS => stats::get_consume_stats).on_disk_pool(),
    served!(DELETE_TOPIC_IN_BROKER => topic::delete_topic_in_broker).on_disk_pool(),
    served!(INVOKE_BROKER_TO_RESET_OFFSET => reset::invoke_broker_to_reset_offset).on_disk_pool(),
    served!(INVOKE_BROKER_TO_GET_CONSUMER_STATUS => call::invoke_broker_to_get_consumer_status),
    served!(UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST => group::update_and_create_subscriptiongroup_list),
    served!(QUERY_TOPIC_CONSUME_BY_WHO => client::query_topic_consume_by_who),
    served!(QUERY_CONSUME_TIME_SPAN => reset::query_consume_time_span).on_disk_pool(),
    served!(GET_SYSTEM_TOPIC_LIST_FROM_BROKER => topic::get_system_topic_list_from_broker),
    served!(CLEAN_EXPIRED_CONSUMEQUEUE => store::clean_expired_consumequeue).on_disk_pool(),
    served!(GET_CONSUMER_RUNNING_INFO => call::get_consumer_running_info),
    served!(QUERY_CORRECTION_OFFSET => reset::query_correction_offset),
    served!(CONSUME_MESSAGE_DIRECTLY => call::consume_message_directly).on_disk_pool(),
    served!(SEND_MESSAGE_V2 => send::send_message_v2),
    served!(CLONE_GROUP_OFFSET => reset::clone_group_offset),
    refused(Code::VIEW_BROKER_STATS_DATA),
    served!(CLEAN_UNUSED_TOPIC => store::clean_unused_topic).on_disk_pool(),
    served!(GET_BROKER_CONSUME_STATS => stats::get_broker_consume_stats).on_disk_pool(),
    served!(SEND_BATCH_MESSAGE => send::send_batch_message),
    served!(QUERY_CONSUME_QUEUE => stats::query_consume_queue).on_disk_pool(),
    served!(RESUME_CHECK_HALF_MESSAGE => end_transaction::resume_check_half_message).on_disk_pool(),
    served!(SEND_REPLY_MESSAGE => reply::send_reply_message),
    served!(SEND_REPLY_MESSAGE_V2 => reply::send_reply_message_v2),
    served!(GET_ALL_PRODUCER_INFO => client::get_all_producer_info),
    served!(DELETE_EXPIRED_COMMITLOG => store::delete_expired_commitlog),
    served!(QUERY_TOPICS_BY_CONSUMER => client::query_topics_by_consumer),
    served!(QUERY_SUBSCRIPTION_BY_CONSUMER => client::query_subscription_by_consumer),
    served!(GET_TOPIC_CONFIG => topic::get_topic_config),
    served!(GET_SUBSCRIPTIONGROUP_CONFIG => group::get_subscriptiongroup_config),
    served!(UPDATE_AND_GET_GROUP_FORBIDDEN => group::update_and_get_group_forbidden),
    refused(Code::CHECK_ROCKSDB_CQ_WRITE_PROGRESS),
    refused(Code::EXPORT_ROCKSDB_CONFIG_TO_JSON),
    served!(LITE_PULL_MESSAGE => pull::lite_pull_message).on_main_only(),
    served!(RECALL_MESSAGE => timer::recall_message),
    refused(Code::QUERY_ASSIGNMENT),
    served!(SET_MESSAGE_REQUEST_MODE => group::set_message_request_mode),
    served!(GET_ALL_MESSAGE_REQUEST_MODE => group::get_all_message_request_mode),
    refused(Code::UPDATE_AND_CREATE_STATIC_TOPIC),
    refused(Code::NOTIFY_MIN_BROKER_ID_CHANGE),
    refused(Code::EXCHANGE_BROKER_HA_INFO),
    served!(GET_BROKER_HA_STATUS => store::get_broker_ha_status),
    served!(RESET_MASTER_FLUSH_OFFSET => store::reset_master_flush_offset),
    refused(Code::GET_BROKER_EPOCH_CACHE),
    refused(Code::NOTIFY_BROKER_ROLE_CHANGED),
    served!(UPDATE_COLD_DATA_FLOW_CTR_CONFIG => store::update_cold_data_flow_ctr_config),
    served!(REMOVE_COLD_DATA_FLOW_CTR_CONFIG => store::remove_cold_data_flow_ctr_config),
    served!(GET_COLD_DATA_FLOW_CTR_INFO => store::get_cold_data_flow_ctr_info),
    served!(SET_COMMITLOG_READ_MODE => store::set_commitlog_read_mode).on_disk_pool(),
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
]);

/// What a port of the broker serves.
pub struct BrokerPort {
    broker: Arc<Broker>,
    port: Port,
}

impl BrokerPort {
    pub fn new(broker: Arc<Broker>, port: Port) -> BrokerPort {
        BrokerPort { broker, port }
    }
}

impl Service for BrokerPort {
    fn handle(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        TABLE.handle(&self.broker, self.port, &self.broker.disk_pool, call)
    }

    fn closed(&self, peer: &Arc<Peer>) {
        for group in self.broker.clients.closed(peer.id()) {
            self.broker.consumer_filters.unregister(&group);
        }
    }
}
