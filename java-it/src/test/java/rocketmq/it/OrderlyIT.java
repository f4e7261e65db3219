package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Orderly listeners: one queue, one thread, in order; the broker's lock lets one consumer at a time have the queue. */
class OrderlyIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void eachQueueIsConsumedInOrder() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Orderly", 2);
        List<MessageQueue> queues = Cluster.queues(producer, topic);
        List<String> texts = Messages.numbered("step", 50);
        for (String text : texts) {
            for (MessageQueue queue : queues) {
                producer.send(Messages.tagged(topic, "t", text), queue);
            }
        }
        Order order = new Order();
        consumeOrderly(Cluster.unique("group"), topic, order);

        Await.until("100 messages", () -> order.size() >= 100);

        assertEquals(texts, order.textsOf(0));
        assertEquals(texts, order.textsOf(1));
    }

    @Test
    void failedMessageBlocksItsQueueUntilItSucceeds() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Orderly", 1);
        for (String text : Messages.numbered("step", 5)) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        AtomicInteger attempts = new AtomicInteger();
        Order done = new Order();
        consumeOrderly(Cluster.unique("group"), topic, (messages, context) -> {
            if (Messages.text(messages.get(0)).equals("step-002") && attempts.incrementAndGet() < 3) {
                context.setSuspendCurrentQueueTimeMillis(100);
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            return done.consumeMessage(messages, context);
        });

        Await.until("5 messages", () -> done.size() >= 5);

        assertEquals(Messages.numbered("step", 5), done.textsOf(0));
        assertEquals(3, attempts.get());
    }

    @Test
    void messageThatFailsTooOftenIsDeadAndTheQueueGoesOn() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Orderly", 1);
        String group = Cluster.unique("group");
        for (String text : Messages.numbered("step", 3)) {
            producer.send(Messages.tagged(topic, "t", text));
        }
        AtomicInteger attempts = new AtomicInteger();
        Order done = new Order();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        consumer.setMaxReconsumeTimes(2);
        consumer.setSuspendCurrentQueueTimeMillis(50);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            if (Messages.text(messages.get(0)).equals("step-001")) {
                attempts.incrementAndGet();
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            return done.consumeMessage(messages, context);
        });
        consumer.start();

        List<MessageExt> dead = cluster.read("%DLQ%" + group, 1);

        assertEquals(List.of("step-001"), Messages.texts(dead));
        assertEquals(topic, dead.get(0).getProperty(MessageConst.PROPERTY_RETRY_TOPIC));
        Await.until("the others", () -> done.size() >= 2);
        assertEquals(List.of("step-000", "step-002"), done.textsOf(0));
        assertEquals(3, attempts.get());
    }

    @Test
    void queueHasOneOwnerAndPassesToTheNext() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Orderly", 2);
        List<MessageQueue> queues = Cluster.queues(producer, topic);
        String group = Cluster.unique("group");
        Order firstOrder = new Order();
        Order secondOrder = new Order();
        DefaultMQPushConsumer first = consumeOrderly(group, topic, firstOrder);
        DefaultMQPushConsumer second = consumeOrderly(group, topic, secondOrder);
        Await.until("each holds one queue", () -> Cluster.assigned(first, topic).size() == 1
            && Cluster.assigned(second, topic).size() == 1);
        send(producer, queues, Messages.numbered("both", 10));
        Await.until("20 messages", () -> firstOrder.size() + secondOrder.size() >= 20);
        int firstQueue = Cluster.assigned(first, topic).iterator().next().getQueueId();
        int secondQueue = 1 - firstQueue;
        assertEquals(Messages.numbered("both", 10), firstOrder.textsOf(firstQueue));
        assertEquals(Messages.numbered("both", 10), secondOrder.textsOf(secondQueue));
        assertTrue(firstOrder.textsOf(secondQueue).isEmpty() && secondOrder.textsOf(firstQueue).isEmpty());

        Cluster.awaitAllCounted(first, topic);
        first.shutdown();
        Await.until("the second holds both", () -> Cluster.assigned(second, topic).equals(new HashSet<>(queues)));
        send(producer, queues, Messages.numbered("late", 10));
        Await.until("20 more messages", () -> secondOrder.size() >= 30);

        assertEquals(Messages.numbered("late", 10), secondOrder.textsOf(firstQueue));
        assertEquals(Messages.numbered("late", 10), secondOrder.textsOf(secondQueue).subList(10, 20));
    }

    private DefaultMQPushConsumer consumeOrderly(String group, String topic, MessageListenerOrderly listener)
        throws Exception {
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    private static void send(DefaultMQProducer producer, List<MessageQueue> queues, List<String> texts) throws Exception {
        for (String text : texts) {
            for (MessageQueue queue : queues) {
                producer.send(Messages.tagged(queue.getTopic(), "t", text), queue);
            }
        }
    }

    /** Keeps messages in the order in which they were consumed. */
    private static final class Order implements MessageListenerOrderly {
        private final List<MessageExt> consumed = Collections.synchronizedList(new ArrayList<>());

        @Override
        public ConsumeOrderlyStatus consumeMessage(List<MessageExt> messages, ConsumeOrderlyContext context) {
            consumed.addAll(messages);
            return ConsumeOrderlyStatus.SUCCESS;
        }

        int size() {
            return consumed.size();
        }

        List<String> textsOf(int queue) {
            List<String> texts = new ArrayList<>();
            synchronized (consumed) {
                for (MessageExt message : consumed) {
                    if (message.getQueueId() == queue) {
                        texts.add(Messages.text(message));
                    }
                }
            }
            return texts;
        }
    }
}
