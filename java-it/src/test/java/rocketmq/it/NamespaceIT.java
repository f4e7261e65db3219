package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Clients of a namespace: their topics and groups carry its name on the broker, and they themselves never see it. */
class NamespaceIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void topicCarriesTheNameOfTheNamespace() throws Exception {
        String namespace = Cluster.unique("ns");
        String topic = Cluster.unique("Namespace");
        Inbox inbox = new Inbox();
        DefaultMQProducer producer = producer(namespace);
        producer.send(Messages.tagged(topic, "t", "hello"));
        consumer(namespace, Cluster.unique("group"), topic, inbox).start();

        MessageExt received = inbox.awaitText("hello");

        assertEquals(topic, received.getTopic());
        MessageExt stored = cluster.read(namespace + "%" + topic, 1).get(0);
        assertEquals("hello", Messages.text(stored));
        assertEquals(namespace + "%" + topic, stored.getTopic());
    }

    @Test
    void twoNamespacesHaveNothingInCommon() throws Exception {
        String topic = Cluster.unique("Namespace");
        String group = Cluster.unique("group");
        List<String> namespaces = List.of(Cluster.unique("ns"), Cluster.unique("ns"));
        List<Inbox> inboxes = List.of(new Inbox(), new Inbox());
        for (int i = 0; i < 2; i++) {
            DefaultMQProducer producer = producer(namespaces.get(i));
            for (int n = 0; n < 4; n++) {
                producer.send(Messages.tagged(topic, "t", "of " + i + ", " + n));
            }
            consumer(namespaces.get(i), group, topic, inboxes.get(i)).start();
        }

        for (int i = 0; i < 2; i++) {
            inboxes.get(i).awaitExactly(List.of("of " + i + ", 0", "of " + i + ", 1", "of " + i + ", 2", "of " + i + ", 3"));
        }
    }

    @Test
    void refusedMessageIsRetriedAndDiesInItsNamespace() throws Exception {
        String namespace = Cluster.unique("ns");
        String topic = Cluster.unique("Namespace");
        String group = Cluster.unique("group");
        producer(namespace).send(Messages.tagged(topic, "t", "hopeless"));
        List<MessageExt> attempts = new CopyOnWriteArrayList<>();
        DefaultMQPushConsumer consumer = consumer(namespace, group, topic, (messages, context) -> {
            attempts.addAll(messages);
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.setMaxReconsumeTimes(1);
        consumer.start();

        MessageExt dead = cluster.read("%DLQ%" + namespace + "%" + group, 1).get(0);

        assertEquals("hopeless", Messages.text(dead));
        assertEquals(List.of("hopeless", "hopeless"), Messages.texts(attempts));
        assertEquals(topic, attempts.get(1).getTopic());
        assertEquals(1, attempts.get(1).getReconsumeTimes());
        MessageExt retried = cluster.read("%RETRY%" + namespace + "%" + group, 1).get(0);
        assertEquals(namespace + "%" + topic, retried.getProperty("RETRY_TOPIC"));
    }

    /** 5.x clients may name their namespace beside the plain topic; the broker takes no notice. 4.9 has no such setting. */
    @Test
    void namespaceBesideTheTopicChangesNothing() throws Exception {
        String topic = Cluster.unique("Namespace");
        DefaultMQProducer producer = producer(null);
        nameBeside(producer, "one");
        producer.start();
        producer.send(Messages.tagged(topic, "t", "hello"));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consumer(null, Cluster.unique("group"), topic, inbox);
        nameBeside(consumer, "another");
        consumer.start();

        assertEquals(topic, inbox.awaitText("hello").getTopic());
        assertEquals(List.of("hello"), Messages.texts(cluster.read(topic, 1)));
    }

    private static void nameBeside(ClientConfig client, String namespace) throws Exception {
        Optional<Method> setter = Arrays.stream(ClientConfig.class.getMethods())
            .filter(method -> method.getName().equals("setNamespaceV2")).findFirst();
        if (setter.isPresent()) {
            setter.get().invoke(client, namespace);
        }
    }

    /** Started, if it is in a namespace. */
    private DefaultMQProducer producer(String namespace) throws Exception {
        DefaultMQProducer producer =
            cluster.adopt(new DefaultMQProducer(Cluster.unique("producer")), DefaultMQProducer::shutdown);
        producer.setSendMsgTimeout(10_000);
        if (namespace != null) {
            producer.setNamespace(namespace);
            producer.start();
        }
        return producer;
    }

    private DefaultMQPushConsumer consumer(String namespace, String group, String topic, MessageListenerConcurrently listener)
        throws Exception {
        DefaultMQPushConsumer consumer = cluster.pushConsumer(group);
        consumer.setNamespace(namespace);
        consumer.subscribe(topic, "t");
        consumer.registerMessageListener(listener);
        return consumer;
    }
}
