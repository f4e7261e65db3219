package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Every order, as an object. */
@Service
@RocketMQMessageListener(topic = "orders-${shop.run}", consumerGroup = "orders-${shop.run}")
public class OrderListener implements RocketMQListener<Order> {
    private final List<Order> received = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(Order order) {
        received.add(order);
    }

    public List<Order> received() {
        return received;
    }
}
