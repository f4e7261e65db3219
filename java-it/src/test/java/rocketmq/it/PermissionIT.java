package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.constant.PermName;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A topic's permissions, set as the console sets them (UPDATE_AND_CREATE_TOPIC): who may write, who may read. */
class PermissionIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void readFromAWriteOnlyTopicIsRefused() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = Cluster.unique("Permission");
        setPermission(producer, topic, PermName.PERM_WRITE);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        producer.send(Messages.message(topic, "written"), queue);
        Await.until("the message in the queue", () -> producer.maxOffset(queue) == 1);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();

        MQBrokerException refusal = assertThrows(MQBrokerException.class, () -> consumer.pull(queue, "*", 0, 32));
        assertEquals(Wire.NO_PERMISSION, refusal.getResponseCode());

        setPermission(producer, topic, PermName.PERM_READ | PermName.PERM_WRITE);
        assertEquals(List.of("written"), Messages.texts(consumer.pull(queue, "*", 0, 32).getMsgFoundList()));
    }

    @Test
    void producersFindNoQueueInAReadOnlyTopic() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = Cluster.unique("Permission");
        setPermission(producer, topic, PermName.PERM_READ);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        Await.until("consumers find the queue", () -> consumer.fetchSubscribeMessageQueues(topic).size() == 1);

        assertThrows(MQClientException.class, () -> producer.fetchPublishMessageQueues(topic));
        assertThrows(MQClientException.class, () -> producer.send(Messages.message(topic, "refused")));

        assertEquals(0, consumer.maxOffset(consumer.fetchSubscribeMessageQueues(topic).iterator().next()));
    }

    private static void setPermission(DefaultMQProducer producer, String topic, int permission) throws Exception {
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(1);
        config.setWriteQueueNums(1);
        config.setPerm(permission);
        Wire.client(producer).createTopic(Cluster.brokerAddress(producer, "TBW102"), "TBW102", config, Wire.TIMEOUT_MILLIS);
    }
}
