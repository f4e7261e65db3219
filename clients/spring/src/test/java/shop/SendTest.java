package shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.spring.support.RocketMQHeaders;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.messaging.Message;
import org.springframework.messaging.support.MessageBuilder;

class SendTest extends ShopTest {
    @Autowired
    OrderListener orders;
    @Autowired
    AuditListener audit;

    private final String customer = unique("customer");

    private MessageExt awaitAudited(String id) {
        until(() -> find(id) != null);
        return find(id);
    }

    private MessageExt find(String id) {
        return audit.received().stream().filter(message -> message.getMsgId().equals(id)).findFirst().orElse(null);
    }

    @Test
    void syncSendArrivesAsItWasSent() {
        Order order = new Order("1", customer, 10);
        Message<Order> message = MessageBuilder.withPayload(order)
            .setHeader(RocketMQHeaders.KEYS, "order-1 " + customer)
            .setHeader("city", "Köln 科隆")
            .build();

        SendResult sent = template.syncSend(topic("orders") + ":new", message);

        assertThat(sent.getSendStatus()).isEqualTo(SendStatus.SEND_OK);
        until(() -> of(customer, orders.received()).equals(List.of(order)));
        MessageExt audited = awaitAudited(sent.getMsgId());
        assertThat(audited.getTags()).isEqualTo("new");
        assertThat(audited.getKeys()).isEqualTo("order-1 " + customer);
        assertThat(audited.getProperty("city")).isEqualTo("Köln 科隆");
        assertThat(audited.getQueueId()).isEqualTo(sent.getMessageQueue().getQueueId());
        assertThat(audited.getQueueOffset()).isEqualTo(sent.getQueueOffset());
        assertThat(text(audited)).isEqualTo("{\"id\":\"1\",\"customer\":\"" + customer + "\",\"amount\":10}");
    }

    @Test
    void asyncSendCallsBack() throws Exception {
        CompletableFuture<SendResult> sent = new CompletableFuture<>();

        template.asyncSend(topic("orders"), new Order("async", customer, 1), new SendCallback() {
            @Override
            public void onSuccess(SendResult result) {
                sent.complete(result);
            }

            @Override
            public void onException(Throwable e) {
                sent.completeExceptionally(e);
            }
        });

        assertThat(sent.get(60, TimeUnit.SECONDS).getSendStatus()).isEqualTo(SendStatus.SEND_OK);
        until(() -> of(customer, orders.received()).size() == 1);
    }

    @Test
    void sendOneWayAndConvertAndSendArrive() {
        Order first = new Order("one way", customer, 1);
        Order second = new Order("converted", customer, 2);
        Order third = new Order("with headers", customer, 3);

        template.sendOneWay(topic("orders"), first);
        template.convertAndSend(topic("orders"), second);
        template.convertAndSend(topic("orders"), third, Map.of(RocketMQHeaders.KEYS, "key"));

        until(() -> of(customer, orders.received()).size() == 3);
        assertThat(of(customer, orders.received())).containsExactlyInAnyOrder(first, second, third);
    }

    @Test
    void batchArrivesWhole() {
        List<Order> batch = IntStream.range(0, 10).mapToObj(i -> new Order("batch " + i, customer, i)).toList();
        List<Message<Order>> messages = batch.stream().map(order -> MessageBuilder.withPayload(order)
            .setHeader(RocketMQHeaders.KEYS, order.id()).build()).toList();

        SendResult sent = template.syncSend(topic("orders"), messages);

        assertThat(sent.getSendStatus()).isEqualTo(SendStatus.SEND_OK);
        List<String> ids = List.of(sent.getMsgId().split(","));
        assertThat(ids).hasSize(10);
        until(() -> of(customer, orders.received()).size() == 10);
        assertThat(of(customer, orders.received())).containsExactlyInAnyOrderElementsOf(batch);
        for (int i = 0; i < 10; i++) {
            MessageExt audited = awaitAudited(ids.get(i));
            assertThat(audited.getKeys()).isEqualTo("batch " + i);
            assertThat(audited.getQueueOffset()).isEqualTo(sent.getQueueOffset() + i);
        }
    }

    @Test
    void delayedMessageArrivesLate() {
        Order order = new Order("late", customer, 1);
        Message<Order> message = MessageBuilder.withPayload(order).build();

        SendResult sent = template.syncSend(topic("orders"), message, 10_000, 2);

        MessageExt audited = awaitAudited(sent.getMsgId());
        assertThat(audited.getStoreTimestamp() - audited.getBornTimestamp()).isBetween(5_000L, 15_000L);
        assertThat(audited.getTopic()).isEqualTo(topic("orders"));
    }

    @Test
    void timedMessageArrivesAtItsTime() {
        Order order = new Order("timed", customer, 1);
        long deliverAt = System.currentTimeMillis() + 2_000;

        SendResult first = template.syncSendDelayTimeMills(topic("orders"), order, 2_000);
        SendResult second = template.syncSendDeliverTimeMills(topic("orders"), order, deliverAt);

        MessageExt delayed = awaitAudited(first.getMsgId());
        MessageExt delivered = awaitAudited(second.getMsgId());
        // The broker's timer counts in whole seconds.
        assertThat(delayed.getStoreTimestamp() - delayed.getBornTimestamp()).isBetween(1_000L, 12_000L);
        assertThat(delivered.getStoreTimestamp() - deliverAt).isBetween(-1_000L, 10_000L);
        assertThat(delivered.getTopic()).isEqualTo(topic("orders"));
    }
}
