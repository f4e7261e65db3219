package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Expressions over properties select messages on the broker, which has enablePropertyFilter=true. */
class Sql92FilterIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void consumersGetWhatTheirExpressionsMatch() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Sql92Filter", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        Inbox dear = new Inbox();
        Inbox blue = new Inbox();
        Inbox nameless = new Inbox();
        consume(topic, "price BETWEEN 10.5 AND 99.5", dear);
        consume(topic, "colour IN ('blue', 'light blue') AND (price > 0 OR price IS NULL)", blue);
        consume(topic, "colour IS NULL AND price IS NOT NULL", nameless);

        producer.send(priced(topic, "1", "blue", "5"), queue);
        producer.send(priced(topic, "2", "red", "10.5"), queue);
        producer.send(priced(topic, "3", "light blue", null), queue);
        producer.send(priced(topic, "4", null, "98"), queue);
        producer.send(priced(topic, "5", "blue", "-1"), queue);
        producer.send(priced(topic, "6", "blue", "not for sale"), queue);

        dear.awaitExactly(List.of("2", "4"));
        blue.awaitExactly(List.of("1", "3"));
        nameless.awaitExactly(List.of("4"));
    }

    @Test
    void brokenExpressionIsReportedAtStart() throws Exception {
        String topic = cluster.createTopic("Sql92Filter", 1);
        DefaultMQPushConsumer consumer = cluster.pushConsumer(Cluster.unique("group"));
        consumer.subscribe(topic, MessageSelector.bySql("price BETWEEN 5"));
        consumer.registerMessageListener(new Inbox());

        MQClientException refusal = assertThrows(MQClientException.class, consumer::start);

        assertTrue(refusal.getMessage().contains("Encountered \"<EOF>\" at line 1, column 15."), refusal.getMessage());
    }

    @Test
    void changedExpressionCountsFromThenOn() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Sql92Filter", 1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consume(topic, "colour = 'blue'", inbox);
        producer.send(priced(topic, "blue at first", "blue", null));
        inbox.awaitExactly(List.of("blue at first"));

        // The subscription's version is a time in milliseconds.
        Thread.sleep(2);
        consumer.subscribe(topic, MessageSelector.bySql("colour = 'red'"));
        // A pull with the newer version is refused until a heartbeat has brought it.
        producer.send(priced(topic, "red later", "red", null));

        inbox.awaitExactly(List.of("blue at first", "red later"));
    }

    @Test
    void pullSkipsOverWhatDoesNotMatch() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Sql92Filter", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        for (String text : Messages.numbered("noise", 9)) {
            producer.send(priced(topic, text, "grey", "1"), queue);
        }
        producer.send(priced(topic, "needle", "blue", "1"), queue);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        Await.until("11 messages in the queue", () -> consumer.maxOffset(queue) == 11);

        // The client takes the broker for an old one until its first heartbeat is answered.
        PullResult found = Await.value("an answer", Await.PATIENCE,
            () -> consumer.pull(queue, MessageSelector.bySql("colour <> 'grey'"), 0, 32), answer -> true);
        Messages.assertFound(List.of("needle"), 11, found);
        Messages.assertNoneMatched(11, consumer.pull(queue, MessageSelector.bySql("price > 1"), 0, 32));
    }

    @Test
    void litePullFilters() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("Sql92Filter", 1);
        producer.send(priced(topic, "red", "red", null));
        producer.send(priced(topic, "blue", "blue", null));
        DefaultLitePullConsumer consumer = cluster.litePullConsumer(Cluster.unique("group"));
        consumer.subscribe(topic, MessageSelector.bySql("colour STARTSWITH 'b'"));
        consumer.start();

        List<String> texts = Await.value("a message", Await.PATIENCE,
            () -> Messages.texts(consumer.poll(1_000)), found -> !found.isEmpty());

        assertEquals(List.of("blue"), texts);
    }

    private DefaultMQPushConsumer consume(String topic, String expression, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = cluster.pushConsumer(Cluster.unique("group"));
        consumer.subscribe(topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener(inbox);
        consumer.start();
        return consumer;
    }

    private static Message priced(String topic, String text, String colour, String price) {
        Message message = Messages.message(topic, text);
        if (colour != null) {
            message.putUserProperty("colour", colour);
        }
        if (price != null) {
            message.putUserProperty("price", price);
        }
        return message;
    }
}
