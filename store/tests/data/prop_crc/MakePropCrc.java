// Made `commitlog`, the log of RocketMQ 5.5.0's own store with enabledAppendPropCRC=true, without the zeros at its end:
//   javac -cp 'LIB/*' -d OUT MakePropCrc.java
//   java $JAVA_FLAGS -cp 'OUT:LIB/*' MakePropCrc STORE     (flags: compat-tests/src/oracle.rs)
import java.net.InetSocketAddress;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

public class MakePropCrc {
    public static void main(String[] args) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(args[0]);
        config.setMappedFileSizeCommitLog(64 << 10);
        config.setMappedFileSizeConsumeQueue(1000);
        config.setHaListenPort(0);
        config.setEnabledAppendPropCRC(true);
        config.setForceVerifyPropCRC(true);
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("x", true), null, new BrokerConfig(), new ConcurrentHashMap<>());
        store.load();
        store.start();
        System.out.println(store.putMessage(message(new MessageExtBrokerInner(), "Plain", "closed", "TAGS\u0001A\u0002KEYS\u0001k\u0002")));
        System.out.println(store.putMessage(message(new MessageExtBrokerInner(), "Plain", "open", "TAGS\u0001A")));
        System.out.println(store.putMessage(message(new MessageExtBrokerInner(), "Plain", "none", "")));
        System.out.println(store.putMessage(message(new MessageExtBrokerInner(), "Plain", "sent", "__CRC32#\u00011234567890\u0002TAGS\u0001B\u0002")));
        System.out.println(store.putMessage(message(new MessageExtBrokerInner(), "F".repeat(120), "x".repeat(3000), "TAGS\u0001A\u0002")));
        byte[] item = java.util.HexFormat.of().parseHex("0000001f000000000000000000000007000000026869" + "0007" + "4b455953016b02");
        byte[] two = new byte[item.length * 2];
        System.arraycopy(item, 0, two, 0, item.length);
        System.arraycopy(item, 0, two, item.length, item.length);
        MessageExtBatch batch = new MessageExtBatch();
        message(batch, "Batch", "", "");
        batch.setBody(two);
        System.out.println(store.putMessages(batch));
        Thread.sleep(1500);
        System.out.println("end " + store.getMaxPhyOffset() + " queue " + store.getMaxOffsetInQueue("Batch", 0));
        store.shutdown();
        System.exit(0);
    }

    static <M extends MessageExtBrokerInner> M message(M message, String topic, String body, String properties) {
        message.setTopic(topic);
        message.setQueueId(0);
        message.setFlag(5);
        message.setBody(body.getBytes());
        message.setBornTimestamp(1700000000123L);
        message.setBornHost(new InetSocketAddress("10.1.2.3", 4567));
        message.setStoreHost(new InetSocketAddress("10.1.2.4", 10911));
        MessageAccessor.setProperties(message, MessageDecoder.string2messageProperties(properties));
        message.setPropertiesString(properties);
        return message;
    }
}
