package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Bodies up to the 4 MiB limit, the refusal beyond it, and bodies that the client compresses. */
class LargeMessageIT {
    private static final int BODY_BYTES_MAX = 4 * 1024 * 1024;

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void carriesABodyAsLargeAsTheLimit() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        String topic = cluster.createTopic("LargeMessage", 1);
        byte[] body = noise(BODY_BYTES_MAX);

        producer.send(new Message(topic, body));

        assertArrayEquals(body, cluster.read(topic, 2).get(1).getBody());
    }

    @Test
    void brokerRefusesOneByteMore() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.setMaxMessageSize(2 * BODY_BYTES_MAX);
        String topic = cluster.createTopic("LargeMessage", 1);

        MQBrokerException refusal = assertThrows(MQBrokerException.class,
            () -> producer.send(new Message(topic, noise(BODY_BYTES_MAX + 1))));

        assertEquals(Wire.MESSAGE_ILLEGAL, refusal.getResponseCode());
        assertEquals(List.of(Cluster.WARM_UP), Messages.texts(cluster.read(topic, 1)));
    }

    @Test
    void clientRefusesBeforeSendingWhenItKnowsTheLimit() throws Exception {
        DefaultMQProducer producer = cluster.producer();

        MQClientException refusal = assertThrows(MQClientException.class,
            () -> producer.send(new Message(Cluster.unique("LargeMessage"), noise(BODY_BYTES_MAX + 1))));

        assertEquals(Wire.MESSAGE_ILLEGAL, refusal.getResponseCode());
    }

    @Test
    void compressedBodyIsStoredSmallAndReadWhole() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("LargeMessage", 1);
        byte[] body = "the same words again and again. ".repeat(4_000).getBytes(StandardCharsets.UTF_8);

        producer.send(new Message(topic, body));
        producer.send(Messages.message(topic, "short"));

        List<MessageExt> stored = cluster.read(topic, 3);
        MessageExt compressed = stored.get(1);
        assertArrayEquals(body, compressed.getBody());
        assertTrue(compressed.getStoreSize() < body.length / 10, "stored bytes: " + compressed.getStoreSize());
        assertEquals("short", Messages.text(stored.get(2)));
    }

    @Test
    void eachKindOfCompressionPassesThrough() throws Exception {
        String topic = cluster.createTopic("LargeMessage", 1);
        byte[] body = "the same words again and again. ".repeat(4_000).getBytes(StandardCharsets.UTF_8);
        for (String kind : List.of("LZ4", "ZSTD", "ZLIB")) {
            System.setProperty("rocketmq.message.compressType", kind);
            try {
                cluster.producer().send(new Message(topic, body));
            } finally {
                System.clearProperty("rocketmq.message.compressType");
            }
        }

        List<MessageExt> stored = cluster.read(topic, 4).subList(1, 4);

        for (int kind = 1; kind <= 3; kind++) {
            MessageExt message = stored.get(kind - 1);
            assertEquals(kind, message.getSysFlag() >> 8 & 7, "kind of compression");
            assertArrayEquals(body, message.getBody());
            assertTrue(message.getStoreSize() < body.length / 10, "stored bytes: " + message.getStoreSize());
        }
    }

    @Test
    void manyLargeMessagesArriveThoughOnePullCannotHoldThem() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        String topic = cluster.createTopic("LargeMessage", 1);
        for (int i = 0; i < 6; i++) {
            byte[] body = noise(1024 * 1024);
            body[0] = (byte) i;
            producer.send(new Message(topic, body));
        }

        List<MessageExt> stored = cluster.read(topic, 7);

        for (int i = 0; i < 6; i++) {
            byte[] expected = noise(1024 * 1024);
            expected[0] = (byte) i;
            assertArrayEquals(expected, stored.get(i + 1).getBody());
        }
    }

    /** Bytes that no compressor makes smaller. */
    private static byte[] noise(int bytes) {
        byte[] body = new byte[bytes];
        new Random(7).nextBytes(body);
        return body;
    }
}
