package shop;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.spring.annotation.ConsumeMode;
import org.apache.rocketmq.spring.annotation.RocketMQMessageListener;
import org.apache.rocketmq.spring.core.RocketMQListener;
import org.springframework.stereotype.Service;

/** Each customer's entries in their order. An entry that fails comes again before the next. */
@Service
@RocketMQMessageListener(topic = "ledger-${shop.run}", consumerGroup = "ledger-${shop.run}",
    consumeMode = ConsumeMode.ORDERLY, suspendCurrentQueueTimeMillis = 100)
public class LedgerListener implements RocketMQListener<Order> {
    private final List<Order> received = new CopyOnWriteArrayList<>();
    private final List<Order> failed = new CopyOnWriteArrayList<>();

    @Override
    public void onMessage(Order entry) {
        if (entry.amount() < 0 && !failed.contains(entry)) {
            failed.add(entry);
            throw new IllegalStateException("not now");
        }
        received.add(entry);
    }

    public List<Order> received() {
        return received;
    }

    public List<Order> failed() {
        return failed;
    }
}
