package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.apache.rocketmq.spring.core.RocketMQPushConsumerLifecycleListener;
import org.springframework.stereotype.Service;

/** Fails at the first two attempts; may fail at most as often as that. */
@Service
@RocketMQMessageListener(topic = "deliveries-${shop.run}", consumerGroup = "deliveries-${shop.run}",
    maxReconsumeTimes = 2, delayLevelWhenNextConsume = 1)
public class DeliveryListener implements RocketMQListener<MessageExt>, RocketMQPushConsumerLifecycleListener {
    /** A new group's retry topic comes into being with its first heartbeat, and is to be found soon after. */
    private static final int ROUTE_POLL_MILLIS = 1_000;

    private final List<MessageExt> attempts = new CopyOnWriteArrayList<>();

    @Override
    public void prepareStart(DefaultMQPushConsumer consumer) {
        consumer.setPollNameServerInterval(ROUTE_POLL_MILLIS);
    }

    @Override
    public void onMessage(MessageExt message) {
        attempts.add(message);
        if (message.getReconsumeTimes() < 2) {
            throw new IllegalStateException("nobody at home");
        }
    }

    public List<MessageExt> attempts() {
        return attempts;
    }
}
