//! New settings for a running broker. Java: what `Configuration.update` sets, in the objects that all parts read.

use crate::broker::Broker;
use crate::config::BrokerSettings;

/// Puts the live keys of `next` to work, which has passed the checks of [`config::updated`](crate::config::updated); all
/// other keys stay as they were at the start. Cannot fail, so nothing is half done.
///
/// One at a time: whoever changes the configuration holds its values' lock meanwhile.
pub fn reconfigure(broker: &Broker, next: &BrokerSettings) {
    broker.store.reconfigure(&next.store);
    let at_work = broker.settings().updated(next);
    broker.settings.replace(at_work);
}
