package rocketmq.it;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import java.util.Map;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;

/**
 * Requests that the client's own checks would not let through, over the client's own connection; and the protocol numbers
 * that tests name (their Java constants live in different packages in 4.9 and 5.x).
 */
final class Wire {
    static final int PULL_MESSAGE = 11;
    static final int QUERY_CONSUMER_OFFSET = 14;
    static final int DELETE_TOPIC_IN_NAMESRV = 216;
    static final int INVOKE_BROKER_TO_RESET_OFFSET = 222;
    static final int INVOKE_BROKER_TO_GET_CONSUMER_STATUS = 223;
    static final int GET_SYSTEM_TOPIC_LIST_FROM_NS = 304;
    static final int GET_CONSUMER_RUNNING_INFO = 307;
    static final int CONSUME_MESSAGE_DIRECTLY = 309;
    static final int SEND_MESSAGE_V2 = 310;
    static final int GET_UNIT_TOPIC_LIST = 311;
    static final int GET_HAS_UNIT_SUB_TOPIC_LIST = 312;
    static final int CLONE_GROUP_OFFSET = 314;
    static final int RECALL_MESSAGE = 370;

    static final int SUCCESS = 0;
    static final int SYSTEM_ERROR = 1;
    static final int SYSTEM_BUSY = 2;
    static final int MESSAGE_ILLEGAL = 13;
    static final int NO_PERMISSION = 16;
    static final int TOPIC_NOT_EXIST = 17;
    static final int QUERY_NOT_FOUND = 22;
    static final int INVALID_PARAMETER = 29;

    static final int TIMEOUT_MILLIS = 10_000;

    private final MQClientAPIImpl client;
    private final String address;

    private Wire(MQClientAPIImpl client, String address) {
        this.client = client;
        this.address = address;
    }

    static Wire toBroker(Cluster cluster) throws Exception {
        DefaultMQProducer producer = cluster.producer();
        return new Wire(client(producer), Cluster.brokerAddress(producer, "TBW102"));
    }

    static Wire toNameServer(Cluster cluster) throws Exception {
        return new Wire(client(cluster.producer()), Cluster.NAMESRV.split(";")[0]);
    }

    static MQClientAPIImpl client(DefaultMQProducer producer) {
        return producer.getDefaultMQProducerImpl().getMqClientFactory().getMQClientAPIImpl();
    }

    /** A send without the client's checks. Like the client it tries again when the broker says that it is busy. */
    RemotingCommand send(String topic, String modelTopic, int queueId) throws Exception {
        Map<String, String> fields = new HashMap<>();
        fields.put("a", "producer-group");
        fields.put("b", topic);
        fields.put("c", modelTopic);
        fields.put("d", "4");
        fields.put("e", Integer.toString(queueId));
        fields.put("f", "0");
        fields.put("g", Long.toString(System.currentTimeMillis()));
        fields.put("h", "0");
        fields.put("i", "");
        fields.put("j", "0");
        fields.put("k", "false");
        fields.put("m", "false");
        return Await.value("an answer other than busy", Await.PATIENCE,
            () -> call(SEND_MESSAGE_V2, fields, "hello".getBytes(UTF_8)), reply -> reply.getCode() != SYSTEM_BUSY);
    }

    /** A pull as push consumers send it: the group's heartbeats have told what it subscribes to. */
    RemotingCommand pull(String group, MessageQueue queue, long offset) throws Exception {
        Map<String, String> fields = new HashMap<>();
        fields.put("consumerGroup", group);
        fields.put("topic", queue.getTopic());
        fields.put("queueId", Integer.toString(queue.getQueueId()));
        fields.put("queueOffset", Long.toString(offset));
        fields.put("maxMsgNums", "32");
        fields.put("sysFlag", "0");
        fields.put("commitOffset", "0");
        fields.put("suspendTimeoutMillis", "0");
        fields.put("subVersion", "0");
        return call(PULL_MESSAGE, fields, null);
    }

    /** The offset that the group has committed, asked by somebody who is no member of it. */
    long consumerOffset(String group, MessageQueue queue) throws Exception {
        RemotingCommand reply = call(QUERY_CONSUMER_OFFSET, Map.of("consumerGroup", group, "topic", queue.getTopic(),
            "queueId", Integer.toString(queue.getQueueId())), null);
        assertEquals(SUCCESS, reply.getCode(), reply.getRemark());
        return Long.parseLong(reply.getExtFields().get("offset"));
    }

    RemotingCommand call(int code, Map<String, String> fields, byte[] body) throws Exception {
        RemotingCommand request = RemotingCommand.createRequestCommand(code, null);
        request.setExtFields(new HashMap<>(fields));
        request.setBody(body);
        return client.getRemotingClient().invokeSync(address, request, TIMEOUT_MILLIS);
    }
}
