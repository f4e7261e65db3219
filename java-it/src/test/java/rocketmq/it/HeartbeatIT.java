package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Heartbeats tell the broker what a consumer subscribes to; a change takes effect while it runs. */
class HeartbeatIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void runningConsumerSwitchesToAnotherTag() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Heartbeat", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = cluster.consume(topic, "red", inbox);
        producer.send(Messages.tagged(topic, "red", "1 red"), queue);
        producer.send(Messages.tagged(topic, "blue", "2 blue"), queue);
        producer.send(Messages.tagged(topic, "red", "3 red"), queue);
        inbox.awaitExactly(List.of("1 red", "3 red"));

        consumer.subscribe(topic, "blue");
        // The pull that waits at this moment still looks for red and may step over blue ones.
        Await.until("the new tag is in force", () -> {
            producer.send(Messages.tagged(topic, "blue", "switching"), queue);
            return inbox.received().stream().anyMatch(message -> message.getTags().equals("blue"));
        });
        producer.send(Messages.tagged(topic, "red", "4 red"), queue);
        producer.send(Messages.tagged(topic, "blue", "5 blue"), queue);

        inbox.awaitText("5 blue");
        List<String> received = Messages.sortedTexts(inbox.received());
        received.removeIf("switching"::equals);
        assertEquals(List.of("1 red", "3 red", "5 blue"), received);
    }

    @Test
    void brokerKnowsTheMembersOfAGroup() throws Exception {
        DefaultMQProducer observer = cluster.producer();
        String topic = cluster.createTopic("Heartbeat", 4);
        String group = Cluster.unique("group");

        DefaultMQPushConsumer first = cluster.consume(group, topic, "*", new Inbox());
        DefaultMQPushConsumer second = cluster.consume(group, topic, "*", new Inbox());

        Cluster.awaitMembers(observer, topic, group, Await.PATIENCE, first, second);
    }
}
