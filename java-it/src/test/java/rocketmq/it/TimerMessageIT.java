package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages with a delivery time of their own (5.x); 4.9's client sets the same properties by hand. */
class TimerMessageIT {
    /** A delivery time is rounded up to a second; what comes on top of that is the broker's doing. */
    private static final long PRECISION_MILLIS = 1_000;
    private static final long LATE_MILLIS_MAX = 2_000;

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void messageIsDeliveredAtItsTimeAndNotBefore() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Timer", 1);
        Inbox inbox = new Inbox();
        cluster.consume(topic, "t", inbox);

        long sentMillis = System.currentTimeMillis();
        producer.send(timed(topic, "TIMER_DELAY_SEC", "3", "after 3 s"));
        producer.send(timed(topic, "TIMER_DELAY_MS", "1500", "after 1.5 s"));
        producer.send(timed(topic, "TIMER_DELIVER_MS", Long.toString(sentMillis + 2_000), "in 2 s"));
        producer.send(Messages.tagged(topic, "t", "now"));

        inbox.awaitExactly(List.of("after 1.5 s", "after 3 s", "in 2 s", "now"));
        assertInTime(inbox.awaitText("after 3 s"), sentMillis + 3_000);
        assertInTime(inbox.awaitText("after 1.5 s"), sentMillis + 1_500);
        assertInTime(inbox.awaitText("in 2 s"), sentMillis + 2_000);
        MessageExt delivered = inbox.awaitText("after 3 s");
        assertEquals(topic, delivered.getTopic());
        assertEquals("blue", delivered.getUserProperty("colour"));
        assertEquals(0, delivered.getReconsumeTimes());
    }

    @Test
    void manyMessagesOfOneMomentComeOnceEachAndInOrder() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Timer", 1);
        String deliverMillis = Long.toString(System.currentTimeMillis() + 3_000);
        List<String> texts = Messages.numbered("m", 200);
        for (String text : texts) {
            producer.send(timed(topic, "TIMER_DELIVER_MS", deliverMillis, text));
        }

        List<String> delivered = cluster.read(topic, 1 + texts.size()).stream().map(Messages::text).toList();

        assertEquals(texts, delivered.subList(1, delivered.size()));
    }

    @Test
    void delayBeyondTheLongestIsRefused() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Timer", 1);

        MQBrokerException refused = assertThrows(MQBrokerException.class,
            () -> producer.send(timed(topic, "TIMER_DELAY_SEC", "259300", "too late")));

        assertEquals(13, refused.getResponseCode());
        assertTrue(refused.getErrorMessage().contains("max delay 259200000ms"), refused.getErrorMessage());
    }

    /** By reflection, as 4.9's client has none of these methods. */
    @Test
    void fiveXClientSetsTimesAndRecalls() throws Exception {
        Assumptions.assumeTrue(hasMethod(DefaultMQProducer.class, "recallMessage"), "a client of 5.x");
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Timer", 1);
        long deliverMillis = System.currentTimeMillis() + 4_000;
        Message kept = Messages.tagged(topic, "t", "kept");
        Message recalled = Messages.tagged(topic, "t", "recalled");
        for (Message message : List.of(kept, recalled)) {
            Message.class.getMethod("setDeliverTimeMs", long.class).invoke(message, deliverMillis);
        }
        SendResult keptResult = producer.send(kept);
        SendResult recalledResult = producer.send(recalled);
        assertNotNull(handle(keptResult));
        assertNull(handle(producer.send(Messages.tagged(topic, "t", "now"))));

        Object id = DefaultMQProducer.class.getMethod("recallMessage", String.class, String.class)
            .invoke(producer, topic, handle(recalledResult));

        assertEquals(recalledResult.getMsgId(), id);
        Message last = Messages.tagged(topic, "t", "last");
        Message.class.getMethod("setDelayTimeSec", long.class).invoke(last, 6L);
        producer.send(last);
        List<String> delivered = cluster.read(topic, 4).stream().map(Messages::text).toList();
        assertEquals(List.of(Cluster.WARM_UP, "now", "kept", "last"), delivered);
    }

    private static Object handle(SendResult result) throws Exception {
        return SendResult.class.getMethod("getRecallHandle").invoke(result);
    }

    private static boolean hasMethod(Class<?> type, String name) {
        return List.of(type.getMethods()).stream().anyMatch(method -> method.getName().equals(name));
    }

    private static void assertInTime(MessageExt message, long dueMillis) {
        long late = message.getStoreTimestamp() - dueMillis;
        assertTrue(late >= 0 && late < PRECISION_MILLIS + LATE_MILLIS_MAX, Messages.text(message) + " came " + late + " ms late");
    }

    private static Message timed(String topic, String property, String value, String text) {
        Message message = Messages.tagged(topic, "t", text);
        message.putUserProperty("colour", "blue");
        // Public in no version, and refused as a user's property by none.
        message.getProperties().put(property, value);
        return message;
    }
}
