//! Clients: who they are, and what the broker tells them.

use crate::headers;

headers! {
    /// Code 35.
    UnregisterClientRequestHeader {
        client_id: str = "clientID",
        producer_group: str = "producerGroup",
        consumer_group: str = "consumerGroup",
    }

    /// Codes 38, 40 and 203.
    ConsumerGroupRequestHeader {
        consumer_group: str = "consumerGroup",
    }

    /// Code 204.
    GetProducerConnectionListRequestHeader {
        producer_group: str = "producerGroup",
    }

    /// Codes 300, 343 and 345, each with the fields that it needs.
    SubscriptionQueryRequestHeader {
        group: str = "group",
        topic: str = "topic",
    }

    /// The answer to code 26.
    GetBrokerConfigResponseHeader {
        /// JSON of a `DataVersion`.
        version: str = "version",
    }

    /// Code 307.
    GetConsumerRunningInfoRequestHeader {
        consumer_group: str = "consumerGroup",
        client_id: str = "clientId",
    }

    /// Code 309. The broker adds the last three fields before it passes the request on.
    ConsumeMessageDirectlyResultRequestHeader {
        consumer_group: str = "consumerGroup",
        client_id: str = "clientId",
        msg_id: str = "msgId",
        topic: str = "topic",
        broker_name: str = "brokerName",
        topic_sys_flag: i32 = "topicSysFlag",
        group_sys_flag: i32 = "groupSysFlag",
    }

    /// Codes 221 and 223.
    GetConsumerStatusRequestHeader {
        topic: str = "topic",
        group: str = "group",
        /// The client id of the one client that is asked; all of the group are if it is absent.
        client_addr: str = "clientAddr",
    }
}
