package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The broker puts a message with a priority into the queue of that number. Only 5.5 clients have {@code setPriority}. */
class PriorityIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void priorityPicksTheQueue() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Priority", 4);

        for (int priority = 0; priority < 6; priority++) {
            Message message = withPriority(topic, priority);
            assertEquals(Math.min(priority, 3), producer.send(message).getMessageQueue().getQueueId());
        }
    }

    @Test
    void anOrderedMessageHasNoPriority() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Priority", 4);
        Message message = withPriority(topic, 3);
        MessageAccessor.putProperty(message, "__SHARDINGKEY", "order");

        int queue = producer.send(message, (queues, sent, position) -> queues.get(1), null).getMessageQueue().getQueueId();

        assertEquals(1, queue);
    }

    private static Message withPriority(String topic, int priority) {
        Message message = Messages.message(topic, "of priority " + priority);
        MessageAccessor.putProperty(message, "_SYS_MSG_PRIORITY_", String.valueOf(priority));
        return message;
    }
}
