package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A message refused too often ends in the group's %DLQ% topic, from where an operator may read it. */
class DlqIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void messageGoesThereAfterTheLastRetry() throws Exception {
        String topic = cluster.createTopic("Dlq", 1);
        String group = Cluster.unique("group");
        SendResult sent = cluster.producer().send(Messages.tagged(topic, "t", "hopeless"));
        List<MessageExt> attempts = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        consumer.setMaxReconsumeTimes(1);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener((List<MessageExt> messages, ConsumeConcurrentlyContext context) -> {
            attempts.addAll(messages);
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();

        List<MessageExt> dead = cluster.read("%DLQ%" + group, 1);

        assertEquals(List.of("hopeless", "hopeless"), Messages.texts(attempts));
        assertEquals(List.of("hopeless"), Messages.texts(dead));
        MessageExt message = dead.get(0);
        assertEquals("%DLQ%" + group, message.getTopic());
        assertEquals(2, message.getReconsumeTimes());
        assertEquals("t", message.getTags());
        assertEquals(topic, message.getProperty(MessageConst.PROPERTY_RETRY_TOPIC));
        assertEquals(sent.getOffsetMsgId(), message.getProperty(MessageConst.PROPERTY_ORIGIN_MESSAGE_ID));
        assertEquals(sent.getMsgId(), message.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX));
    }

    @Test
    void negativeDelayLevelSendsThereAtOnce() throws Exception {
        String topic = cluster.createTopic("Dlq", 1);
        String group = Cluster.unique("group");
        MessageExt read = cluster.read(topic, 1).get(0);
        DefaultMQPullConsumer consumer = cluster.pullConsumer(group);
        // A group exists once it has pulled.
        consumer.pull(Cluster.queues(cluster.producer(), topic).get(0), "*", 0, 1);

        consumer.sendMessageBack(read, -1, read.getBrokerName());

        assertEquals(List.of(Cluster.WARM_UP), Messages.texts(cluster.read("%DLQ%" + group, 1)));
    }
}
