package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Every order once more, for a group of its own that looks at the whole message. */
@Service
@RocketMQMessageListener(topic = "orders-${shop.run}", consumerGroup = "audit-${shop.run}")
public class AuditListener implements RocketMQListener<MessageExt> {
    private final List<MessageExt> received = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(MessageExt message) {
        received.add(message);
    }

    public List<MessageExt> received() {
        return received;
    }
}
