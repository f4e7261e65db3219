package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A queue's offsets, and the offset that a group has reached. */
class OffsetIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void queueKnowsItsEndsAndTimes() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 5);
        DefaultMQProducer producer = cluster.producer();
        List<MessageExt> stored = cluster.read(queue.getTopic(), 6);

        assertEquals(0, producer.minOffset(queue));
        assertEquals(6, producer.maxOffset(queue));
        assertEquals(0, producer.searchOffset(queue, 0));
        assertEquals(6, producer.searchOffset(queue, stored.get(5).getStoreTimestamp() + 60_000));
        long inTheMiddle = producer.searchOffset(queue, stored.get(3).getStoreTimestamp());
        assertEquals(stored.get(3).getStoreTimestamp(), stored.get((int) inTheMiddle).getStoreTimestamp());
    }

    @Test
    void earliestMessageTimeIsThatOfTheFirstMessage() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 2);

        assertEquals(cluster.read(queue.getTopic(), 3).get(0).getStoreTimestamp(),
            cluster.producer().earliestMsgStoreTime(queue));
    }

    @Test
    void newGroupHasReadNothing() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 3);

        assertEquals(0, cluster.pullConsumer().fetchConsumeOffset(queue, true));
    }

    @Test
    void updatedOffsetIsSeenByTheNextConsumerOfTheGroupOnly() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 5);
        String group = Cluster.unique("group");
        DefaultMQPullConsumer writer = cluster.pullConsumer(group);
        // A group exists once it has pulled.
        writer.pull(queue, "*", 0, 1);

        writer.updateConsumeOffset(queue, 4);
        writer.getOffsetStore().persist(queue);

        DefaultMQPullConsumer reader = cluster.pullConsumer(group);
        Await.until("offset 4 on the broker", () -> reader.fetchConsumeOffset(queue, true) == 4);
        assertEquals(0, cluster.pullConsumer().fetchConsumeOffset(queue, true));

        writer.updateConsumeOffset(queue, 2);
        writer.getOffsetStore().persist(queue);
        Await.until("set back to 2", () -> reader.fetchConsumeOffset(queue, true) == 2);
    }

    @Test
    void restartedConsumerContinuesWhereItStopped() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 10);
        String topic = queue.getTopic();
        String group = Cluster.unique("group");
        DefaultMQProducer producer = cluster.producer();
        cluster.consumeAll(group, queue, Messages.numbered("offset", 10)).shutdown();

        List<String> whileAway = List.of("away 1", "away 2");
        for (String text : whileAway) {
            producer.send(Messages.tagged(topic, "t", text), queue);
        }
        Inbox after = new Inbox();
        cluster.consume(group, topic, "t", after);

        after.awaitExactly(whileAway);
    }

    @Test
    void runningConsumerCommitsAsItGoes() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 10);
        String group = Cluster.unique("group");
        cluster.consume(group, queue.getTopic(), "*", new Inbox());
        Wire observer = Wire.toBroker(cluster);

        Await.until("all 11 committed", () -> observer.consumerOffset(group, queue) == 11);
    }

    /** While a queue is young enough to start at 0, a new group gets all of it, whatever it asked for. */
    @Test
    void newGroupStartsAtTheFirstMessageOfAYoungQueue() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 3);
        for (ConsumeFromWhere where : List.of(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET,
            ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP)) {
            DefaultMQPushConsumer consumer = cluster.pushConsumer(Cluster.unique("group"));
            consumer.setConsumeFromWhere(where);
            consumer.subscribe(queue.getTopic(), "t");
            Inbox inbox = new Inbox();
            consumer.registerMessageListener(inbox);
            consumer.start();

            inbox.awaitExactly(Messages.numbered("offset", 3));
        }
    }

    @Test
    void storedOffsetBeyondTheEndIsCorrected() throws Exception {
        MessageQueue queue = cluster.queueWith("offset", 3);
        String group = Cluster.unique("group");
        DefaultMQPullConsumer writer = cluster.pullConsumer(group);
        writer.pull(queue, "*", 0, 1);
        writer.updateConsumeOffset(queue, 1_000);
        writer.getOffsetStore().persist(queue);
        Await.until("offset 1000 on the broker", () -> writer.fetchConsumeOffset(queue, true) == 1_000);

        PullResult pulled = writer.pull(queue, "*", 1_000, 32);

        assertTrue(pulled.getNextBeginOffset() <= 4, pulled.toString());
    }
}
