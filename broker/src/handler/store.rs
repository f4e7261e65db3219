//! Making room in the store. Java: `AdminBrokerProcessor`.

use super::ok;
use crate::broker::Broker;
use remoting::{Call, Outcome, Refusal};
use std::sync::Arc;
use store::topic_name::is_lmq;

/// Log files of age are removed by the store's next rounds.
pub fn delete_expired_commitlog(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::warn!("{} has expired log files removed", call.peer().remote_addr());
    broker.store.delete_files_manually();
    ok()
}

/// Removes queues that have no message left in the log, but for those of system topics. Refuses nothing.
pub fn clean_expired_consumequeue(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::warn!("{} has queues without messages removed", call.peer().remote_addr());
    let is_kept = |topic: &str| broker.topics.is_system_topic(topic);
    broker.store.clean_expired_consumer_queue(&is_kept);
    ok()
}

/// Removes the queues of topics that do not exist. Refuses nothing.
pub fn clean_unused_topic(broker: &Arc<Broker>, call: &mut Call) -> Result<Outcome, Refusal> {
    tracing::warn!("{} has the queues of unknown topics removed", call.peer().remote_addr());
    let is_kept = |topic: &str| {
        let topics = &broker.topics;
        topics.contains(topic) || topics.is_system_topic(topic) || is_lmq(topic)
    };
    broker.store.clean_unused_topic(&is_kept);
    ok()
}
