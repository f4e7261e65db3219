package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A consumer that leaves is forgotten at once, whether it says goodbye or its connection breaks. */
class UnregisterIT {
    /** Far less than the 120 s after which a silent client expires. */
    private static final Duration SOON = Duration.ofSeconds(10);

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void shutDownConsumerLeavesItsGroup() throws Exception {
        DefaultMQProducer observer = cluster.producer();
        String topic = cluster.createTopic("Unregister", 2);
        String group = Cluster.unique("group");
        DefaultMQPushConsumer leaver = cluster.consume(group, topic, "*", new Inbox());
        DefaultMQPushConsumer stayer = cluster.consume(group, topic, "*", new Inbox());
        Await.until("two members", () -> Cluster.members(observer, topic, group).size() == 2);

        leaver.shutdown();

        Await.until("one member", SOON, () -> Cluster.members(observer, topic, group).equals(List.of(stayer.buildMQClientId())));
    }

    @Test
    void groupWithoutMembersIsUnknown() throws Exception {
        DefaultMQProducer observer = cluster.producer();
        String topic = cluster.createTopic("Unregister", 1);
        String group = Cluster.unique("group");
        DefaultMQPushConsumer consumer = cluster.consume(group, topic, "*", new Inbox());
        Await.until("one member", () -> Cluster.members(observer, topic, group).size() == 1);

        consumer.shutdown();

        MQBrokerException refusal = assertThrows(MQBrokerException.class, () -> Cluster.members(observer, topic, group));
        assertEquals(Wire.SYSTEM_ERROR, refusal.getResponseCode());
    }

    @Test
    void brokenConnectionCountsAsLeaving() throws Exception {
        DefaultMQProducer observer = cluster.producer();
        String topic = cluster.createTopic("Unregister", 2);
        String group = Cluster.unique("group");
        DefaultMQPushConsumer dies = cluster.consume(group, topic, "*", new Inbox());
        DefaultMQPushConsumer stayer = cluster.consume(group, topic, "*", new Inbox());
        Await.until("two members", () -> Cluster.members(observer, topic, group).size() == 2);

        dies.getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl().getRemotingClient().shutdown();

        Await.until("one member", SOON, () -> Cluster.members(observer, topic, group).equals(List.of(stayer.buildMQClientId())));
        Await.until("it has both queues", SOON, () -> Cluster.assigned(stayer, topic).size() == 2);
    }
}
