//! Clients: who they are, and what the broker tells them.

use crate::headers;

headers! {
    /// Code 35.
    UnregisterClientRequestHeader {
        client_id: str = "clientID",
        producer_group: str = "producerGroup",
        consumer_group: str = "consumerGroup",
    }

    /// Codes 38 and 40.
    ConsumerGroupRequestHeader {
        consumer_group: str = "consumerGroup",
    }
}
