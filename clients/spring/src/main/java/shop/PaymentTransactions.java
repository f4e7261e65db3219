package shop;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.spring.annotation.RocketMQTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionListener;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionState;
import org.springframework.messaging.Message;

/** The shop's side of a payment's transaction. The message's headers say how it ends. */
@RocketMQTransactionListener
public class PaymentTransactions implements RocketMQLocalTransactionListener {
    private final List<String> executed = new CopyOnWriteArrayList<>();
    private final List<String> asked = new CopyOnWriteArrayList<>();

    @Override
    public RocketMQLocalTransactionState executeLocalTransaction(Message message, Object argument) {
        executed.add(text(message) + " with " + argument);
        return state(message, "now");
    }

    @Override
    public RocketMQLocalTransactionState checkLocalTransaction(Message message) {
        asked.add(text(message));
        return state(message, "later");
    }

    public List<String> executed() {
        return executed;
    }

    public List<String> asked() {
        return asked;
    }

    private static RocketMQLocalTransactionState state(Message<?> message, String header) {
        return RocketMQLocalTransactionState.valueOf((String) message.getHeaders().get(header));
    }

    private static String text(Message<?> message) {
        return new String((byte[]) message.getPayload(), StandardCharsets.UTF_8);
    }
}
