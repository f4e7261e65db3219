package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages found by key, by unique key and by where they lie. */
class QueryIT {
    private static final int MESSAGES_MAX = 32;

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void messagesAreFoundByEachOfTheirKeys() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Query", 2);
        producer.send(keyed(topic, "first", "order-1", "customer-7"));
        producer.send(keyed(topic, "second", "order-2", "customer-7"));
        producer.send(keyed(topic, "third", "\u8ba2\u5355-3"));

        assertEquals(List.of("third"), find(producer, topic, "\u8ba2\u5355-3", 1));
        assertEquals(List.of("first"), find(producer, topic, "order-1", 1));
        assertEquals(List.of("first", "second"), find(producer, topic, "customer-7", 2));
    }

    @Test
    void keyIsOnlyFoundInItsTopicAndItsTime() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Query", 1);
        String other = cluster.createTopic("Query", 1);
        producer.send(keyed(topic, "here", "key"));
        find(producer, topic, "key", 1);
        long now = System.currentTimeMillis();

        assertThrows(MQClientException.class, () -> producer.queryMessage(other, "key", MESSAGES_MAX, 0, Long.MAX_VALUE));
        assertThrows(MQClientException.class, () -> producer.queryMessage(topic, "ke", MESSAGES_MAX, 0, Long.MAX_VALUE));
        assertThrows(MQClientException.class,
            () -> producer.queryMessage(topic, "key", MESSAGES_MAX, now + 3_600_000, Long.MAX_VALUE));
        assertThrows(MQClientException.class, () -> producer.queryMessage(topic, "key", MESSAGES_MAX, 0, now - 3_600_000));
    }

    @Test
    void ofManyMessagesTheNewestAreFound() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Query", 1);
        List<String> texts = Messages.numbered("text", 20);
        for (String text : texts) {
            producer.send(keyed(topic, text, "same"));
        }
        find(producer, topic, "same", 20);

        QueryResult newest = producer.queryMessage(topic, "same", 5, 0, Long.MAX_VALUE);

        assertEquals(texts.subList(15, 20), Messages.sortedTexts(newest.getMessageList()));
        assertTrue(newest.getIndexLastUpdateTimestamp() > 0);
    }

    @Test
    void messageIsFoundByItsUniqueKey() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Query", 1);
        SendResult sent = producer.send(Messages.message(topic, "unique"));

        MessageExt found = Await.value("message by unique key", Await.PATIENCE,
            () -> producer.getDefaultMQProducerImpl().queryMessageByUniqKey(topic, sent.getMsgId()), m -> m != null);

        assertEquals("unique", Messages.text(found));
        assertEquals(sent.getMsgId(), found.getMsgId());
        assertEquals(sent.getQueueOffset(), found.getQueueOffset());
    }

    @Test
    void messageIsFoundByWhereItLies() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Query", 1);
        producer.send(Messages.message(topic, "before"));
        String large = "x".repeat(300_000);
        SendResult sent = producer.send(Messages.tagged(topic, "tag", large));

        MessageExt found = producer.viewMessage(topic, sent.getOffsetMsgId());

        assertEquals(large, Messages.text(found));
        assertEquals(topic, found.getTopic());
        assertEquals("tag", found.getTags());
        assertEquals(sent.getQueueOffset(), found.getQueueOffset());
    }

    private static Message keyed(String topic, String text, String... keys) {
        Message message = Messages.message(topic, text);
        message.setKeys(Arrays.asList(keys));
        return message;
    }

    /** The texts of a key's messages, once there are {@code count}: the index comes behind the acknowledgement. */
    private static List<String> find(DefaultMQProducer producer, String topic, String key, int count) {
        return Messages.sortedTexts(Await.value(count + " messages of " + key, Await.PATIENCE,
            () -> producer.queryMessage(topic, key, MESSAGES_MAX, 0, Long.MAX_VALUE).getMessageList(),
            found -> found.size() == count));
    }
}
