package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A message that the listener refuses goes to the group's %RETRY% topic and comes back after a delay. */
class RetryIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void refusedMessageComesBackUntilItIsAccepted() throws Exception {
        String topic = cluster.createTopic("Retry", 1);
        Message message = Messages.tagged(topic, "t", "try me");
        message.setKeys("key-1");
        message.putUserProperty("colour", "blue");
        message.setFlag(7);
        SendResult sent = cluster.producer().send(message);
        Refuser refuser = new Refuser(2, 1);
        consume(Cluster.unique("group"), topic, refuser);

        Await.until("3 attempts", () -> refuser.attempts.size() >= 3);

        for (int times = 0; times < 3; times++) {
            MessageExt attempt = refuser.attempts.get(times);
            assertEquals(times, attempt.getReconsumeTimes());
            assertEquals(topic, attempt.getTopic(), "the listener sees the topic that it subscribed to");
            assertEquals("try me", Messages.text(attempt));
            assertEquals("t", attempt.getTags());
            assertEquals("key-1", attempt.getKeys());
            assertEquals("blue", attempt.getUserProperty("colour"));
            assertEquals(7, attempt.getFlag());
            assertEquals(sent.getMsgId(), attempt.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX));
        }
        MessageExt last = refuser.attempts.get(2);
        assertEquals(topic, last.getProperty(MessageConst.PROPERTY_RETRY_TOPIC));
        assertEquals(sent.getOffsetMsgId(), last.getProperty(MessageConst.PROPERTY_ORIGIN_MESSAGE_ID));
        assertTrue(millisBetween(refuser, 0, 1) >= 900, "level 1 is one second");
        assertTrue(millisBetween(refuser, 1, 2) >= 900, "level 1 is one second");
    }

    @Test
    void firstDelayIsTenSecondsUnlessTheListenerSaysOtherwise() throws Exception {
        String topic = cluster.createTopic("Retry", 1);
        cluster.producer().send(Messages.tagged(topic, "t", "try me"));
        Refuser refuser = new Refuser(1, 0);
        consume(Cluster.unique("group"), topic, refuser);

        Await.until("2 attempts", () -> refuser.attempts.size() >= 2);

        assertEquals(1, refuser.attempts.get(1).getReconsumeTimes());
        assertTrue(millisBetween(refuser, 0, 1) >= 9_900, "waited " + millisBetween(refuser, 0, 1) + " ms");
    }

    @Test
    void pullConsumerMaySendAMessageBack() throws Exception {
        String topic = cluster.createTopic("Retry", 1);
        String group = Cluster.unique("group");
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = cluster.consume(group, topic, "t", inbox);
        DefaultMQPullConsumer puller = cluster.pullConsumer(Cluster.unique("puller"));
        MessageQueue queue = Cluster.queues(cluster.producer(), topic).get(0);
        MessageExt read = puller.pull(queue, "*", 0, 1).getMsgFoundList().get(0);

        puller.sendMessageBack(read, 1, read.getBrokerName(), group);

        MessageExt again = inbox.awaitText(Cluster.WARM_UP);
        assertEquals(1, again.getReconsumeTimes());
        assertEquals(topic, again.getTopic());
        assertNotNull(consumer.fetchSubscribeMessageQueues("%RETRY%" + group));
    }

    @Test
    void othersOfTheBatchAreNotSentBack() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Retry", 1);
        List<String> texts = Messages.numbered("batch", 4);
        for (String text : texts) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        List<MessageExt> received = new CopyOnWriteArrayList<>();
        consume(Cluster.unique("group"), topic, (messages, context) -> {
            received.addAll(messages);
            MessageExt first = messages.get(0);
            if (Messages.text(first).equals("batch-001") && first.getReconsumeTimes() == 0) {
                context.setDelayLevelWhenNextConsume(1);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });

        Await.until("the refused one is back", () -> received.size() >= 5);

        assertEquals(List.of("batch-000", "batch-001", "batch-001", "batch-002", "batch-003"), Messages.sortedTexts(received));
    }

    private void consume(String group, String topic, MessageListenerConcurrently listener) throws Exception {
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener(listener);
        consumer.start();
    }

    private static long millisBetween(Refuser refuser, int earlier, int later) {
        return refuser.attemptMillis.get(later) - refuser.attemptMillis.get(earlier);
    }

    /** Says RECONSUME_LATER to the first {@code refusals} attempts. Delay level 0: the broker's choice. */
    private static final class Refuser implements MessageListenerConcurrently {
        private final int refusals;
        private final int delayLevel;
        private final List<Long> attemptMillis = new CopyOnWriteArrayList<>();
        private final List<MessageExt> attempts = new CopyOnWriteArrayList<>();

        Refuser(int refusals, int delayLevel) {
            this.refusals = refusals;
            this.delayLevel = delayLevel;
        }

        @Override
        public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
            attemptMillis.add(System.currentTimeMillis());
            attempts.addAll(messages);
            if (attempts.size() > refusals) {
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            }
            context.setDelayLevelWhenNextConsume(delayLevel);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        }
    }
}
