package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Consumers of one group share the queues. The broker tells them at once when one comes or goes; without that they would
 * only look every 20 seconds.
 */
class RebalanceIT {
    private static final Duration SOON = Duration.ofSeconds(10);

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void queuesAreSharedAndTakenOver() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Rebalance", 4);
        List<MessageQueue> queues = Cluster.queues(producer, topic);
        String group = Cluster.unique("group");
        Inbox firstInbox = new Inbox();
        Inbox secondInbox = new Inbox();

        DefaultMQPushConsumer first = cluster.consume(group, topic, "t", firstInbox);
        Await.until("the first has all queues", SOON, () -> Cluster.assigned(first, topic).equals(new HashSet<>(queues)));

        DefaultMQPushConsumer second = cluster.consume(group, topic, "t", secondInbox);
        Await.until("each has two queues", SOON,
            () -> Cluster.assigned(first, topic).size() == 2 && Cluster.assigned(second, topic).size() == 2);
        Set<MessageQueue> together = new HashSet<>(Cluster.assigned(first, topic));
        together.addAll(Cluster.assigned(second, topic));
        assertEquals(new HashSet<>(queues), together);
        sendToEach(producer, queues, "shared");
        Await.until("each consumes from its two",
            () -> firstInbox.received().size() == 2 && secondInbox.received().size() == 2);

        Cluster.awaitAllCounted(first, topic);
        first.shutdown();
        Await.until("the second has all queues", SOON, () -> Cluster.assigned(second, topic).equals(new HashSet<>(queues)));
        sendToEach(producer, queues, "alone");
        for (int queue = 0; queue < 4; queue++) {
            secondInbox.awaitText("alone-" + queue);
        }

        List<MessageExt> all = new ArrayList<>(firstInbox.received());
        all.addAll(secondInbox.received());
        assertEquals(List.of("alone-0", "alone-1", "alone-2", "alone-3", "shared-0", "shared-1", "shared-2", "shared-3"),
            Messages.sortedTexts(all));
    }

    @Test
    void moreConsumersThanQueuesLeaveOneIdle() throws Exception {
        String topic = cluster.createTopic("Rebalance", 1);
        String group = Cluster.unique("group");
        DefaultMQPushConsumer first = cluster.consume(group, topic, "*", new Inbox());
        DefaultMQPushConsumer second = cluster.consume(group, topic, "*", new Inbox());

        Await.until("one has the queue", SOON,
            () -> Cluster.assigned(first, topic).size() + Cluster.assigned(second, topic).size() == 1);
        DefaultMQPushConsumer busy = Cluster.assigned(first, topic).isEmpty() ? second : first;
        DefaultMQPushConsumer idle = busy == first ? second : first;
        busy.shutdown();

        Await.until("the idle one has it", SOON, () -> Cluster.assigned(idle, topic).size() == 1);
    }

    private static void sendToEach(DefaultMQProducer producer, List<MessageQueue> queues, String text) throws Exception {
        for (MessageQueue queue : queues) {
            producer.send(Messages.tagged(queue.getTopic(), "t", text + "-" + queue.getQueueId()), queue);
        }
    }
}
