package shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.messaging.support.MessageBuilder;

class ListenTest extends ShopTest {
    @Autowired
    OrderListener orders;
    @Autowired
    PaidListener paid;
    @Autowired
    BigOrderListener big;
    @Autowired
    LedgerListener ledger;
    @Autowired
    DeliveryListener deliveries;
    @Autowired
    PriceBoard.Window window;
    @Autowired
    PriceBoard.Counter counter;

    private final String customer = unique("customer");

    private Order send(String tag, int amount, String country) {
        Order order = new Order(tag + " " + amount + " " + country, customer, amount);
        template.syncSend(topic("orders") + ":" + tag, MessageBuilder.withPayload(order)
            .setHeader("amount", amount).setHeader("country", country).build());
        return order;
    }

    @Test
    void tagsSelect() {
        send("new", 1, "DE");
        Order first = send("paid", 2, "DE");
        send("sent", 3, "DE");
        Order second = send("refunded", 4, "DE");

        until(() -> of(customer, orders.received()).size() == 4);
        until(() -> of(customer, paid.received()).size() == 2);
        assertThat(of(customer, paid.received())).containsExactlyInAnyOrder(first, second);
    }

    @Test
    void expressionsSelect() {
        send("new", 100, "DE");
        send("new", 101, "FR");
        Order first = send("new", 101, "DE");
        Order second = send("paid", 2000, "CN");

        until(() -> of(customer, orders.received()).size() == 4);
        until(() -> of(customer, big.received()).size() == 2);
        assertThat(of(customer, big.received())).containsExactlyInAnyOrder(first, second);
    }

    @Test
    void entriesOfACustomerComeInOrder() {
        List<String> customers = List.of(unique("Ada"), unique("Bob"), unique("Cid"));
        List<Order> sent = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            for (String name : customers) {
                // One entry of each customer fails at first.
                Order entry = new Order("entry " + i, name, i == 4 ? -1 : i);
                template.syncSendOrderly(topic("ledger"), entry, name);
                sent.add(entry);
            }
        }

        until(() -> ledger.received().size() == sent.size());
        for (String name : customers) {
            assertThat(of(name, ledger.received())).isEqualTo(of(name, sent));
            assertThat(of(name, ledger.failed())).hasSize(1);
        }
    }

    @Test
    void failedMessageIsRetried() {
        String sent = template.syncSend(topic("deliveries") + ":parcel", "parcel").getMsgId();

        until(() -> deliveries.attempts().size() == 3);
        for (int i = 0; i < 3; i++) {
            MessageExt attempt = deliveries.attempts().get(i);
            assertThat(attempt.getReconsumeTimes()).isEqualTo(i);
            assertThat(attempt.getTopic()).isEqualTo(topic("deliveries"));
            assertThat(attempt.getTags()).isEqualTo("parcel");
            assertThat(attempt.getMsgId()).isEqualTo(sent);
            assertThat(text(attempt)).isEqualTo("parcel");
        }
    }

    @Test
    void broadcastReachesBothBoards() {
        List<String> prices = IntStream.range(0, 8).mapToObj(i -> "price " + i).toList();

        prices.forEach(price -> template.syncSend(topic("prices"), price));

        until(() -> window.shown().size() == 8 && counter.shown().size() == 8);
        assertThat(window.shown()).containsExactlyInAnyOrderElementsOf(prices);
        assertThat(counter.shown()).containsExactlyInAnyOrderElementsOf(prices);
    }
}
