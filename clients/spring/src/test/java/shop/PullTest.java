package shop;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PullTest extends ShopTest {
    private static final long POLL_MILLIS = 100;

    @Test
    void templateReceivesWhatWasSent() {
        List<Order> jobs = IntStream.range(0, 10).mapToObj(i -> new Order("job " + i, "Ada", i)).toList();
        jobs.forEach(job -> template.syncSend(topic("jobs"), job));
        List<Order> received = new ArrayList<>();

        until(() -> {
            received.addAll(template.receive(Order.class, POLL_MILLIS));
            return received.size() >= jobs.size();
        });

        assertThat(received).containsExactlyInAnyOrderElementsOf(jobs);
    }
}
