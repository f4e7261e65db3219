package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An operator sets a group back while it consumes (the broker does it, not the consumers), or gives its offsets to another. */
class ResetOffsetIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void runningConsumerGetsEverythingAgain() throws Exception {
        MessageQueue queue = cluster.queueWith("reset", 5);
        String group = Cluster.unique("group");
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = cluster.consume(group, queue.getTopic(), "t", inbox);
        inbox.awaitExactly(Messages.numbered("reset", 5));
        Cluster.awaitAllCounted(consumer, queue.getTopic());

        reset(group, queue, Map.of("timestamp", "0", "isForce", "true"));
        // The pull that waits is told at the next message.
        cluster.producer().send(Messages.tagged(queue.getTopic(), "t", "reset-005"), queue);

        Await.until("all of them twice", () -> inbox.received().size() >= 11);
        List<String> twice = new ArrayList<>(Messages.numbered("reset", 5));
        twice.addAll(Messages.numbered("reset", 6));
        Collections.sort(twice);
        assertEquals(twice, Messages.sortedTexts(inbox.received()));
    }

    @Test
    void stoppedGroupGoesOnAtTheGivenOffset() throws Exception {
        MessageQueue queue = cluster.queueWith("reset", 5);
        String group = Cluster.unique("group");
        cluster.consumeAll(group, queue, Messages.numbered("reset", 5)).shutdown();
        Wire broker = Wire.toBroker(cluster);
        Await.until("all committed", () -> broker.consumerOffset(group, queue) == 6);

        reset(group, queue, Map.of("timestamp", "0", "queueId", "0", "offset", "4"));
        assertEquals(4, broker.consumerOffset(group, queue));
        Inbox after = new Inbox();
        cluster.consume(group, queue.getTopic(), "t", after);

        after.awaitExactly(List.of("reset-003", "reset-004"));
    }

    @Test
    void clonedGroupContinuesWhereTheOtherOneIs() throws Exception {
        MessageQueue queue = cluster.queueWith("clone", 3);
        String group = Cluster.unique("group");
        String copy = Cluster.unique("group");
        cluster.consumeAll(group, queue, Messages.numbered("clone", 3));
        Wire broker = Wire.toBroker(cluster);
        Await.until("all committed", () -> broker.consumerOffset(group, queue) == 4);

        RemotingCommand reply = broker.call(Wire.CLONE_GROUP_OFFSET,
            Map.of("srcGroup", group, "destGroup", copy, "topic", queue.getTopic(), "offline", "false"), null);
        assertEquals(Wire.SUCCESS, reply.getCode());
        cluster.producer().send(Messages.tagged(queue.getTopic(), "t", "new"), queue);
        Inbox after = new Inbox();
        cluster.consume(copy, queue.getTopic(), "t", after);

        after.awaitExactly(List.of("new"));
    }

    private void reset(String group, MessageQueue queue, Map<String, String> how) throws Exception {
        Map<String, String> fields = new HashMap<>(how);
        fields.put("group", group);
        fields.put("topic", queue.getTopic());
        RemotingCommand reply = Wire.toBroker(cluster).call(Wire.INVOKE_BROKER_TO_RESET_OFFSET, fields, null);
        assertEquals(Wire.SUCCESS, reply.getCode(), reply.getRemark());
    }
}
