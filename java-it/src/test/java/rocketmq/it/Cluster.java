package rocketmq.it;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * The servers under test and clients for them. A test class holds one in a {@code @RegisterExtension} field; every client
 * made here is shut down after the test that made it.
 */
final class Cluster implements AfterEachCallback {
    /** Tag and body of the message that {@link #createTopic} leaves in the new topic. */
    static final String WARM_UP = "warm-up";
    /** From -Dnamesrv, else NAMESRV_ADDR, else RocketMQ's usual port on this machine. */
    static final String NAMESRV = System.getProperty("namesrv",
        System.getenv().getOrDefault("NAMESRV_ADDR", "127.0.0.1:9876"));
    private static final int PULL_MESSAGES_MAX = 32;

    private final Deque<Runnable> closers = new ArrayDeque<>();

    /** A name that no earlier run has used. */
    static String unique(String prefix) {
        return prefix + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    /** A client that the test makes and starts itself, configured and later shut down as all others. */
    <C extends ClientConfig> C adopt(C client, Consumer<C> shutdown) {
        configure(client);
        closers.push(() -> shutdown.accept(client));
        return client;
    }

    /** A started producer in a group of its own. */
    DefaultMQProducer producer() throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(unique("producer"));
        configure(producer);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        closers.push(producer::shutdown);
        return producer;
    }

