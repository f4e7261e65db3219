package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Half messages, their ends, and what the broker asks when none comes. The broker under test checks often and gives up soon:
 * see {@code compat-tests/tests/java_it.rs}.
 */
class TransactionIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    /** Says {@code now} when a message is sent and {@code later} when asked; keeps what it was asked about. */
    private static final class Listener implements TransactionListener {
        private final LocalTransactionState now;
        private final LocalTransactionState later;
        private final List<MessageExt> asked = new CopyOnWriteArrayList<>();

        Listener(LocalTransactionState now, LocalTransactionState later) {
            this.now = now;
            this.later = later;
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            return now;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            asked.add(message);
            return later;
        }
    }

    private static TransactionSendResult send(TransactionMQProducer producer, String topic, String text) throws Exception {
        TransactionSendResult result = producer.sendMessageInTransaction(Messages.tagged(topic, "t", text), null);
        assertEquals(SendStatus.SEND_OK, result.getSendStatus());
        return result;
    }

    private List<String> textsOf(String topic, int count) throws Exception {
        return Messages.texts(cluster.read(topic, count));
    }

    @Test
    void committedMessageIsConsumedAndRolledBackOneIsNot() throws Exception {
        String topic = cluster.createTopic("Transaction", 1);
        Listener commits = new Listener(LocalTransactionState.COMMIT_MESSAGE, LocalTransactionState.UNKNOW);
        Listener rollsBack = new Listener(LocalTransactionState.ROLLBACK_MESSAGE, LocalTransactionState.COMMIT_MESSAGE);
        Inbox inbox = new Inbox();
        cluster.consume(topic, "t", inbox);

        send(cluster.transactionProducer(topic, rollsBack), topic, "rolled back");
        TransactionSendResult sent =
            send(cluster.transactionProducer(topic, commits), topic, "committed");

        MessageExt received = inbox.awaitText("committed");
        assertEquals(LocalTransactionState.COMMIT_MESSAGE, sent.getLocalTransactionState());
        assertEquals(sent.getMsgId(), received.getProperty(MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX));
        assertEquals(sent.getTransactionId(), received.getTransactionId());
        assertNull(received.getProperty(MessageConst.PROPERTY_REAL_TOPIC));
        assertTrue(received.getPreparedTransactionOffset() > 0);
        assertEquals(List.of("committed"), Messages.texts(inbox.received()));
        assertEquals(List.of(), rollsBack.asked);
        assertEquals(List.of(), commits.asked);
    }

    @Test
    void unknownStateIsAskedForAndCommitted() throws Exception {
        String topic = cluster.createTopic("Transaction", 1);
        Listener listener = new Listener(LocalTransactionState.UNKNOW, LocalTransactionState.COMMIT_MESSAGE);

        TransactionSendResult sent = send(cluster.transactionProducer(topic, listener), topic, "late");

        assertEquals(List.of(Cluster.WARM_UP, "late"), textsOf(topic, 2));
        MessageExt asked = listener.asked.get(0);
        assertEquals(topic, asked.getTopic());
        assertEquals("late", Messages.text(asked));
        assertEquals(sent.getTransactionId(), asked.getTransactionId());
        assertEquals("1", asked.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES));
    }

    @Test
    void unknownStateIsAskedForAndRolledBack() throws Exception {
        String topic = cluster.createTopic("Transaction", 1);
        Listener listener = new Listener(LocalTransactionState.UNKNOW, LocalTransactionState.ROLLBACK_MESSAGE);
        TransactionMQProducer producer = cluster.transactionProducer(topic, listener);

        send(producer, topic, "never");

        Await.until("the producer asked", () -> !listener.asked.isEmpty());
        Listener commits = new Listener(LocalTransactionState.UNKNOW, LocalTransactionState.COMMIT_MESSAGE);
        send(cluster.transactionProducer(topic, commits), topic, "later one");
        assertEquals(List.of(Cluster.WARM_UP, "later one"), textsOf(topic, 2));
    }

    @Test
    void anotherProducerOfTheGroupIsAsked() throws Exception {
        String topic = cluster.createTopic("Transaction", 1);
        String group = Cluster.unique("producer");
        Listener heir = new Listener(LocalTransactionState.UNKNOW, LocalTransactionState.COMMIT_MESSAGE);
        cluster.transactionProducer(topic, group, heir);
        Listener gone = new Listener(LocalTransactionState.UNKNOW, LocalTransactionState.UNKNOW);
        TransactionMQProducer orphaning = cluster.transactionProducer(topic, group, gone);

        send(orphaning, topic, "orphan");
        orphaning.shutdown();

        assertEquals(List.of(Cluster.WARM_UP, "orphan"), textsOf(topic, 2));
        assertEquals("orphan", Messages.text(heir.asked.get(0)));
    }

    @Test
    void messageAskedForTooOftenIsGivenUp() throws Exception {
        String topic = cluster.createTopic("Transaction", 1);
        Listener undecided = new Listener(LocalTransactionState.UNKNOW, LocalTransactionState.UNKNOW);

        Inbox inbox = new Inbox();
        cluster.consume("TRANS_CHECK_MAX_TIME_TOPIC", "*", inbox);
        String text = Cluster.unique("open");

        send(cluster.transactionProducer(topic, undecided), topic, text);

        MessageExt givenUp = inbox.awaitText(text);
        assertEquals(topic, givenUp.getProperty(MessageConst.PROPERTY_REAL_TOPIC));
        int asked = Integer.parseInt(givenUp.getProperty(MessageConst.PROPERTY_TRANSACTION_CHECK_TIMES));
        Await.until("asked " + asked + " times", () -> undecided.asked.size() == asked);
        assertEquals(List.of(Cluster.WARM_UP), textsOf(topic, 1));
    }
}
