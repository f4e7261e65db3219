package rocketmq.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a tool asks of a consumer by way of the broker. */
class ConsumerCallsIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void consumerTellsHowItRuns() throws Exception {
        String topic = cluster.createTopic("Calls", 1);
        String group = Cluster.unique("group");
        DefaultMQPushConsumer consumer = running(group, topic, new Inbox());

        String info = body(Wire.toBroker(cluster).call(Wire.GET_CONSUMER_RUNNING_INFO,
            Map.of("consumerGroup", group, "clientId", consumer.buildMQClientId(), "jstackEnable", "true"), null));

        assertTrue(info.contains("\"jstack\"") && info.contains(topic), info);
    }

    @Test
    void consumerConsumesWhatItIsTold() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Calls", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        String group = Cluster.unique("group");
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = running(group, topic, inbox);
        SendResult sent = producer.send(Messages.message(topic, "once more"), queue);
        inbox.awaitText("once more");

        String result = body(Wire.toBroker(cluster).call(Wire.CONSUME_MESSAGE_DIRECTLY, Map.of("consumerGroup", group,
            "clientId", consumer.buildMQClientId(), "topic", topic, "msgId", sent.getOffsetMsgId()), null));

        assertTrue(result.contains("CR_SUCCESS"), result);
        assertEquals(List.of("once more", "once more", Cluster.WARM_UP), Messages.sortedTexts(inbox.received()));
    }

    @Test
    void consumersTellTheirOffsets() throws Exception {
        String topic = cluster.createTopic("Calls", 1);
        String group = Cluster.unique("group");
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = running(group, topic, inbox);
        inbox.awaitText(Cluster.WARM_UP);
        Cluster.awaitAllCounted(consumer, topic);

        String status = body(Wire.toBroker(cluster).call(Wire.INVOKE_BROKER_TO_GET_CONSUMER_STATUS,
            Map.of("topic", topic, "group", group), null));

        assertTrue(status.contains(consumer.buildMQClientId()) && status.contains("}:1"), status);
    }

    @Test
    void absentConsumerIsNotOnline() throws Exception {
        RemotingCommand reply = Wire.toBroker(cluster).call(Wire.GET_CONSUMER_RUNNING_INFO,
            Map.of("consumerGroup", Cluster.unique("group"), "clientId", "nobody"), null);

        assertEquals(Wire.SYSTEM_ERROR, reply.getCode());
        assertTrue(reply.getRemark().contains("not online"), reply.getRemark());
    }

    private DefaultMQPushConsumer running(String group, String topic, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = cluster.consume(group, topic, "*", inbox);
        Await.until("its queue", () -> !Cluster.assigned(consumer, topic).isEmpty());
        DefaultMQProducer observer = cluster.producer();
        Await.until("the broker knows it",
            () -> Cluster.members(observer, topic, group).contains(consumer.buildMQClientId()));
        return consumer;
    }

    private static String body(RemotingCommand reply) {
        assertEquals(Wire.SUCCESS, reply.getCode(), reply.getRemark());
        return new String(reply.getBody(), UTF_8);
    }
}
