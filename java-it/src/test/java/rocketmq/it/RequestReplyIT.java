package rocketmq.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A producer asks, a consumer answers, and the broker brings the answer to who asked. */
class RequestReplyIT {
    private static final long PATIENCE_MILLIS = 30_000;

    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void answerComesBack() throws Exception {
        String topic = echo();
        DefaultMQProducer asker = cluster.producer();

        for (int i = 0; i < 3; i++) {
            Message answer = asker.request(Messages.message(topic, "question " + i), PATIENCE_MILLIS);
            assertEquals("re: question " + i, Messages.text(answer));
        }
    }

    @Test
    void eachAskerGetsItsOwnAnswer() throws Exception {
        String topic = echo();
        DefaultMQProducer one = cluster.producer();
        DefaultMQProducer two = cluster.producer();
        CompletableFuture<Message> first = ask(one, topic, "of one");
        CompletableFuture<Message> second = ask(two, topic, "of two");

        assertEquals("re: of one", Messages.text(first.get(PATIENCE_MILLIS, TimeUnit.MILLISECONDS)));
        assertEquals("re: of two", Messages.text(second.get(PATIENCE_MILLIS, TimeUnit.MILLISECONDS)));
    }

    @Test
    void largeAnswersComeBackCompressed() throws Exception {
        String topic = echo();
        String question = "x".repeat(100_000);

        Message answer = cluster.producer().request(Messages.message(topic, question), PATIENCE_MILLIS);

        assertEquals("re: " + question, Messages.text(answer));
    }

    @Test
    void withoutAnybodyToAnswerItTimesOut() throws Exception {
        String topic = cluster.createTopic("RequestReply", 1);
        DefaultMQProducer asker = cluster.producer();

        assertThrows(RequestTimeoutException.class, () -> asker.request(Messages.message(topic, "anybody?"), 500));
    }

    private static CompletableFuture<Message> ask(DefaultMQProducer asker, String topic, String text) throws Exception {
        CompletableFuture<Message> answer = new CompletableFuture<>();
        asker.request(Messages.message(topic, text), new RequestCallback() {
            @Override
            public void onSuccess(Message message) {
                // The client calls this for the send too, with no answer yet.
                if (message != null) {
                    answer.complete(message);
                }
            }

            @Override
            public void onException(Throwable e) {
                answer.completeExceptionally(e);
            }
        }, PATIENCE_MILLIS);
        return answer;
    }

    /** A topic whose consumer answers each question with {@code re: question}. */
    private String echo() throws Exception {
        String topic = cluster.createTopic("RequestReply", 1);
        DefaultMQProducer answerer = cluster.producer();
        DefaultMQPushConsumer consumer = cluster.pushConsumer(Cluster.unique("group"));
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (Message message : messages) {
                if (message.getProperty("REPLY_TO_CLIENT") == null) {
                    continue;
                }
                try {
                    String text = "re: " + Messages.text(message);
                    answerer.send(MessageUtil.createReplyMessage(message, text.getBytes(UTF_8)));
                } catch (Exception e) {
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Await.until("its queue", () -> !Cluster.assigned(consumer, topic).isEmpty());
        return topic;
    }
}
