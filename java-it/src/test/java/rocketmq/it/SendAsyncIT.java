package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Asynchronous sends: every callback is called, with the right result. */
class SendAsyncIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void callsBackEveryMessage() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("SendAsync", 4);
        List<String> texts = Messages.numbered("async", 200);

        Map<String, CompletableFuture<SendResult>> results = new ConcurrentHashMap<>();
        for (String text : texts) {
            results.put(text, send(producer, Messages.message(topic, text)));
        }

        Map<String, String> textById = new ConcurrentHashMap<>();
        for (String text : texts) {
            SendResult result = results.get(text).get(30, TimeUnit.SECONDS);
            assertEquals(SendStatus.SEND_OK, result.getSendStatus());
            textById.put(result.getMsgId(), text);
        }
        assertEquals(200, textById.size());
        List<MessageExt> stored = cluster.read(topic, 201);
        assertEquals(201, stored.size());
        for (MessageExt message : stored) {
            if (!Messages.text(message).equals(Cluster.WARM_UP)) {
                assertEquals(textById.get(message.getMsgId()), Messages.text(message));
            }
        }
    }

    @Test
    void callsBackWithTheBrokersRefusal() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("SendAsync", 1);
        producer.setMaxMessageSize(8 * 1024 * 1024);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);

        Throwable refusal = send(producer, new Message(topic, new byte[5 * 1024 * 1024]))
            .handle((result, error) -> error).get(30, TimeUnit.SECONDS);

        MQBrokerException fromBroker = assertInstanceOf(MQBrokerException.class, refusal);
        assertEquals(Wire.MESSAGE_ILLEGAL, fromBroker.getResponseCode());
    }

    private static CompletableFuture<SendResult> send(DefaultMQProducer producer, Message message) throws Exception {
        CompletableFuture<SendResult> future = new CompletableFuture<>();
        producer.send(message, new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                future.complete(result);
            }

            @Override
            public void onException(Throwable error) {
                future.completeExceptionally(error);
            }
        });
        return future;
    }
}
