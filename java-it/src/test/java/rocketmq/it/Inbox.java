package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** A listener that keeps what it was given and says success. */
final class Inbox implements MessageListenerConcurrently {
    private final List<MessageExt> received = new CopyOnWriteArrayList<>();

    @Override
    public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> messages, ConsumeConcurrentlyContext context) {
        received.addAll(messages);
        return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
    }

    List<MessageExt> received() {
        return received;
    }

    /** Waits for the message with this text and returns it. */
    MessageExt awaitText(String text) {
        return awaitText(text, Await.PATIENCE);
    }

    MessageExt awaitText(String text, Duration patience) {
        Await.until("'" + text + "' received, have " + Messages.texts(received), patience, () -> find(text) != null);
        return find(text);
    }

    /** Waits until as many messages as {@code texts} have come, then demands exactly these, in any order. */
    void awaitExactly(List<String> texts) {
        Await.until(texts.size() + " messages received", () -> received.size() >= texts.size());
        assertEquals(texts, Messages.sortedTexts(received));
    }

    private MessageExt find(String text) {
        return received.stream().filter(m -> Messages.text(m).equals(text)).findFirst().orElse(null);
    }
}
