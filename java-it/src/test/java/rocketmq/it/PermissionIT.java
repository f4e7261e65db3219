package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.constant.PermName;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A topic's permissions: who may write, who may read. They are changed as the console does it, by UPDATE_AND_CREATE_TOPIC. */
class PermissionIT {
    private static final int QUEUES = 1;

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void readFromAWriteOnlyTopicIsRefused() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Permission", QUEUES);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        DefaultMQPullConsumer consumer = cluster.pullConsumer(Cluster.unique("group"));

        setPermission(producer, topic, PermName.PERM_WRITE);

        producer.send(Messages.message(topic, "written"), queue);
        MQBrokerException refusal = assertThrows(MQBrokerException.class, () -> consumer.pull(queue, "*", 0, 32));
        assertEquals(Wire.NO_PERMISSION, refusal.getResponseCode());
        setPermission(producer, topic, PermName.PERM_READ | PermName.PERM_WRITE);
        assertEquals(List.of(Cluster.WARM_UP, "written"), Messages.texts(cluster.read(topic, 2)));
    }

    @Test
    void producersFindNoQueueInAReadOnlyTopic() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Permission", QUEUES);

        setPermission(producer, topic, PermName.PERM_READ);

        assertThrows(MQClientException.class, () -> producer.fetchPublishMessageQueues(topic));
        DefaultMQProducer newcomer = cluster.producer();
        assertThrows(MQClientException.class, () -> newcomer.send(Messages.message(topic, "refused")));
        assertEquals(List.of(Cluster.WARM_UP), Messages.texts(cluster.read(topic, 1)));
    }

    /**
     * Returns when the name server tells the new permission. Java's broker may tell it of two changes in the wrong order, here
     * of the topic's making and of this one; therefore the change is repeated until it is seen.
     */
    private static void setPermission(DefaultMQProducer producer, String topic, int permission) throws Exception {
        TopicConfig config = new TopicConfig(topic);
        config.setReadQueueNums(QUEUES);
        config.setWriteQueueNums(QUEUES);
        config.setPerm(permission);
        MQClientAPIImpl client = Wire.client(producer);
        String broker = Cluster.brokerAddress(producer, "TBW102");
        Await.until("permission " + permission + " in the route", () -> {
            client.createTopic(broker, "TBW102", config, Wire.TIMEOUT_MILLIS);
            return client.getTopicRouteInfoFromNameServer(topic, Wire.TIMEOUT_MILLIS).getQueueDatas().get(0).getPerm()
                == permission;
        });
    }
}
