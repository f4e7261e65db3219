//! Messages have come: who is told. Java: `NotifyMessageArrivingListener`, `PullRequestHoldService.run`.

use crate::broker::Broker;
use std::sync::Arc;
use store::Arrived;

/// New messages can be read. Called by the store's derive thread, once a batch.
pub fn messages_arrived(broker: &Arc<Broker>, arrived: &[Arrived<'_>]) {
    broker.delays.schedule.messages_arrived(arrived);
    if let Some(timer) = &broker.delays.timer {
        timer.messages_arrived(arrived);
    }
    broker.long_poll.messages_arrived(broker, arrived);
}

/// Requests that no message of their queue was for go on behind those messages.
pub fn wake_grown_queues(broker: &Arc<Broker>) {
    broker.long_poll.wake_grown(broker, |topic, queue_id| broker.store.max_offset_in_queue(topic, queue_id));
}
