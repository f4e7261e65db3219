package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages with a delay level are delivered after that level's time. */
class DelayLevelIT {
    private static final int ROUNDS_MAX = 5;
    private static final long LATE_MILLIS_MAX = 100;

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void messageIsDeliveredAfterItsDelay() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("DelayLevel", 1);
        Inbox inbox = new Inbox();
        cluster.consume(topic, "t", inbox);

        producer.send(Messages.tagged(topic, "t", "now"));
        long sentMillis = System.currentTimeMillis();
        SendResult oneSecond = producer.send(delayed(topic, 1, "after 1 s"));
        producer.send(delayed(topic, 2, "after 5 s"));

        inbox.awaitExactly(List.of("after 1 s", "after 5 s", "now"));
        MessageExt first = inbox.awaitText("after 1 s");
        long firstDelay = first.getStoreTimestamp() - sentMillis;
        long secondDelay = inbox.awaitText("after 5 s").getStoreTimestamp() - sentMillis;
        assertTrue(firstDelay >= 1_000 && firstDelay < 5_000, "level 1 took " + firstDelay + " ms");
        assertTrue(secondDelay >= 5_000 && secondDelay < 10_000, "level 2 took " + secondDelay + " ms");
        assertEquals(topic, first.getTopic());
        assertEquals(oneSecond.getMsgId(), first.getMsgId());
        assertEquals("blue", first.getUserProperty("colour"));
        assertEquals(0, first.getReconsumeTimes());
    }

    @Test
    void deliveryIsNeverEarlyAndNotLateByMuch() throws Exception {
        List<Long> medians = new ArrayList<>();
        // The machine may be busy with other tests, so that not every round tells of the broker.
        for (int round = 0; round < ROUNDS_MAX; round++) {
            medians.add(medianLateMillis());
            if (medians.get(round) <= LATE_MILLIS_MAX) {
                return;
            }
        }
        fail("late by milliseconds, the median of each round: " + medians);
    }

    /** By how much messages of level 1 come late; none may be early. */
    private long medianLateMillis() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("DelayLevel", 1);
        Map<String, Long> answeredMillis = new HashMap<>();
        for (String text : Messages.numbered("due", 20)) {
            producer.send(delayed(topic, 1, text));
            answeredMillis.put(text, System.currentTimeMillis());
        }

        List<MessageExt> delivered = cluster.read(topic, 21).subList(1, 21);

        List<Long> lateMillis = new ArrayList<>();
        for (MessageExt message : delivered) {
            long since = message.getStoreTimestamp() - message.getBornTimestamp();
            assertTrue(since >= 1_000, "delivered " + since + " ms after it was made");
            lateMillis.add(message.getStoreTimestamp() - answeredMillis.get(Messages.text(message)) - 1_000);
        }
        lateMillis.sort(null);
        return lateMillis.get(lateMillis.size() / 2);
    }

    @Test
    void delayedMessageKeepsItsQueue() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("DelayLevel", 4);

        SendResult sent = producer.send(delayed(topic, 1, "queue 3"), Cluster.queues(producer, topic).get(3));

        assertEquals(3, sent.getMessageQueue().getQueueId());
        MessageExt stored = cluster.read(topic, 2).stream()
            .filter(m -> Messages.text(m).equals("queue 3")).findFirst().orElseThrow();
        assertEquals(3, stored.getQueueId());
    }

    private static Message delayed(String topic, int level, String text) {
        Message message = Messages.tagged(topic, "t", text);
        message.setDelayTimeLevel(level);
        message.putUserProperty("colour", "blue");
        return message;
    }
}
