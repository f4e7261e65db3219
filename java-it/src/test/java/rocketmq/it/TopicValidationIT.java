package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Topic names that a send may not use. The client refuses most itself, so the broker is asked without its help. */
class TopicValidationIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void brokerRefusesIllegalCharacters() throws Exception {
        for (String topic : new String[] {"white space", "a/b", "a.b", "a$b", "\u00fcmlaut", "../../etc/passwd", "a\u0000b"}) {
            assertEquals(Wire.INVALID_PARAMETER, sendTo(topic), topic);
        }
    }

    @Test
    void brokerRefusesNamesThatAreTooLong() throws Exception {
        assertEquals(Wire.SUCCESS, sendTo(Cluster.unique("x".repeat(118))), "127 characters");
        assertEquals(Wire.INVALID_PARAMETER, sendTo("x".repeat(128)));
    }

    @Test
    void brokerRefusesABlankName() throws Exception {
        assertEquals(Wire.INVALID_PARAMETER, sendTo(" "));
    }

    @Test
    void brokerKeepsItsOwnTopicsToItself() throws Exception {
        for (String topic : new String[] {"SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC",
            "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT"}) {
            assertEquals(Wire.NO_PERMISSION, sendTo(topic), topic);
        }
    }

    @Test
    void brokerRefusesAnUnknownTopicWithoutAModel() throws Exception {
        assertEquals(Wire.TOPIC_NOT_EXIST, Wire.toBroker(cluster).send(Cluster.unique("Unknown"), "no-such-model", 0).getCode());
    }

    @Test
    void brokerRefusesAQueueThatTheTopicDoesNotHave() throws Exception {
        String topic = cluster.createTopic("TopicValidation", 2);

        assertEquals(Wire.SUCCESS, Wire.toBroker(cluster).send(topic, "TBW102", 1).getCode());
        assertEquals(Wire.INVALID_PARAMETER, Wire.toBroker(cluster).send(topic, "TBW102", 2).getCode());
    }

    @Test
    void clientRefusesTheSameNamesItself() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        for (String topic : new String[] {"white space", "x".repeat(128), "SCHEDULE_TOPIC_XXXX"}) {
            assertThrows(MQClientException.class, () -> producer.send(Messages.message(topic, "hello")), topic);
        }
    }

    private int sendTo(String topic) throws Exception {
        return Wire.toBroker(cluster).send(topic, "TBW102", 0).getCode();
    }
}
