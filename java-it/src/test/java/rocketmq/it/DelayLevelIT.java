package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Messages with a delay level are delivered after that level's time. */
class DelayLevelIT {
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
        assertTrue(firstDelay >= 950 && firstDelay < 5_000, "level 1 took " + firstDelay + " ms");
        assertTrue(secondDelay >= 4_950 && secondDelay < 10_000, "level 2 took " + secondDelay + " ms");
        assertEquals(topic, first.getTopic());
        assertEquals(oneSecond.getMsgId(), first.getMsgId());
        assertEquals("blue", first.getUserProperty("colour"));
        assertEquals(0, first.getReconsumeTimes());
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
