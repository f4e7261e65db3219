package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.annotation.SelectorType;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Orders chosen by an expression over their headers. */
@Service
@RocketMQMessageListener(topic = "orders-${shop.run}", consumerGroup = "big-orders-${shop.run}",
    selectorType = SelectorType.SQL92, selectorExpression = "amount > 100 AND country IN ('DE', 'CN')")
public class BigOrderListener implements RocketMQListener<Order> {
    private final List<Order> received = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(Order order) {
        received.add(order);
    }

    public List<Order> received() {
        return received;
    }
}
