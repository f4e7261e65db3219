package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A list of messages in one request: stored one by one, acknowledged together. */
class BatchSendIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void storesEachMessageUnderItsOwnOffset() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("BatchSend", 1);
        List<Message> batch = new ArrayList<>();
        for (String text : Messages.numbered("batch", 10)) {
            Message message = Messages.tagged(topic, "tag-" + text, text);
            message.setKeys("key-" + text);
            message.putUserProperty("colour", text + "-blue");
            message.setFlag(batch.size());
            batch.add(message);
        }

        SendResult result = producer.send(batch);

        assertEquals(SendStatus.SEND_OK, result.getSendStatus());
        assertEquals(1, result.getQueueOffset(), "the first message's offset: one stands before it");
        assertEquals(10, result.getMsgId().split(",").length);
        assertEquals(10, result.getOffsetMsgId().split(",").length);
        List<MessageExt> stored = cluster.read(topic, 11);
        assertEquals(11, stored.size());
        for (int i = 0; i < 10; i++) {
            MessageExt message = stored.get(i + 1);
            String text = Messages.numbered("batch", 10).get(i);
            assertEquals(text, Messages.text(message));
            assertEquals("tag-" + text, message.getTags());
            assertEquals("key-" + text, message.getKeys());
            assertEquals(text + "-blue", message.getUserProperty("colour"));
            assertEquals(i, message.getFlag());
            assertEquals(i + 1, message.getQueueOffset());
            assertEquals(result.getMsgId().split(",")[i], message.getMsgId());
        }
    }

    @Test
    void nextMessageFollowsTheBatch() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("BatchSend", 2);
        MessageQueue queue = Cluster.queues(producer, topic).get(1);
        long begin = producer.maxOffset(queue);

        SendResult batch = producer.send(List.of(Messages.message(topic, "a"), Messages.message(topic, "b"),
            Messages.message(topic, "c")), queue);
        SendResult next = producer.send(Messages.message(topic, "d"), queue);

        assertEquals(begin, batch.getQueueOffset());
        assertEquals(begin + 3, next.getQueueOffset());
        assertEquals(List.of("a", "b", "c", "d"), cluster.read(topic, 5).stream()
            .filter(m -> m.getQueueId() == 1).map(Messages::text).filter(t -> !t.equals(Cluster.WARM_UP))
            .collect(Collectors.toList()));
    }

    @Test
    void wholeBatchMustFitTheBrokersMessageLimit() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("BatchSend", 1);
        producer.setMaxMessageSize(16 * 1024 * 1024);
        byte[] mebibyte = new byte[1024 * 1024];
        List<Message> batch = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            batch.add(new Message(topic, mebibyte));
        }

        MQClientException refusal = assertThrows(MQClientException.class, () -> producer.send(batch));

        // Not MESSAGE_ILLEGAL as for a single message: the client tries again on this code, then gives up.
        assertEquals(Wire.SYSTEM_ERROR, ((MQBrokerException) refusal.getCause()).getResponseCode());
        assertEquals(List.of(Cluster.WARM_UP), Messages.texts(cluster.read(topic, 1)));
    }

    @Test
    void refusesMixedTopicsBeforeSending() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        List<Message> batch = List.of(Messages.message(Cluster.unique("BatchSend"), "here"),
            Messages.message(Cluster.unique("BatchSend"), "there"));

        assertThrows(MQClientException.class, () -> producer.send(batch));
    }
}
