package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Orders of two tags. */
@Service
@RocketMQMessageListener(topic = "orders-${shop.run}", consumerGroup = "paid-${shop.run}",
    selectorExpression = "paid || refunded")
public class PaidListener implements RocketMQListener<Order> {
    private final List<Order> received = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(Order order) {
        received.add(order);
    }

    public List<Order> received() {
        return received;
    }
}
