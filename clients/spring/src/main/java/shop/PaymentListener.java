package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Payments whose transactions were committed. */
@Service
@RocketMQMessageListener(topic = "payments-${shop.run}", consumerGroup = "payments-${shop.run}")
public class PaymentListener implements RocketMQListener<MessageExt> {
    private final List<MessageExt> received = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(MessageExt message) {
        received.add(message);
    }

    public List<MessageExt> received() {
        return received;
    }
}
