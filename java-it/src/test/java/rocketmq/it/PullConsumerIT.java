package rocketmq.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Pulls from an offset that the caller keeps. */
class PullConsumerIT {
    @RegisterExtension
    final Cluster cluster = new Cluster();

    @Test
    void pullsPageByPage() throws Exception {
        MessageQueue queue = cluster.queueWith("pull", 20);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();

        PullResult first = consumer.pull(queue, "*", 1, 8);
        Messages.assertFound(Messages.numbered("pull", 20).subList(0, 8), 9, first);
        assertEquals(0, first.getMinOffset());
        assertEquals(21, first.getMaxOffset());

        PullResult second = consumer.pull(queue, "*", first.getNextBeginOffset(), 32);
        Messages.assertFound(Messages.numbered("pull", 20).subList(8, 20), 21, second);
    }

    @Test
    void endOfTheQueueIsNotAnError() throws Exception {
        MessageQueue queue = cluster.queueWith("pull", 3);

        PullResult result = cluster.pullConsumer().pull(queue, "*", 4, 32);

        assertEquals(PullStatus.NO_NEW_MSG, result.getPullStatus());
        assertEquals(4, result.getNextBeginOffset());
        assertNull(result.getMsgFoundList());
    }

    @Test
    void offsetBeyondTheEndIsCorrected() throws Exception {
        MessageQueue queue = cluster.queueWith("pull", 3);

        PullResult result = cluster.pullConsumer().pull(queue, "*", 1_000, 32);

        assertEquals(PullStatus.OFFSET_ILLEGAL, result.getPullStatus());
        assertEquals(4, result.getNextBeginOffset());
    }

    @Test
    void blockingPullReturnsWhenAMessageComes() throws Exception {
        MessageQueue queue = cluster.queueWith("pull", 1);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        DefaultMQProducer producer = cluster.producer();
        CompletableFuture<PullResult> waiting = new CompletableFuture<>();
        consumer.pullBlockIfNotFound(queue, "*", 2, 32, new PullCallback() {
            @Override
            public void onSuccess(PullResult result) {
                waiting.complete(result);
            }

            @Override
            public void onException(Throwable error) {
                waiting.completeExceptionally(error);
            }
        });

        long start = System.nanoTime();
        producer.send(Messages.message(queue.getTopic(), "at last"), queue);
        PullResult result = waiting.get(30, TimeUnit.SECONDS);

        assertEquals(List.of("at last"), Messages.texts(result.getMsgFoundList()));
        assertEquals(3, result.getNextBeginOffset());
        assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(5), "the pull waited out its time");
    }

    @Test
    void blockingPullReturnsEmptyAfterTheTimeThatItAskedFor() throws Exception {
        MessageQueue queue = cluster.queueWith("pull", 1);
        DefaultMQPullConsumer consumer = cluster.pullConsumer();
        consumer.setBrokerSuspendMaxTimeMillis(2_000);

        long start = System.nanoTime();
        PullResult result = consumer.pullBlockIfNotFound(queue, "*", 2, 32);
        long waitedMillis = (System.nanoTime() - start) / 1_000_000;

        assertEquals(PullStatus.NO_NEW_MSG, result.getPullStatus());
        assertTrue(waitedMillis >= 1_900 && waitedMillis < 15_000, "waited " + waitedMillis + " ms");
    }
}
