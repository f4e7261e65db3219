package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The name server's key-value store, and its one use that clients notice: the queue order of an ordered topic. */
class KvConfigIT {
    private static final String ORDER_TOPIC_CONFIG = "ORDER_TOPIC_CONFIG";

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void putGetReplaceDelete() throws Exception {
        MQClientAPIImpl client = Wire.client(cluster.producer());
        String namespace = Cluster.unique("namespace");

        client.putKVConfigValue(namespace, "colour", "blue", Wire.TIMEOUT_MILLIS);
        client.putKVConfigValue(namespace, "size", "\u5927 = large", Wire.TIMEOUT_MILLIS);
        assertEquals("blue", client.getKVConfigValue(namespace, "colour", Wire.TIMEOUT_MILLIS));
        assertEquals("\u5927 = large", client.getKVConfigValue(namespace, "size", Wire.TIMEOUT_MILLIS));
        assertEquals(Map.of("colour", "blue", "size", "\u5927 = large"),
            client.getKVListByNamespace(namespace, Wire.TIMEOUT_MILLIS).getTable());

        client.putKVConfigValue(namespace, "colour", "red", Wire.TIMEOUT_MILLIS);
        assertEquals("red", client.getKVConfigValue(namespace, "colour", Wire.TIMEOUT_MILLIS));

        client.deleteKVConfigValue(namespace, "colour", Wire.TIMEOUT_MILLIS);
        assertNotFound(client, namespace, "colour");
        assertEquals("\u5927 = large", client.getKVConfigValue(namespace, "size", Wire.TIMEOUT_MILLIS));
        client.deleteKVConfigValue(namespace, "size", Wire.TIMEOUT_MILLIS);
    }

    @Test
    void unknownNamespaceOrKeyIsNotFound() throws Exception {
        MQClientAPIImpl client = Wire.client(cluster.producer());

        assertNotFound(client, Cluster.unique("namespace"), "colour");
    }

    @Test
    void deletingWhatIsNotThereSucceeds() throws Exception {
        Wire.client(cluster.producer()).deleteKVConfigValue(Cluster.unique("namespace"), "colour", Wire.TIMEOUT_MILLIS);
    }

    @Test
    void orderConfigFixesTheQueuesThatProducersUse() throws Exception {
        setOrderMessageEnable(true);
        try {
            orderTopicConfigIsPartOfTheRoute();
        } finally {
            setOrderMessageEnable(false);
        }
    }

    private void orderTopicConfigIsPartOfTheRoute() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        MQClientAPIImpl client = Wire.client(producer);
        String topic = cluster.createTopic("KvConfig", 4);
        String broker = Cluster.queues(producer, topic).get(0).getBrokerName();

        client.putKVConfigValue(ORDER_TOPIC_CONFIG, topic, broker + ":2", Wire.TIMEOUT_MILLIS);
        assertEquals(List.of(new MessageQueue(topic, broker, 0), new MessageQueue(topic, broker, 1)),
            producer.fetchPublishMessageQueues(topic));

        client.deleteKVConfigValue(ORDER_TOPIC_CONFIG, topic, Wire.TIMEOUT_MILLIS);
        assertEquals(4, producer.fetchPublishMessageQueues(topic).size());
    }

    private void setOrderMessageEnable(boolean enable) throws Exception {
        Properties config = new Properties();
        config.setProperty("orderMessageEnable", Boolean.toString(enable));
        // Null: all name servers that the client knows.
        Wire.client(cluster.producer()).updateNameServerConfig(config, null, Wire.TIMEOUT_MILLIS);
    }

    private static void assertNotFound(MQClientAPIImpl client, String namespace, String key) {
        MQClientException refusal = assertThrows(MQClientException.class,
            () -> client.getKVConfigValue(namespace, key, Wire.TIMEOUT_MILLIS));
        assertEquals(Wire.QUERY_NOT_FOUND, refusal.getResponseCode());
    }
}
