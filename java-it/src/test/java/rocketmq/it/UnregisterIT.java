package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
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
        Cluster.awaitMembers(observer, topic, group, Await.PATIENCE, leaver, stayer);

        leaver.shutdown();

        Cluster.awaitMembers(observer, topic, group, SOON, stayer);
    }

    @Test
    void groupWithoutMembersIsUnknown() throws Exception {
        DefaultMQProducer observer = cluster.producer();
        String topic = cluster.createTopic("Unregister", 1);
        String group = Cluster.unique("group");
        DefaultMQPushConsumer consumer = cluster.consume(group, topic, "*", new Inbox());
        Cluster.awaitMembers(observer, topic, group, Await.PATIENCE, consumer);

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
        Cluster.awaitMembers(observer, topic, group, Await.PATIENCE, dies, stayer);

        dies.getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl().getRemotingClient().shutdown();

        Cluster.awaitMembers(observer, topic, group, SOON, stayer);
        Await.until("it has both queues", SOON, () -> Cluster.assigned(stayer, topic).size() == 2);
    }
}
