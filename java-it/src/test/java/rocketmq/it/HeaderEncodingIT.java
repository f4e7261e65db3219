package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.remoting.protocol.SerializeType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A whole send and consume in the header encoding that {@code rocketmq.serialize.type} names: JSON as is, ROCKETMQ in the
 * build's second run.
 */
class HeaderEncodingIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void sendsAndConsumesInTheConfiguredEncoding() throws Exception {
        SerializeType configured = SerializeType.valueOf(System.getProperty("rocketmq.serialize.type", "JSON"));
        assertEquals(configured, RemotingCommand.getSerializeTypeConfigInThisServer());
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("HeaderEncoding", 2);
        Inbox inbox = new Inbox();
        cluster.consume(topic, "wanted", inbox);

        List<String> texts = Messages.numbered("encoded \u4e2d\u6587", 20);
        for (String text : texts) {
            producer.send(Messages.tagged(topic, "unwanted", "not " + text));
            producer.send(Messages.tagged(topic, "wanted", text));
        }

        inbox.awaitExactly(texts);
    }

    @Test
    void errorsComeBackReadable() throws Exception {
        assertEquals(Wire.INVALID_PARAMETER, Wire.toBroker(cluster).send("not a topic", "TBW102", 0).getCode());
        assertEquals(Wire.NO_PERMISSION, Wire.toBroker(cluster).send("SCHEDULE_TOPIC_XXXX", "TBW102", 0).getCode());
    }
}
