package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tags select messages on the broker; what a tag does not match is skipped, not delivered. */
class TagFilterIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void consumerGetsItsTagsOnly() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("TagFilter", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        Inbox paid = new Inbox();
        Inbox paidOrShipped = new Inbox();
        Inbox everything = new Inbox();
        cluster.consume(topic, "paid", paid);
        cluster.consume(topic, "paid || shipped", paidOrShipped);
        cluster.consume(topic, "*", everything);

        producer.send(Messages.tagged(topic, "paid", "1 paid"), queue);
        producer.send(Messages.tagged(topic, "shipped", "2 shipped"), queue);
        producer.send(Messages.tagged(topic, "cancelled", "3 cancelled"), queue);
        producer.send(Messages.message(topic, "4 untagged"), queue);
        producer.send(Messages.tagged(topic, "paid", "5 paid"), queue);

        paid.awaitExactly(List.of("1 paid", "5 paid"));
        paidOrShipped.awaitExactly(List.of("1 paid", "2 shipped", "5 paid"));
        everything.awaitExactly(List.of("1 paid", "2 shipped", "3 cancelled", "4 untagged", "5 paid", Cluster.WARM_UP));
    }

    @Test
    void tagsOfEqualHashAreToldApart() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("TagFilter", 1);
        assertEquals("AaAa".hashCode(), "BBBB".hashCode());
        Inbox inbox = new Inbox();
        cluster.consume(topic, "AaAa", inbox);

        producer.send(Messages.tagged(topic, "BBBB", "looks alike"));
        producer.send(Messages.tagged(topic, "AaAa", "wanted"));

        inbox.awaitExactly(List.of("wanted"));
    }

    @Test
    void pullSkipsOverWhatDoesNotMatch() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("TagFilter", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        for (String text : Messages.numbered("noise", 9)) {
            producer.send(Messages.tagged(topic, "noise", text), queue);
        }
        producer.send(Messages.tagged(topic, "wanted", "needle"), queue);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        Await.until("11 messages in the queue", () -> consumer.maxOffset(queue) == 11);

        PullResult found = consumer.pull(queue, "wanted", 0, 32);
        Messages.assertFound(List.of("needle"), 11, found);
        assertEquals(10, found.getMsgFoundList().get(0).getQueueOffset());
        Messages.assertNoneMatched(11, consumer.pull(queue, "nobody", 0, 32));
    }
}
