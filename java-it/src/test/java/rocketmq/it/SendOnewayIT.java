package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Oneway sends: no acknowledgement, and still every message arrives. */
class SendOnewayIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void everyMessageArrives() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("SendOneway", 1);
        MessageQueue queue = Cluster.queues(producer, topic).get(0);
        List<String> texts = Messages.numbered("oneway", 50);

        for (String text : texts) {
            producer.sendOneway(Messages.message(topic, text), queue);
        }

        List<MessageExt> stored = cluster.read(topic, 51);
        texts.add(Cluster.WARM_UP);
        assertEquals(texts, Messages.sortedTexts(stored));
    }

    @Test
    void createsTheTopicToo() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = Cluster.unique("SendOneway");

        producer.sendOneway(Messages.message(topic, "first word"));

        assertEquals(List.of("first word"), Messages.texts(cluster.read(topic, 1)));
    }
}
