package rocketmq.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What an operator's tool asks the name server: clusters, lists of topics, its configuration; and taking a topic off. */
class NameServerAdminIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void clusterInfoNamesTheBrokerAndItsAddress() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("NameServerAdmin", 1);
        String broker = Cluster.queues(producer, topic).get(0).getBrokerName();

        var info = Wire.client(producer).getBrokerClusterInfo(Wire.TIMEOUT_MILLIS);

        assertEquals(Cluster.brokerAddress(producer, topic), info.getBrokerAddrTable().get(broker).getBrokerAddrs().get(0L));
        String clusterName = info.getBrokerAddrTable().get(broker).getCluster();
        assertTrue(info.getClusterAddrTable().get(clusterName).contains(broker));
    }

    @Test
    void listsKnowANewTopic() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        MQClientAPIImpl client = Wire.client(producer);
        String topic = cluster.createTopic("NameServerAdmin", 1);
        String broker = Cluster.queues(producer, topic).get(0).getBrokerName();
        String clusterName = client.getBrokerClusterInfo(Wire.TIMEOUT_MILLIS).getBrokerAddrTable().get(broker).getCluster();

        assertTrue(client.getTopicListFromNameServer(Wire.TIMEOUT_MILLIS).getTopicList().contains(topic));
        assertTrue(client.getTopicsByCluster(clusterName, Wire.TIMEOUT_MILLIS).getTopicList().contains(topic));
        assertFalse(client.getUnitTopicList(true, Wire.TIMEOUT_MILLIS).getTopicList().contains(topic));
    }

    @Test
    void clusterAndBrokerNamesAreSystemTopics() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("NameServerAdmin", 1);
        String broker = Cluster.queues(producer, topic).get(0).getBrokerName();
        String clusterName = Wire.client(producer).getBrokerClusterInfo(Wire.TIMEOUT_MILLIS)
            .getBrokerAddrTable().get(broker).getCluster();

        // The client's own getSystemTopicList would go on to ask the broker.
        RemotingCommand reply = Wire.toNameServer(cluster).call(Wire.GET_SYSTEM_TOPIC_LIST_FROM_NS, Map.of(), null);

        assertEquals(Wire.SUCCESS, reply.getCode());
        String systemTopics = new String(reply.getBody(), UTF_8);
        assertTrue(systemTopics.contains('"' + broker + '"'), systemTopics);
        assertTrue(systemTopics.contains('"' + clusterName + '"'), systemTopics);
        assertFalse(systemTopics.contains(topic), systemTopics);
    }

    @Test
    void unitProducersMakeUnitTopics() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setUnitMode(true);
        String topic = Cluster.unique("NameServerAdmin");
        producer.send(Messages.message(topic, "hello"));
        Cluster.queues(producer, topic);

        assertTrue(Wire.client(producer).getUnitTopicList(true, Wire.TIMEOUT_MILLIS).getTopicList().contains(topic));
    }

    @Test
    void deletedTopicHasNoRoute() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("NameServerAdmin", 1);
        Wire nameServer = Wire.toNameServer(cluster);

        // The broker still has the topic, and brings it back whenever another one is made.
        Await.until("no route", () -> {
            int code = nameServer.call(Wire.DELETE_TOPIC_IN_NAMESRV, Map.of("topic", topic), null).getCode();
            assertEquals(Wire.SUCCESS, code);
            return !Wire.client(producer).getTopicListFromNameServer(Wire.TIMEOUT_MILLIS).getTopicList().contains(topic);
        });
    }

    @Test
    void configurationIsReadable() throws Exception {
        String nameServer = Cluster.NAMESRV.split(";")[0];

        Properties config = Wire.client(cluster.producer())
            .getNameServerConfig(List.of(nameServer), Wire.TIMEOUT_MILLIS).get(nameServer);

        assertEquals("false", config.getProperty("clusterTest"));
        assertTrue(Integer.parseInt(config.getProperty("listenPort")) > 0);
    }
}