    /**
     * A started transaction producer of the group that the topic's broker knows. One that finds its first route after its first
     * heartbeat is known only after the next, and until then the broker counts checks that ask nobody.
     */
    TransactionMQProducer transactionProducer(String topic, String group, TransactionListener listener) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        configure(producer);
        producer.setSendMsgTimeout(10_000);
        producer.setTransactionListener(listener);
        producer.start();
        closers.push(producer::shutdown);
        String address = brokerAddress(producer, topic);
        Await.until("the broker knows " + producer.buildMQClientId(),
            () -> Wire.client(producer).getProducerConnectionList(address, group, Wire.TIMEOUT_MILLIS).getConnectionSet().stream()
                .anyMatch(connection -> producer.buildMQClientId().equals(connection.getClientId())));
        return producer;
    }

    /** The same in a group of its own. */
    TransactionMQProducer transactionProducer(String topic, TransactionListener listener) throws Exception {
        return transactionProducer(topic, unique("producer"), listener);
    }

    /** Not started: the test subscribes and registers its listener first. Starts at a new group's first message. */
    DefaultMQPushConsumer pushConsumer(String group) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        closers.push(consumer::shutdown);
        return consumer;
    }

    /** MessageModel lives in different packages in 4.9 and 5.x; your code says MessageModel.BROADCASTING. */
    static void broadcasting(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(Enum.valueOf(consumer.getMessageModel().getDeclaringClass(), "BROADCASTING"));
    }

    /** A started push consumer of one topic. */
    DefaultMQPushConsumer consume(String group, String topic, String tags, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = pushConsumer(group);
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(inbox);
        consumer.start();
        return consumer;
    }

    /** The same in a group of its own. */
    DefaultMQPushConsumer consume(String topic, String tags, Inbox inbox) throws Exception {
        return consume(unique("group"), topic, tags, inbox);
    }

    /** A started push consumer of messages with tag "t" that has consumed just these, and counted them. */
    DefaultMQPushConsumer consumeAll(String group, MessageQueue queue, List<String> texts) throws Exception {
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consume(group, queue.getTopic(), "t", inbox);
        inbox.awaitExactly(texts);
        awaitAllCounted(consumer, queue.getTopic());
        return consumer;
    }

    /** Not started: whether it is to assign or to subscribe is the test's choice. */
    DefaultLitePullConsumer litePullConsumer(String group) {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(group);
        configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        closers.push(consumer::shutdown);
        return consumer;
    }

    /** A started pull consumer in a group of its own. */
    DefaultMQPullConsumer pullConsumer() throws Exception {
        return pullConsumer(unique("group"));
    }

    /** A started pull consumer. */
    DefaultMQPullConsumer pullConsumer(String group) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(group);
        configure(consumer);
        consumer.start();
        closers.push(consumer::shutdown);
        return consumer;
    }

    /** Makes a topic by sending the {@link #WARM_UP} message to it, and waits until the name server knows it. */
    String createTopic(String prefix, int queues) throws Exception {
        String topic = unique(prefix);
        DefaultMQProducer producer = producer();
        producer.setDefaultTopicQueueNums(queues);
        producer.send(Messages.tagged(topic, WARM_UP, WARM_UP));
        queues(producer, topic);
        return topic;
    }

    /** The only queue of a new topic: behind the warm-up message {@code count} more, of tag "t", numbered. */
    MessageQueue queueWith(String prefix, int count) throws Exception {
        DefaultMQProducer producer = producer();
        MessageQueue queue = queues(producer, createTopic(prefix, 1)).get(0);
        for (String text : Messages.numbered(prefix, count)) {
            producer.send(Messages.tagged(queue.getTopic(), "t", text), queue);
        }
        Await.until("all messages in the queue", () -> producer.maxOffset(queue) == count + 1);
        return queue;
    }

    /** The topic's queues by id, once the name server has the route. */
    static List<MessageQueue> queues(DefaultMQProducer producer, String topic) {
        List<MessageQueue> queues = new ArrayList<>(Await.value("route of " + topic, Await.PATIENCE,
            () -> producer.fetchPublishMessageQueues(topic), found -> !found.isEmpty()));
        queues.sort(Comparator.naturalOrder());
        return queues;
    }

    /** Reads the topic from its first message until at least {@code count} are there; ordered by queue and offset. */
    List<MessageExt> read(String topic, int count) throws Exception {
        return read(topic, count + " messages", messages -> messages.size() >= count);
    }

    /** Reads the topic from its first message until {@code enough} is there. */
    List<MessageExt> read(String topic, String what, Predicate<List<MessageExt>> enough) throws Exception {
        DefaultMQPullConsumer consumer = pullConsumer(unique("reader"));
        return Await.value(what + " in " + topic, Await.PATIENCE, () -> readAll(consumer, topic), enough);
    }

    private static List<MessageExt> readAll(DefaultMQPullConsumer consumer, String topic) throws Exception {
        List<MessageQueue> queues = new ArrayList<>(consumer.fetchSubscribeMessageQueues(topic));
        queues.sort(Comparator.naturalOrder());
        List<MessageExt> messages = new ArrayList<>();
        for (MessageQueue queue : queues) {
            PullResult pulled = consumer.pull(queue, "*", 0, PULL_MESSAGES_MAX);
            while (pulled.getPullStatus() == PullStatus.FOUND) {
                messages.addAll(pulled.getMsgFoundList());
                pulled = consumer.pull(queue, "*", pulled.getNextBeginOffset(), PULL_MESSAGES_MAX);
            }
        }
        return messages;
    }

    /** Host and port of the topic's broker, as the name server gives it to this client. */
    static String brokerAddress(DefaultMQProducer producer, String topic) {
        String broker = queues(producer, topic).get(0).getBrokerName();
        return Await.value("address of " + broker, Await.PATIENCE, () -> {
            producer.getDefaultMQProducerImpl().getMqClientFactory().updateTopicRouteInfoFromNameServer(topic);
            return producer.getDefaultMQProducerImpl().getMqClientFactory().findBrokerAddressInPublish(broker);
        }, address -> address != null);
    }

    /** The queues of the topic that rebalancing has given to this consumer. */
    static Set<MessageQueue> assigned(DefaultMQPushConsumer consumer, String topic) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet().stream()
            .filter(queue -> queue.getTopic().equals(topic)).collect(Collectors.toSet());
    }

    /** Waits until rebalancing has given the queue to this consumer, which then pulls from it. */
    static void awaitAssigned(DefaultMQPushConsumer consumer, MessageQueue queue) {
        Await.until(queue + " assigned", () -> assigned(consumer, queue.getTopic()).contains(queue));
    }

    /**
     * Waits until the consumer has counted everything in its queues as consumed. A consumer that stops between its listener's
     * return and that moment leaves the message to the next one, too.
     */
    static void awaitAllCounted(DefaultMQPushConsumer consumer, String topic) {
        Await.until("all of " + topic + " counted as consumed", () -> {
            for (MessageQueue queue : assigned(consumer, topic)) {
                Long counted = consumer.getDefaultMQPushConsumerImpl().getOffsetStore().cloneOffsetTable(topic).get(queue);
                if (counted == null || counted != consumer.maxOffset(queue)) {
                    return false;
                }
            }
            return true;
        });
    }

    /** Client ids of the group's consumers, as the topic's broker knows them. */
    static List<String> members(DefaultMQProducer producer, String topic, String group) throws Exception {
        return Wire.client(producer).getConsumerIdListByGroup(brokerAddress(producer, topic), group, Wire.TIMEOUT_MILLIS);
    }

    /** Waits until the group has these consumers and no other. */
    static void awaitMembers(DefaultMQProducer producer, String topic, String group, Duration patience,
        DefaultMQPushConsumer... consumers) {
        Set<String> expected = Stream.of(consumers).map(DefaultMQPushConsumer::buildMQClientId).collect(Collectors.toSet());
        Await.until(expected.size() + " members", patience,
            () -> expected.equals(Set.copyOf(members(producer, topic, group))));
    }

    private static void configure(ClientConfig client) {
        client.setNamesrvAddr(NAMESRV);
        // Clients of one name share a connection; of different names they look like different processes.
        client.setInstanceName(unique("client"));
        // Patience with a busy machine; a wrong answer fails at once all the same.
        client.setMqClientApiTimeout(Wire.TIMEOUT_MILLIS);
        // A topic made after the client's start is seen soon, not after the usual 30 s.
        client.setPollNameServerInterval(1_000);
        // A client that rebalances while it is sending a heartbeat drops the next one, and pulls nothing until the one after.
        client.setHeartbeatBrokerInterval(1_000);
    }

    @Override
    public void afterEach(ExtensionContext context) {
        while (!closers.isEmpty()) {
            closers.pop().run();
        }
    }
}
