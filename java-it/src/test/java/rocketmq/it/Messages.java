package rocketmq.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages whose body is a text, and the texts of received ones. */
final class Messages {
    static Message message(String topic, String text) {
        return new Message(topic, text.getBytes(UTF_8));
    }

    static Message tagged(String topic, String tag, String text) {
        return new Message(topic, tag, text.getBytes(UTF_8));
    }

    static String text(Message message) {
        return new String(message.getBody(), UTF_8);
    }

    static List<String> texts(List<MessageExt> messages) {
        return messages.stream().map(Messages::text).collect(Collectors.toList());
    }

    static List<String> sortedTexts(List<MessageExt> messages) {
        return messages.stream().map(Messages::text).sorted().collect(Collectors.toList());
    }

    /** Demands that a pull found just these and goes on at {@code next}. */
    static void assertFound(List<String> texts, long next, PullResult pulled) {
        assertEquals(PullStatus.FOUND, pulled.getPullStatus());
        assertEquals(texts, texts(pulled.getMsgFoundList()));
        assertEquals(next, pulled.getNextBeginOffset());
    }

    /** Demands that a pull looked at messages, let none through and goes on at {@code next}. */
    static void assertNoneMatched(long next, PullResult pulled) {
        assertEquals(PullStatus.NO_MATCHED_MSG, pulled.getPullStatus());
        assertEquals(next, pulled.getNextBeginOffset());
    }

    /** {@code prefix-000 .. prefix-(count-1)}: sorts in the order of sending. */
    static List<String> numbered(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(i -> String.format("%s-%03d", prefix, i)).collect(Collectors.toList());
    }
}
