package shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.rocketmq.spring.core.RocketMQLocalRequestCallback;
import org.junit.jupiter.api.Test;

/**
 * With a callback only: in the client that this starter brings (5.3.2), the form that waits gives up as soon as the question
 * is sent. java-it's RequestReplyIT asks in both forms.
 */
class RequestReplyTest extends ShopTest {
    private static final long TIMEOUT_MILLIS = 60_000;

    @Test
    void questionsAreAnswered() throws Exception {
        List<CompletableFuture<Order>> answers = Stream.of("Ada", "Bob", "Cid").map(name -> ask(new Order("1", name, 21))).toList();

        for (CompletableFuture<Order> answer : answers) {
            answer.get(TIMEOUT_MILLIS, TimeUnit.MILLISECONDS);
        }
        assertThat(answers.stream().map(CompletableFuture::join))
            .containsExactly(new Order("1", "Ada", 42), new Order("1", "Bob", 42), new Order("1", "Cid", 42));
    }

    private CompletableFuture<Order> ask(Order question) {
        CompletableFuture<Order> answer = new CompletableFuture<>();
        template.sendAndReceive(topic("quotes"), question, new RocketMQLocalRequestCallback<Order>() {
            @Override
            public void onSuccess(Order order) {
                answer.complete(order);
            }

            @Override
            public void onException(Throwable e) {
                answer.completeExceptionally(e);
            }
        }, TIMEOUT_MILLIS);
        return answer;
    }
}
