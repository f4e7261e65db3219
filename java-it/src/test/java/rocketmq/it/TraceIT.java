package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.trace.TraceBean;
import org.apache.rocketmq.client.trace.TraceContext;
import org.apache.rocketmq.client.trace.TraceDataEncoder;
import org.apache.rocketmq.client.trace.TraceType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Clients that trace write of each send and each consumption to a topic of the broker's. */
class TraceIT {
    private static final String USUAL_TOPIC = "RMQ_SYS_TRACE_TOPIC";

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void sendAndConsumptionAreToldInATopicOfChoice() throws Exception {
        String topic = cluster.createTopic("Trace", 1);
        String traceTopic = cluster.createTopic("Traces", 1);
        DefaultMQProducer producer = producer(traceTopic);
        DefaultMQPushConsumer consumer = consumer(topic, traceTopic);
        Message message = Messages.tagged(topic, "t", "hello");
        message.setKeys("order-17");

        SendResult sent = producer.send(message);

        TraceContext send = awaitTrace(traceTopic, TraceType.Pub, sent.getMsgId());
        assertEquals(producer.getProducerGroup(), send.getGroupName());
        assertTrue(send.isSuccess());
        TraceBean told = send.getTraceBeans().get(0);
        assertEquals(topic, told.getTopic());
        assertEquals("t", told.getTags());
        assertEquals("order-17", told.getKeys());
        assertEquals(sent.getOffsetMsgId(), told.getOffsetMsgId());
        assertEquals(5, told.getBodyLength());
        TraceContext before = awaitTrace(traceTopic, TraceType.SubBefore, sent.getMsgId());
        TraceContext after = awaitTrace(traceTopic, TraceType.SubAfter, sent.getMsgId());
        assertEquals(consumer.getConsumerGroup(), before.getGroupName());
        assertEquals(before.getRequestId(), after.getRequestId());
        assertTrue(after.isSuccess());
    }

    @Test
    void tracesAreFoundByTheMessagesIdAndKey() throws Exception {
        String topic = cluster.createTopic("Trace", 1);
        String key = Cluster.unique("key");
        DefaultMQProducer producer = producer(null);
        Message message = Messages.tagged(topic, "t", "hello");
        message.setKeys(key);

        SendResult sent = producer.send(message);

        awaitTrace(USUAL_TOPIC, TraceType.Pub, sent.getMsgId());
        for (String searched : List.of(sent.getMsgId(), key)) {
            List<MessageExt> found = Await.value("the trace by " + searched, Await.PATIENCE,
                () -> producer.queryMessage(USUAL_TOPIC, searched, 32, 0, Long.MAX_VALUE).getMessageList(),
                list -> !list.isEmpty());
            assertTrue(decoded(found).anyMatch(is(TraceType.Pub, sent.getMsgId())));
        }
    }

    private DefaultMQProducer producer(String traceTopic) throws Exception {
        DefaultMQProducer producer = cluster.adopt(
            new DefaultMQProducer(Cluster.unique("producer"), true, traceTopic), DefaultMQProducer::shutdown);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        return producer;
    }

    private DefaultMQPushConsumer consumer(String topic, String traceTopic) throws Exception {
        DefaultMQPushConsumer consumer = cluster.adopt(
            new DefaultMQPushConsumer(Cluster.unique("group"), true, traceTopic), DefaultMQPushConsumer::shutdown);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener(new Inbox());
        consumer.start();
        return consumer;
    }

    private TraceContext awaitTrace(String topic, TraceType type, String msgId) throws Exception {
        List<MessageExt> messages = cluster.read(topic, type + " of " + msgId,
            read -> decoded(read).anyMatch(is(type, msgId)));
        return decoded(messages).filter(is(type, msgId)).findFirst().orElseThrow();
    }

    private static Predicate<TraceContext> is(TraceType type, String msgId) {
        return trace -> trace.getTraceType() == type && trace.getTraceBeans().get(0).getMsgId().equals(msgId);
    }

    private static Stream<TraceContext> decoded(List<MessageExt> messages) {
        List<TraceContext> traces = new ArrayList<>();
        for (MessageExt message : messages) {
            if (!Cluster.WARM_UP.equals(message.getTags())) {
                traces.addAll(TraceDataEncoder.decoderFromTraceDataString(Messages.text(message)));
            }
        }
        return traces.stream();
    }
}
