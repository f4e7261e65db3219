package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A topic that nobody made is made by the first send, after the model of TBW102. */
class AutoCreateTopicIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void firstSendMakesTheTopicWithTheProducersQueueCount() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = Cluster.unique("AutoCreate");

        producer.send(Messages.message(topic, "hello"));

        List<MessageQueue> queues = Cluster.queues(producer, topic);
        assertEquals(producer.getDefaultTopicQueueNums(), queues.size());
        assertEquals(4, queues.size());
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        assertEquals(4, consumer.fetchSubscribeMessageQueues(topic).size());
        assertEquals(List.of("hello"), Messages.texts(cluster.read(topic, 1)));
    }

    @Test
    void queueCountIsCappedByTheModelTopic() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setDefaultTopicQueueNums(64);
        String topic = Cluster.unique("AutoCreate");

        producer.send(Messages.message(topic, "hello"));

        assertEquals(8, Cluster.queues(producer, topic).size());
    }

    @Test
    void fewerQueuesThanTheModelTopicAreGranted() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setDefaultTopicQueueNums(2);
        String topic = Cluster.unique("AutoCreate");

        assertTrue(producer.send(Messages.message(topic, "hello")).getMessageQueue().getQueueId() < 2);

        assertEquals(2, Cluster.queues(producer, topic).size());
    }

    @Test
    void readingDoesNotMakeATopic() throws Exception {
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        String topic = Cluster.unique("AutoCreate");

        assertThrows(MQClientException.class, () -> consumer.fetchSubscribeMessageQueues(topic));
    }

    @Test
    void noTopicIsMadeAfterAModelThatDoesNotExist() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setCreateTopicKey(Cluster.unique("no-such-model"));

        String topic = Cluster.unique("AutoCreate");

        assertThrows(MQClientException.class, () -> producer.send(Messages.message(topic, "hello")));

        assertThrows(MQClientException.class, () -> producer.fetchPublishMessageQueues(topic));
    }
}
