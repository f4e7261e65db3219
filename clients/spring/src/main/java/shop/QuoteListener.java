package shop;

import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQReplyListener;
import org.springframework.stereotype.Service;

/** Answers a question about an order with another order. */
@Service
@RocketMQMessageListener(topic = "quotes-${shop.run}", consumerGroup = "quotes-${shop.run}")
public class QuoteListener implements RocketMQReplyListener<Order, Order> {
    @Override
    public Order onMessage(Order question) {
        return new Order(question.id(), question.customer(), question.amount() * 2);
    }
}
