package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Routes from the name server, as producers and consumers see them. */
class RouteIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void producersAndConsumersSeeTheSameQueues() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Route", 3);

        List<MessageQueue> toPublish = Cluster.queues(producer, topic);

        String broker = toPublish.get(0).getBrokerName();
        assertFalse(broker.isEmpty());
        assertEquals(List.of(new MessageQueue(topic, broker, 0), new MessageQueue(topic, broker, 1),
            new MessageQueue(topic, broker, 2)), toPublish);
        Set<MessageQueue> toSubscribe = cluster.pullConsumer().fetchSubscribeMessageQueues(topic);
        assertEquals(new HashSet<>(toPublish), toSubscribe);
    }

    @Test
    void unknownTopicHasNoRoute() throws Exception {
        DefaultMQProducer producer = cluster.producer();

        MQClientException refusal = assertThrows(MQClientException.class,
            () -> producer.fetchPublishMessageQueues(Cluster.unique("Route")));
        assertEquals(Wire.TOPIC_NOT_EXIST, ((MQClientException) refusal.getCause()).getResponseCode());
    }

    @Test
    void anotherNameServerServesWhenOneIsDown() throws Exception {
        String topic = cluster.createTopic("Route", 2);
        DefaultMQProducer producer = new DefaultMQProducer(Cluster.unique("producer"));
        producer.setNamesrvAddr("127.0.0.1:1;" + Cluster.NAMESRV);
        producer.setInstanceName(Cluster.unique("client"));
        producer.start();
        try {
            assertEquals(2, Cluster.queues(producer, topic).size());
            producer.send(Messages.message(topic, "found the way"));
        } finally {
            producer.shutdown();
        }
        assertEquals(Set.of(Cluster.WARM_UP, "found the way"), new HashSet<>(Messages.texts(cluster.read(topic, 2))));
    }
}
