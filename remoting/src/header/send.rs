//! Sending, and sending back.

use crate::headers;

headers! {
    /// Codes 10 and 324, and what [`SendMessageRequestHeaderV2`] turns into.
    SendMessageRequestHeader {
        producer_group: str = "producerGroup",
        topic: str = "topic",
        default_topic: str = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp_ms: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: str = "properties",
        reconsume_times: i32 = "reconsumeTimes",
        unit_mode: bool = "unitMode",
        batch: bool = "batch",
        max_reconsume_times: i32 = "maxReconsumeTimes",
        broker_name: str = "bname",
    }

    /// Codes 310, 320 and 325: the same under one-letter keys.
    SendMessageRequestHeaderV2 {
        producer_group: str = "a",
        topic: str = "b",
        default_topic: str = "c",
        default_topic_queue_nums: i32 = "d",
        queue_id: i32 = "e",
        sys_flag: i32 = "f",
        born_timestamp_ms: i64 = "g",
        flag: i32 = "h",
        properties: str = "i",
        reconsume_times: i32 = "j",
        unit_mode: bool = "k",
        max_reconsume_times: i32 = "l",
        batch: bool = "m",
        broker_name: str = "n",
    }

    /// The answer to every send. `msg_id` is the offset id, of a batch all of them joined by commas.
    SendMessageResponseHeader {
        msg_id: str = "msgId",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        transaction_id: str = "transactionId",
        batch_uniq_id: str = "batchUniqId",
        recall_handle: str = "recallHandle",
    }

    /// Code 370. The handle is what the answer to the send said.
    RecallMessageRequestHeader {
        producer_group: str = "producerGroup",
        topic: str = "topic",
        recall_handle: str = "recallHandle",
    }

    /// The unique key of the message.
    RecallMessageResponseHeader {
        msg_id: str = "msgId",
    }

    /// Code 326: a reply on its way to the client that waits for it.
    ReplyMessageRequestHeader {
        producer_group: str = "producerGroup",
        topic: str = "topic",
        default_topic: str = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp_ms: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: str = "properties",
        reconsume_times: i32 = "reconsumeTimes",
        unit_mode: flag = "unitMode",
        born_host: str = "bornHost",
        store_host: str = "storeHost",
        store_timestamp_ms: long = "storeTimestamp",
    }

    /// Code 36.
    ConsumerSendMsgBackRequestHeader {
        offset: i64 = "offset",
        group: str = "group",
        delay_level: i32 = "delayLevel",
        origin_msg_id: str = "originMsgId",
        origin_topic: str = "originTopic",
        unit_mode: flag = "unitMode",
        max_reconsume_times: i32 = "maxReconsumeTimes",
    }
}

impl<'a> From<SendMessageRequestHeaderV2<'a>> for SendMessageRequestHeader<'a> {
    fn from(v2: SendMessageRequestHeaderV2<'a>) -> SendMessageRequestHeader<'a> {
        SendMessageRequestHeader {
            producer_group: v2.producer_group,
            topic: v2.topic,
            default_topic: v2.default_topic,
            default_topic_queue_nums: v2.default_topic_queue_nums,
            queue_id: v2.queue_id,
            sys_flag: v2.sys_flag,
            born_timestamp_ms: v2.born_timestamp_ms,
            flag: v2.flag,
            properties: v2.properties,
            reconsume_times: v2.reconsume_times,
            unit_mode: v2.unit_mode,
            batch: v2.batch,
            max_reconsume_times: v2.max_reconsume_times,
            broker_name: v2.broker_name,
            lifetime: v2.lifetime,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtFields;

    #[test]
    fn one_letter_keys_stand_for_the_long_ones() {
        let mut ext = ExtFields::empty();
        let sample = "a=pg b=t c=TBW102 d=4 e=1 f=0 g=5 h=0 i=p j=0 k=false m=TRUE n=broker-a l=x";
        for (key, value) in sample.split(' ').filter_map(|pair| pair.split_once('=')) {
            ext.push(key, value);
        }
        let header: SendMessageRequestHeader = SendMessageRequestHeaderV2::decode(&ext).into();
        assert_eq!(
            (header.producer_group, header.topic, header.properties),
            (Some("pg"), Some("t"), Some("p"))
        );
        assert_eq!((header.queue_id, header.born_timestamp_ms), (Some(1), Some(5)));
        assert_eq!(
            (header.unit_mode, header.batch, header.max_reconsume_times),
            (Some(false), Some(true), None)
        );
        let again = SendMessageRequestHeader::decode(&header.encode()).topic.map(str::to_owned);
        assert_eq!(again.as_deref(), Some("t"));
    }
}
