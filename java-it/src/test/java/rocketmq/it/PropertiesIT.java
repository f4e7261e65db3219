package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a message carries beside its body: keys, tags, user properties, flag, times and hosts. */
class PropertiesIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void everythingThatWasSetComesBack() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Properties", 1);
        Message message = Messages.tagged(topic, "paid", "hello");
        message.setKeys(Arrays.asList("order-17", "customer-4"));
        message.putUserProperty("colour", "blue");
        message.putUserProperty("\u989c\u8272", "\u84dd\u8272 \ud83d\udd35");
        message.putUserProperty("looks=like&json", "{\"a\":[1,2]}\\n");
        message.setFlag(0x1234_5678);
        message.setBuyerId("buyer-9");
        long before = System.currentTimeMillis();

        producer.send(message);

        MessageExt stored = cluster.read(topic, 2).get(1);
        assertEquals("hello", Messages.text(stored));
        assertEquals(topic, stored.getTopic());
        assertEquals("paid", stored.getTags());
        assertEquals("order-17 customer-4", stored.getKeys());
        assertEquals("blue", stored.getUserProperty("colour"));
        assertEquals("\u84dd\u8272 \ud83d\udd35", stored.getUserProperty("\u989c\u8272"));
        assertEquals("{\"a\":[1,2]}\\n", stored.getUserProperty("looks=like&json"));
        assertEquals(0x1234_5678, stored.getFlag());
        assertEquals("buyer-9", stored.getBuyerId());
        assertTrue(stored.isWaitStoreMsgOK());
        assertNull(stored.getUserProperty("never set"));
        assertEquals(0, stored.getReconsumeTimes());
        long after = System.currentTimeMillis();
        assertTrue(before <= stored.getBornTimestamp() && stored.getBornTimestamp() <= after);
        assertTrue(stored.getStoreTimestamp() > 0);
    }

    @Test
    void brokerAddsWhereTheMessageCameFromAndWhereItLies() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Properties", 1);

        MessageExt stored = cluster.read(topic, 1).get(0);

        assertEquals("/" + Cluster.brokerAddress(producer, topic), stored.getStoreHost().toString());
        assertNotNull(stored.getBornHostString());
        assertEquals(Cluster.queues(producer, topic).get(0).getBrokerName(), stored.getBrokerName());
        assertEquals("true", stored.getProperty("TRACE_ON"));
        assertEquals("DefaultRegion", stored.getProperty("MSG_REGION"));
    }

    @Test
    void messageThatDoesNotWaitForTheDiskIsStoredToo() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Properties", 1);
        Message message = Messages.message(topic, "no hurry");
        message.setWaitStoreMsgOK(false);

        assertEquals(SendStatus.SEND_OK, producer.send(message).getSendStatus());

        MessageExt stored = cluster.read(topic, 2).get(1);
        assertEquals("no hurry", Messages.text(stored));
        assertFalse(stored.isWaitStoreMsgOK());
    }

    @Test
    void propertiesMayFillButNotExceedTheirLimit() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Properties", 1);
        Message fits = Messages.message(topic, "fits");
        fits.putUserProperty("filler", "x".repeat(31_500));
        producer.send(fits);

        Message tooLarge = Messages.message(topic, "too large");
        // Java takes some hundred bytes more, and then cannot take the message back from a consumer (D093).
        tooLarge.putUserProperty("filler", "x".repeat(32_000));
        MQBrokerException refusal = assertThrows(MQBrokerException.class, () -> producer.send(tooLarge));

        assertEquals(Wire.MESSAGE_ILLEGAL, refusal.getResponseCode());
        List<MessageExt> stored = cluster.read(topic, 2);
        assertEquals(List.of(Cluster.WARM_UP, "fits"), Messages.texts(stored));
        assertEquals("x".repeat(31_500), stored.get(1).getUserProperty("filler"));
    }
}
