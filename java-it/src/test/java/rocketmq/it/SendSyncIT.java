package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageId;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Synchronous sends: what the acknowledgement says, and that the message is there afterwards. */
class SendSyncIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void acknowledgesEachMessageWithItsOffset() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        producer.setDefaultTopicQueueNums(1);
        String topic = Cluster.unique("SendSync");

        List<String> messageIds = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            SendResult result = producer.send(Messages.message(topic, "body-" + i));
            assertEquals(SendStatus.SEND_OK, result.getSendStatus());
            assertEquals(topic, result.getMessageQueue().getTopic());
            assertEquals(0, result.getMessageQueue().getQueueId());
            assertEquals(i, result.getQueueOffset());
            messageIds.add(result.getMsgId());
        }

        List<MessageExt> stored = cluster.read(topic, 5);
        for (int i = 0; i < 5; i++) {
            MessageExt message = stored.get(i);
            assertEquals("body-" + i, Messages.text(message));
            assertEquals(messageIds.get(i), message.getMsgId());
            assertEquals(i, message.getQueueOffset());
        }
        assertEquals(5, stored.size());
    }

    @Test
    void offsetMessageIdNamesBrokerAndPlaceInTheLog() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("SendSync", 1);
        String broker = Cluster.brokerAddress(producer, topic);

        SendResult first = producer.send(Messages.message(topic, "first"));
        SendResult second = producer.send(Messages.message(topic, "second"));

        MessageId firstId = MessageDecoder.decodeMessageId(first.getOffsetMsgId());
        MessageId secondId = MessageDecoder.decodeMessageId(second.getOffsetMsgId());
        assertEquals("/" + broker, firstId.getAddress().toString());
        assertEquals("/" + broker, secondId.getAddress().toString());
        assertNotEquals(firstId.getOffset(), secondId.getOffset());
        for (MessageExt message : cluster.read(topic, 3)) {
            if (Messages.text(message).equals("second")) {
                assertEquals(secondId.getOffset(), message.getCommitLogOffset());
            }
        }
    }

    @Test
    void sendsToTheQueueThatTheCallerNames() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("SendSync", 4);
        MessageQueue third = Cluster.queues(producer, topic).get(2);

        SendResult result = producer.send(Messages.message(topic, "to queue 2"), third);

        assertEquals(third, result.getMessageQueue());
        MessageExt stored = cluster.read(topic, 2).stream()
            .filter(m -> Messages.text(m).equals("to queue 2")).findFirst().orElseThrow();
        assertEquals(2, stored.getQueueId());
        assertEquals(result.getQueueOffset(), stored.getQueueOffset());
    }

    @Test
    void spreadsMessagesOverAllQueues() throws Exception {
        DefaultMQProducer producer = cluster.producer();
        String topic = cluster.createTopic("SendSync", 4);

        long[] messagesPerQueue = new long[4];
        for (String text : Messages.numbered("spread", 40)) {
            messagesPerQueue[producer.send(Messages.message(topic, text)).getMessageQueue().getQueueId()]++;
        }

        for (long messages : messagesPerQueue) {
            assertEquals(10, messages);
        }
        List<String> expected = Messages.numbered("spread", 40);
        expected.add(Cluster.WARM_UP);
        assertEquals(expected, Messages.sortedTexts(cluster.read(topic, 41)));
    }
}
