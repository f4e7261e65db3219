package shop;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.core.RocketMQTemplate;
import org.awaitility.Awaitility;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** The running application, one for all test classes. */
@SpringBootTest
abstract class ShopTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration POLL = Duration.ofMillis(20);
    private static final String RUN = UUID.randomUUID().toString().substring(0, 8);
    private static final int QUEUES = 4;

    @Autowired
    RocketMQTemplate template;

    /** Topics are there before the application starts: a listener asks for the route of a missing one every 30 s only. */
    @DynamicPropertySource
    static void prepare(DynamicPropertyRegistry properties) throws Exception {
        properties.add("shop.run", () -> RUN);
        DefaultMQProducer operator = new DefaultMQProducer("operator-" + UUID.randomUUID());
        operator.setNamesrvAddr(System.getProperty("namesrv", "127.0.0.1:9876"));
        operator.start();
        try {
            for (String name : List.of("orders", "ledger", "deliveries", "prices", "payments", "quotes", "jobs")) {
                operator.createTopic("TBW102", topic(name), QUEUES, Map.of());
                until(() -> operator.fetchPublishMessageQueues(topic(name)).size() == QUEUES);
            }
        } finally {
            operator.shutdown();
        }
    }

    static String topic(String name) {
        return name + "-" + RUN;
    }

    /** Waits until {@code condition} is true; an exception counts as false. */
    static void until(Callable<Boolean> condition) {
        Awaitility.await().atMost(PATIENCE).pollDelay(Duration.ZERO).pollInterval(POLL).ignoreExceptions().until(condition);
    }

    /** A name for what one test sends, to tell it from what others send to the same topic. */
    static String unique(String prefix) {
        return prefix + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    static List<Order> of(String customer, List<Order> orders) {
        return orders.stream().filter(order -> order.customer().equals(customer)).toList();
    }

    static String text(MessageExt message) {
        return new String(message.getBody(), StandardCharsets.UTF_8);
    }
}
