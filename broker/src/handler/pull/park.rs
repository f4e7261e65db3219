//! Pulls that found nothing, and are served again when there is something. Java: `PullRequestHoldService`.

use super::{Turn, Wanted, pull};
use crate::broker::Broker;
use crate::config::BrokerSettings;
use crate::long_poll::{Full, Interest, Resume, Spot, Waiting, Why, Woken};
use crate::subscription::PullFilter;
use remoting::header::required;
use remoting::{Call, Outcome, Refusal, Taken};
use std::sync::Arc;
use store::get::PULL_BYTES_MAX;
use store::{GetMessageStatus, GetRequest};

/// How a pull waits that found nothing.
pub(super) struct Wait {
    spot: Spot,
    queue_id: i32,
    offset: i64,
    wait_ms: u64,
}

impl Wait {
    pub(super) fn of(settings: &BrokerSettings, wanted: &Wanted<'_>) -> Result<Wait, Refusal> {
        let suspend_timeout_ms = required(wanted.suspend_timeout_ms, "suspendTimeoutMillis")?;
        let wait_ms = match settings.broker.long_polling_enable {
            true => suspend_timeout_ms.max(0) as u64,
            false => settings.broker.short_polling_time_ms,
        };
        let spot = Spot { topic: wanted.topic.into(), queue_id: Some(wanted.queue_id) };
        Ok(Wait { spot, queue_id: wanted.queue_id, offset: wanted.offset, wait_ms })
    }

    pub(super) fn park(
        self,
        broker: &Arc<Broker>,
        call: &mut Call,
        filter: &PullFilter,
    ) -> Result<Taken, Full> {
        let Wait { spot, queue_id, offset, wait_ms } = self;
        let (interest, resume): (_, Resume<Broker>) = match filter {
            PullFilter::Tags(tags) => (Interest::Tags(tags.clone()), Box::new(resume)),
            PullFilter::Sql(_) => {
                let (spot, filter) = (spot.clone(), filter.clone());
                let search = Search { spot, queue_id, offset, checked_to: offset, filter };
                (Interest::Any, search.resume())
            }
        };
        let waiting = Waiting { offset, checked_to: offset, interest, resume };
        let (id, taken) = broker.long_poll.park(call, wait_ms, &spot, waiting)?;
        look_after_parking(broker, &spot, queue_id, offset, id);
        Ok(taken)
    }
}

/// A message that came between the look into the queue and the parking woke nobody.
fn look_after_parking(broker: &Arc<Broker>, spot: &Spot, queue_id: i32, checked_to: i64, id: u64) {
    if broker.store.max_offset_in_queue(&spot.topic, queue_id) > checked_to {
        broker.long_poll.wake_one(broker, spot, id);
    }
}

/// Serves a pull again: it is answered now, whatever there is. Java: `executeRequestWhenWakeup`.
fn resume(broker: &Arc<Broker>, call: &mut Call, _woken: Woken) -> Result<Outcome, Refusal> {
    // A reset offset is told once: not to a consumer that is gone.
    match call.peer().is_open() {
        true => pull(broker, &broker.settings(), call, Turn::Woken),
        false => Ok(Outcome::Silent),
    }
}

/// A pull whose expression says which messages it wants: it looks itself at those that come, at each once.
struct Search {
    spot: Spot,
    queue_id: i32,
    offset: i64,
    checked_to: i64,
    filter: PullFilter,
}

impl Search {
    fn resume(self) -> Resume<Broker> {
        Box::new(move |broker, call, woken| self.woken(broker, call, woken))
    }

    fn woken(self, broker: &Arc<Broker>, call: &mut Call, woken: Woken) -> Result<Outcome, Refusal> {
        if woken.why != Why::Arrived || !call.peer().is_open() {
            return resume(broker, call, woken);
        }
        if !broker.store.is_cold(&self.spot.topic, self.queue_id, self.checked_to) {
            return self.look(broker, call, woken);
        }
        let again = broker.clone();
        broker.disk_pool.run(call, move |call| self.look(&again, call, woken))
    }

    /// Waits on, unless there is something to answer with.
    fn look(mut self, broker: &Arc<Broker>, call: &mut Call, woken: Woken) -> Result<Outcome, Refusal> {
        let request = GetRequest {
            topic: &self.spot.topic,
            queue_id: self.queue_id,
            offset: self.checked_to,
            count_max: 1,
            bytes_max: PULL_BYTES_MAX,
        };
        // What cannot be read is said by who answers.
        let Ok(result) = broker.store.get_message(request, &self.filter) else {
            return resume(broker, call, woken);
        };
        let checked_to = result.next_begin_offset;
        let waits_on = match result.status {
            GetMessageStatus::NoMatchedMessage => checked_to > self.checked_to,
            GetMessageStatus::OffsetOverflowOne => checked_to == self.checked_to,
            _ => false,
        };
        if !waits_on {
            return resume(broker, call, woken);
        }
        self.checked_to = checked_to;
        let (spot, queue_id, offset) = (self.spot.clone(), self.queue_id, self.offset);
        let waiting = Waiting { offset, checked_to, interest: Interest::Any, resume: self.resume() };
        match broker.long_poll.park_again(call, woken, &spot, waiting) {
            Ok((id, taken)) => {
                look_after_parking(broker, &spot, queue_id, checked_to, id);
                Ok(Outcome::Later(taken))
            }
            Err(Full) => pull(broker, &broker.settings(), call, Turn::Woken),
        }
    }
}
