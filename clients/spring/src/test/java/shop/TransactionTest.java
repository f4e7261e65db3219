package shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.spring.core.RocketMQLocalTransactionState;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.messaging.support.MessageBuilder;

class TransactionTest extends ShopTest {
    @Autowired
    PaymentTransactions transactions;
    @Autowired
    PaymentListener payments;

    private TransactionSendResult pay(String payment, RocketMQLocalTransactionState now, RocketMQLocalTransactionState later) {
        return template.sendMessageInTransaction(topic("payments"), MessageBuilder.withPayload(payment)
            .setHeader("now", now.name()).setHeader("later", later.name()).build(), "account");
    }

    private List<String> received() {
        return payments.received().stream().map(ShopTest::text).toList();
    }

    @Test
    void onlyWhatIsCommittedArrives() {
        TransactionSendResult rolledBack =
            pay("rolled back", RocketMQLocalTransactionState.ROLLBACK, RocketMQLocalTransactionState.COMMIT);
        pay("rolled back late", RocketMQLocalTransactionState.UNKNOWN, RocketMQLocalTransactionState.ROLLBACK);
        pay("committed late", RocketMQLocalTransactionState.UNKNOWN, RocketMQLocalTransactionState.COMMIT);
        TransactionSendResult committed =
            pay("committed", RocketMQLocalTransactionState.COMMIT, RocketMQLocalTransactionState.ROLLBACK);

        until(() -> transactions.asked().contains("rolled back late") && received().size() == 2);
        assertThat(rolledBack.getLocalTransactionState()).isEqualTo(LocalTransactionState.ROLLBACK_MESSAGE);
        assertThat(committed.getLocalTransactionState()).isEqualTo(LocalTransactionState.COMMIT_MESSAGE);
        assertThat(received()).containsExactlyInAnyOrder("committed", "committed late");
        assertThat(payments.received()).anyMatch(payment -> committed.getMsgId().equals(payment.getMsgId()));
        assertThat(transactions.executed()).containsExactly("rolled back with account", "rolled back late with account",
            "committed late with account", "committed with account");
        assertThat(transactions.asked()).contains("committed late").doesNotContain("committed", "rolled back");
    }
}
