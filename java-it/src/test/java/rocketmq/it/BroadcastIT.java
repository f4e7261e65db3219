package rocketmq.it;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Broadcasting: every consumer of the group gets every message and keeps its own offsets. */
class BroadcastIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void everyConsumerGetsEveryMessage() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Broadcast", 4);
        String group = Cluster.unique("group");
        Inbox one = new Inbox();
        Inbox two = new Inbox();
        broadcast(group, topic, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, null, one);
        broadcast(group, topic, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET, null, two);

        List<String> texts = Messages.numbered("broadcast", 40);
        for (String text : texts) {
            producer.send(Messages.tagged(topic, "t", text));
        }

        one.awaitExactly(texts);
        two.awaitExactly(texts);
    }

    @Test
    void lastOffsetSkipsWhatWasThereBefore() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Broadcast", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        producer.send(Messages.tagged(topic, "t", "before"), queue);
        Await.until("both in the queue", () -> producer.maxOffset(queue) == 2);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = broadcast(Cluster.unique("group"), topic,
            ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET, null, inbox);
        Cluster.awaitAssigned(consumer, queue);

        producer.send(Messages.tagged(topic, "t", "after"), queue);

        inbox.awaitExactly(List.of("after"));
    }

    @Test
    void timestampSkipsWhatIsOlder() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Broadcast", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        producer.send(Messages.tagged(topic, "t", "older"), queue);
        // The timestamp counts in seconds.
        long between = System.currentTimeMillis() / 1_000 * 1_000 + 1_000;
        Await.until("the next second", () -> System.currentTimeMillis() > between + 100);
        producer.send(Messages.tagged(topic, "t", "newer"), queue);

        Inbox inbox = new Inbox();
        broadcast(Cluster.unique("group"), topic, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP,
            UtilAll.timeMillisToHumanString3(between), inbox);

        inbox.awaitExactly(List.of("newer"));
    }

    private DefaultMQPushConsumer broadcast(String group, String topic, ConsumeFromWhere where, String timestamp,
        Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        Cluster.broadcasting(consumer);
        consumer.setConsumeFromWhere(where);
        if (timestamp != null) {
            consumer.setConsumeTimestamp(timestamp);
        }
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener(inbox);
        consumer.start();
        return consumer;
    }
}
