package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.selector.SelectMessageQueueByHash;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A selector puts all messages of one order into one queue, in order. */
class QueueSelectorIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void messagesOfOneOrderShareAQueueAndKeepTheirOrder() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("QueueSelector", 4);

        Map<Integer, List<String>> sent = new HashMap<>();
        for (int step = 0; step < 5; step++) {
            for (int order = 0; order < 6; order++) {
                String text = "order-" + order + "-step-" + step;
                SendResult result = producer.send(Messages.tagged(topic, "order-" + order, text),
                    new SelectMessageQueueByHash(), order);
                assertEquals(order % 4, result.getMessageQueue().getQueueId());
                sent.computeIfAbsent(order % 4, queue -> new ArrayList<>()).add(text);
            }
        }

        Map<Integer, List<String>> stored = new HashMap<>();
        for (MessageExt message : cluster.read(topic, 31)) {
            if (!Messages.text(message).equals(Cluster.WARM_UP)) {
                stored.computeIfAbsent(message.getQueueId(), queue -> new ArrayList<>()).add(Messages.text(message));
            }
        }
        assertEquals(sent, stored);
    }

    @Test
    void selectorSeesAllQueuesOfTheTopic() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("QueueSelector", 3);

        SendResult result = producer.send(Messages.message(topic, "to the last"), (queues, message, position) -> {
            assertEquals(3, queues.size());
            return queues.stream().filter(queue -> queue.getQueueId() == (int) position).findFirst().orElseThrow();
        }, 2);

        assertEquals(2, result.getMessageQueue().getQueueId());
    }
}
