package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Groups that their operator has restricted, before the broker's start: see {@code compat-tests/tests/java_it.rs}. */
class GroupSettingsIT {
    /** Consumption is switched off. */
    private static final String OFF = "group-off";
    /** Consumes, but not by broadcast. */
    private static final String NO_BROADCAST = "group-no-broadcast";

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void pullForASwitchedOffGroupIsRefused() throws Exception {
        MessageQueue queue = cluster.queueWith("off", 3);
        DefaultMQPullConsumer consumer = cluster.pullConsumer(OFF);

        MQBrokerException refusal = assertThrows(MQBrokerException.class, () -> consumer.pull(queue, "*", 0, 32));

        assertEquals(Wire.NO_PERMISSION, refusal.getResponseCode());
        assertTrue(refusal.getErrorMessage().contains("subscription group no permission, " + OFF), refusal.getErrorMessage());
    }

    @Test
    void pushConsumerOfASwitchedOffGroupGetsNothing() throws Exception {
        MessageQueue queue = cluster.queueWith("off", 3);
        Inbox refused = new Inbox();
        Inbox served = new Inbox();
        DefaultMQPushConsumer consumer = cluster.consume(OFF, queue.getTopic(), "t", refused);
        Cluster.awaitAssigned(consumer, queue);

        cluster.consume(queue.getTopic(), "t", served);

        served.awaitExactly(Messages.numbered("off", 3));
        assertEquals(List.of(), refused.received());
    }

    @Test
    void broadcastIsRefusedAndClusteringIsNot() throws Exception {
        MessageQueue queue = cluster.queueWith("broadcast", 3);
        DefaultMQProducer observer = cluster.producer();
        Inbox refused = new Inbox();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(NO_BROADCAST);
        Cluster.broadcasting(consumer);
        consumer.subscribe(queue.getTopic(), "t");
        consumer.registerMessageListener(refused);
        consumer.start();
        Cluster.awaitAssigned(consumer, queue);
        Cluster.awaitMembers(observer, queue.getTopic(), NO_BROADCAST, Await.PATIENCE, consumer);

        RemotingCommand reply = Wire.toBroker(cluster).pull(NO_BROADCAST, queue, 0);

        assertEquals(Wire.NO_PERMISSION, reply.getCode());
        assertEquals("the consumer group[" + NO_BROADCAST + "] can not consume by broadcast way", reply.getRemark());
        assertEquals(List.of(), refused.received());
        consumer.shutdown();

        Inbox served = new Inbox();
        cluster.consume(NO_BROADCAST, queue.getTopic(), "t", served);
        served.awaitExactly(Messages.numbered("broadcast", 3));
    }
}
