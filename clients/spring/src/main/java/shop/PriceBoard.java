package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.spring.annotation.MessageModel;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Two boards of one group; prices are broadcast, so each shows all of them. */
public abstract class PriceBoard implements RocketMQListener<String> {
    private final List<String> shown = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(String price) {
        shown.add(price);
    }

    public List<String> shown() {
        return shown;
    }

    @Service
    @RocketMQMessageListener(topic = "prices-${shop.run}", consumerGroup = "prices-${shop.run}",
        messageModel = MessageModel.BROADCASTING, instanceName = "window")
    public static class Window extends PriceBoard {
    }

    @Service
    @RocketMQMessageListener(topic = "prices-${shop.run}", consumerGroup = "prices-${shop.run}",
        messageModel = MessageModel.BROADCASTING, instanceName = "counter")
    public static class Counter extends PriceBoard {
    }
}
