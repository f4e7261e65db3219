package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The lite pull consumer: the caller polls, and either names its queues or shares them with its group. */
class LitePullIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void subscribedConsumerPollsEverythingOfItsTag() throws Exception {
        String topic = topicWith(4, 40);
        DefaultLitePullConsumer consumer = cluster.litePullConsumer(Cluster.unique("group"));
        consumer.subscribe(topic, "t");
        consumer.start();

        assertEquals(Messages.numbered("lite", 40), Messages.sortedTexts(poll(consumer, 40)));
    }

    @Test
    void assignedConsumerSeeksWhereItWants() throws Exception {
        String topic = topicWith(1, 10);
        DefaultLitePullConsumer consumer = cluster.litePullConsumer(Cluster.unique("group"));
        consumer.setAutoCommit(false);
        consumer.start();
        MessageQueue queue = consumer.fetchMessageQueues(topic).iterator().next();
        consumer.assign(List.of(queue));

        consumer.seek(queue, 6);
        assertEquals(Messages.numbered("lite", 10).subList(5, 10), Messages.texts(pollFrom(consumer, 6, 5)));

        consumer.seekToBegin(queue);
        assertEquals(Cluster.WARM_UP, Messages.text(poll(consumer, 11).get(0)));

        consumer.seekToEnd(queue);
        cluster.producer().send(Messages.message(topic, "after the end"));
        assertEquals("after the end", Messages.text(poll(consumer, 1).get(0)));
    }

    @Test
    void committedOffsetIsWhereTheNextConsumerStarts() throws Exception {
        String topic = topicWith(1, 10);
        String group = Cluster.unique("group");
        DefaultLitePullConsumer first = cluster.litePullConsumer(group);
        first.setAutoCommit(false);
        first.setPullBatchSize(4);
        first.start();
        MessageQueue queue = first.fetchMessageQueues(topic).iterator().next();
        first.assign(List.of(queue));
        List<MessageExt> page = first.poll(10_000);
        int read = page.size();
        assertEquals(4, read);
        first.commit(Set.of(queue), true);
        Await.until("offset committed", () -> first.committed(queue) == read);
        first.shutdown();

        DefaultLitePullConsumer second = cluster.litePullConsumer(group);
        second.start();
        second.assign(List.of(queue));

        assertEquals(read, second.committed(queue));
        assertEquals(Messages.numbered("lite", 10).subList(read - 1, 10), Messages.texts(poll(second, 11 - read)));
    }

    @Test
    void automaticCommitReachesTheBroker() throws Exception {
        String topic = topicWith(1, 10);
        String group = Cluster.unique("group");
        DefaultLitePullConsumer consumer = cluster.litePullConsumer(group);
        consumer.setAutoCommitIntervalMillis(1_000);
        consumer.subscribe(topic, "*");
        consumer.start();
        poll(consumer, 11);
        MessageQueue queue = consumer.assignment().iterator().next();
        Wire observer = Wire.toBroker(cluster);

        Await.until("all 11 committed", () -> {
            consumer.poll(100);
            return observer.consumerOffset(group, queue) == 11;
        });
    }

    @Test
    void pausedQueueGivesNothingUntilResumed() throws Exception {
        String topic = topicWith(1, 0);
        DefaultLitePullConsumer consumer = cluster.litePullConsumer(Cluster.unique("group"));
        consumer.start();
        MessageQueue queue = consumer.fetchMessageQueues(topic).iterator().next();
        consumer.assign(List.of(queue));
        assertEquals(List.of(Cluster.WARM_UP), Messages.texts(poll(consumer, 1)));

        DefaultMQProducer producer = cluster.producer();
        consumer.pause(List.of(queue));
        // A pull that was under way when the pause came still brings what it finds.
        producer.send(Messages.message(topic, "under way"));
        int broughtAnyway = consumer.poll(2_000).size();
        producer.send(Messages.message(topic, "held back"));
        assertEquals(List.of(), consumer.poll(2_000));

        consumer.resume(List.of(queue));
        assertEquals(List.of("under way", "held back").subList(broughtAnyway, 2),
            Messages.texts(poll(consumer, 2 - broughtAnyway)));
    }

    @Test
    void timeFindsItsOffset() throws Exception {
        String topic = topicWith(1, 5);
        DefaultLitePullConsumer consumer = cluster.litePullConsumer(Cluster.unique("group"));
        consumer.start();
        MessageQueue queue = consumer.fetchMessageQueues(topic).iterator().next();
        MessageExt last = cluster.read(topic, 6).get(5);

        assertEquals(0L, consumer.offsetForTimestamp(queue, 0L));
        assertEquals(6L, consumer.offsetForTimestamp(queue, last.getStoreTimestamp() + 1_000));
    }

    private String topicWith(int queues, int count) throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("LitePull", queues);
        for (String text : Messages.numbered("lite", count)) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        return topic;
    }

    /**
     * Polls the messages from {@code offset} on, one behind another. A pull that was under way when the consumer sought may
     * still come back: what it brings is passed over.
     */
    private static List<MessageExt> pollFrom(DefaultLitePullConsumer consumer, long offset, int count) {
        List<MessageExt> polled = new ArrayList<>();
        Await.until(count + " messages polled from offset " + offset, () -> {
            for (MessageExt message : consumer.poll(100)) {
                if (message.getQueueOffset() == offset + polled.size()) {
                    polled.add(message);
                }
            }
            return polled.size() >= count;
        });
        return polled.subList(0, count);
    }

    /** Polls until {@code count} messages have come; more than that is the caller's to notice. */
    private static List<MessageExt> poll(DefaultLitePullConsumer consumer, int count) {
        List<MessageExt> polled = new ArrayList<>();
        Await.until(count + " messages polled", () -> {
            polled.addAll(consumer.poll(100));
            return polled.size() >= count;
        });
        return polled;
    }
}
