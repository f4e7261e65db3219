package rocketmq.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages with a delivery time of their own (5.x); 4.9's client sets the same properties by hand. */
class TimerMessageIT {
    /** A delivery time is rounded up to a second; what comes on top of that is the broker's doing. */
    private static final long PRECISION_MILLIS = 1_000;
    private static final long LATE_MILLIS_MAX = 2_000;

    private static final boolean IS_5 =
        Stream.of(DefaultMQProducer.class.getMethods()).anyMatch(method -> method.getName().equals("recallMessage"));

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
        String deliverMillis = Long.toString(System.currentTimeMillis() + 5_000);
        List<String> texts = Messages.numbered("m", 200);
        for (String text : texts) {
            producer.send(timed(topic, "TIMER_DELIVER_MS", deliverMillis, text));
        }

        List<String> delivered = cluster.read(topic, 1 + texts.size()).stream().map(Messages::text).collect(Collectors.toList());

        assertEquals(texts, delivered.subList(1, delivered.size()));
    }

    @Test
    void delayBeyondTheLongestIsRefused() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Timer", 1);

        MQBrokerException refused = assertThrows(MQBrokerException.class,
            () -> producer.send(timed(topic, "TIMER_DELAY_SEC", "259300", "too late")));

        assertEquals(Wire.MESSAGE_ILLEGAL, refused.getResponseCode());
        assertTrue(refused.getErrorMessage().contains("max delay 259200000ms"), refused.getErrorMessage());
    }

    @Test
    void recalledMessageIsNotDelivered() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Timer", 1);
        long deliverMillis = System.currentTimeMillis() + 4_000;
        producer.send(deliveredAt(deliverMillis, Messages.tagged(topic, "t", "kept")));
        SendResult recalled = producer.send(deliveredAt(deliverMillis, Messages.tagged(topic, "t", "recalled")));

        assertEquals(recalled.getMsgId(), recall(producer, topic, recalled, deliverMillis));

        producer.send(deliveredAt(deliverMillis + 2_000, Messages.tagged(topic, "t", "last")));
        List<String> delivered = cluster.read(topic, 3).stream().map(Messages::text).collect(Collectors.toList());
        assertEquals(List.of(Cluster.WARM_UP, "kept", "last"), delivered);
    }

    /** As the 5.x client does it; with 4.9's the property and the request are made by hand. */
    private static Message deliveredAt(long millis, Message message) throws Exception {
        if (IS_5) {
            Message.class.getMethod("setDeliverTimeMs", long.class).invoke(message, millis);
        } else {
            message.getProperties().put("TIMER_DELIVER_MS", Long.toString(millis));
        }
        return message;
    }

    /** The id that the broker answers. */
    private String recall(DefaultMQProducer producer, String topic, SendResult sent, long deliverMillis) throws Exception {
        if (IS_5) {
            Object handle = SendResult.class.getMethod("getRecallHandle").invoke(sent);
            return (String) DefaultMQProducer.class.getMethod("recallMessage", String.class, String.class)
                .invoke(producer, topic, handle);
        }
        String broker = sent.getMessageQueue().getBrokerName();
        String handle = String.join(" ", "v1", topic, broker, Long.toString(deliverMillis), sent.getMsgId());
        String encoded = Base64.getUrlEncoder().encodeToString(handle.getBytes(UTF_8));
        RemotingCommand reply = Wire.toBroker(cluster)
            .call(Wire.RECALL_MESSAGE, Map.of("topic", topic, "recallHandle", encoded), new byte[0]);
        assertEquals(Wire.SUCCESS, reply.getCode(), reply.getRemark());
        return reply.getExtFields().get("msgId");
    }

    private static void assertInTime(MessageExt message, long dueMillis) {
        long late = message.getStoreTimestamp() - dueMillis;
        assertTrue(late >= 0 && late < PRECISION_MILLIS + LATE_MILLIS_MAX, Messages.text(message) + " came " + late + " ms late");
    }

    private static Message timed(String topic, String property, String value, String text) {
        Message message = Messages.tagged(topic, "t", text);
        message.putUserProperty("colour", "blue");
        // putUserProperty refuses the names of 5.x's own properties.
        message.getProperties().put(property, value);
        return message;
    }
}
