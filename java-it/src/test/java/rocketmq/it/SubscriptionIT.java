package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Consumers of one group should subscribe the same; when they do not, queues go unread until they do. */
class SubscriptionIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void queuesGoUnreadUntilTheConsumersAgree() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String red = cluster.createTopic("Red", 4);
        String blue = cluster.createTopic("Blue", 4);
        String group = Cluster.unique("group");
        Inbox first = new Inbox();
        Inbox second = new Inbox();
        DefaultMQPushConsumer ofRed = cluster.consume(group, red, "t", first);
        DefaultMQPushConsumer ofBlue = cluster.consume(group, blue, "t", second);
        // Each takes the other for a reader of its topic.
        Await.until("each has half of its topic",
            () -> Cluster.assigned(ofRed, red).size() == 2 && Cluster.assigned(ofBlue, blue).size() == 2);

        for (String topic : List.of(red, blue)) {
            for (MessageQueue queue : Cluster.queues(producer, topic)) {
                producer.send(Messages.tagged(topic, "t", topic + " " + queue.getQueueId()), queue);
            }
        }
        ofRed.subscribe(blue, "t");
        ofBlue.subscribe(red, "t");

        Await.until("all 8", () -> {
            // Not only each 20 s.
            ofRed.getDefaultMQPushConsumerImpl().getmQClientFactory().rebalanceImmediately();
            ofBlue.getDefaultMQPushConsumerImpl().getmQClientFactory().rebalanceImmediately();
            return texts(first, second).size() >= 8;
        });
        assertEquals(new TreeSet<>(expected(red, blue)), texts(first, second));
    }

    private static TreeSet<String> texts(Inbox first, Inbox second) {
        TreeSet<String> texts = new TreeSet<>(Messages.sortedTexts(first.received()));
        texts.addAll(Messages.sortedTexts(second.received()));
        return texts;
    }

    private static List<String> expected(String... topics) {
        List<String> expected = new ArrayList<>();
        for (String topic : topics) {
            for (int queue = 0; queue < 4; queue++) {
                expected.add(topic + " " + queue);
            }
        }
        return expected;
    }
}
