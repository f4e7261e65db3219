package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Clients of a deployment in units: the topics that they bring into being are marked, for name servers to list. */
class UnitModeIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void topicsThatUnitsBringIntoBeingAreListed() throws Exception {
        String topic = Cluster.unique("UnitMode");
        String plain = cluster.createTopic("NoUnit", 1);
        String group = Cluster.unique("group");
        DefaultMQProducer producer =
            cluster.adopt(new DefaultMQProducer(Cluster.unique("producer")), DefaultMQProducer::shutdown);
        producer.setUnitMode(true);
        producer.setUnitName("east");
        producer.setSendMsgTimeout(10_000);
        producer.start();
        producer.send(Messages.tagged(topic, "t", "of a unit"));
        producer.send(Messages.tagged(plain, "t", "to a topic that was there"));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        consumer.setUnitMode(true);
        consumer.setUnitName("east");
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener(inbox);
        consumer.start();

        MessageExt received = inbox.awaitText("of a unit");

        assertEquals(topic, received.getTopic());
        assertTrue(Cluster.members(producer, topic, group).contains(consumer.buildMQClientId()));
        assertTrue(consumer.buildMQClientId().endsWith("@east"), consumer.buildMQClientId());
        Wire nameServer = Wire.toNameServer(cluster);
        Await.until("the unit's topic is listed", () -> lists(nameServer, Wire.GET_UNIT_TOPIC_LIST, topic));
        Await.until("the group's retry topic is listed",
            () -> lists(nameServer, Wire.GET_HAS_UNIT_SUB_TOPIC_LIST, "%RETRY%" + group));
        assertTrue(!lists(nameServer, Wire.GET_UNIT_TOPIC_LIST, plain), "a topic keeps its mark");
    }

    private static boolean lists(Wire nameServer, int code, String topic) throws Exception {
        return new String(nameServer.call(code, Map.of(), null).getBody()).contains("\"" + topic + "\"");
    }
}
