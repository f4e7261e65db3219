package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A push consumer with concurrent listeners: gets every message once, and new ones without delay. */
class PushConcurrentIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void getsEachMessageOfEachQueueOnce() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("PushConcurrent", 4);
        List<String> texts = Messages.numbered("push", 400);
        for (String text : texts.subList(0, 200)) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        Inbox inbox = new Inbox();
        cluster.consume(topic, "t", inbox);
        for (String text : texts.subList(200, 400)) {
            producer.send(Messages.tagged(topic, "t", text));
        }

        inbox.awaitExactly(texts);
    }

    @Test
    void newMessageWakesTheWaitingPull() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("PushConcurrent", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        Inbox inbox = new Inbox();
        cluster.consume(topic, "*", inbox);
        inbox.awaitText(Cluster.WARM_UP);

        List<Long> latencyMillis = new ArrayList<>();
        for (String text : Messages.numbered("wake", 10)) {
            long start = System.nanoTime();
            producer.send(Messages.message(topic, text), queue);
            // A broker that lets the pull wait out its time would need up to 15 s.
            inbox.awaitText(text, Duration.ofSeconds(10));
            latencyMillis.add((System.nanoTime() - start) / 1_000_000);
        }

        latencyMillis.sort(null);
        assertTrue(latencyMillis.get(5) < 1_000, "send to receive, milliseconds: " + latencyMillis);
    }

    @Test
    void listenerMayTakeSeveralMessagesAtOnce() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("PushConcurrent", 1);
        for (String text : Messages.numbered("many", 64)) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        List<Integer> sizes = new CopyOnWriteArrayList<>();
        List<MessageExt> received = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(Cluster.unique("group"));
        consumer.setConsumeMessageBatchMaxSize(16);
        consumer.setPullBatchSize(64);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener((List<MessageExt> messages, ConsumeConcurrentlyContext context) -> {
            sizes.add(messages.size());
            received.addAll(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();

        Await.until("64 messages", () -> received.size() >= 64);

        assertEquals(Messages.numbered("many", 64), Messages.sortedTexts(received));
        assertTrue(sizes.stream().allMatch(size -> size <= 16), sizes.toString());
        assertTrue(sizes.contains(16), sizes.toString());
    }

    @Test
    void slowConsumerIsGivenNoMoreThanItsThreshold() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("PushConcurrent", 1);
        List<String> texts = Messages.numbered("slow", 50);
        for (String text : texts) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        CountDownLatch released = new CountDownLatch(1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(Cluster.unique("group"));
        consumer.setPullBatchSize(2);
        consumer.setPullThresholdForQueue(10);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            try {
                released.await();
            } catch (InterruptedException e) {
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            return inbox.consumeMessage(messages, context);
        });
        consumer.start();

        // It stops once there are more than 10.
        Await.until("12 in its cache", () -> cached(consumer) == 12);
        released.countDown();
        Await.until("all 50", () -> {
            assertTrue(cached(consumer) <= 12);
            return inbox.received().size() >= 50;
        });
        assertEquals(texts, Messages.sortedTexts(inbox.received()));
    }

    private static long cached(DefaultMQPushConsumer consumer) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().values().stream()
            .mapToLong(queue -> queue.getMsgCount().get()).sum();
    }

    @Test
    void runningConsumerAddsATopic() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String first = cluster.createTopic("PushConcurrent", 1);
        String second = cluster.createTopic("PushConcurrent", 1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = cluster.consume(first, "t", inbox);
        producer.send(Messages.tagged(first, "t", "from the first"));
        inbox.awaitText("from the first");

        consumer.subscribe(second, "t");
        producer.send(Messages.tagged(second, "t", "from the second"));

        inbox.awaitExactly(List.of("from the first", "from the second"));
    }

    @Test
    void twoGroupsEachGetEverything() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("PushConcurrent", 2);
        Inbox billing = new Inbox();
        Inbox shipping = new Inbox();
        cluster.consume(Cluster.unique("billing"), topic, "t", billing);
        cluster.consume(Cluster.unique("shipping"), topic, "t", shipping);

        List<String> texts = Messages.numbered("shared", 20);
        for (String text : texts) {
            producer.send(Messages.tagged(topic, "t", text));
        }

        billing.awaitExactly(texts);
        shipping.awaitExactly(texts);
    }
}
