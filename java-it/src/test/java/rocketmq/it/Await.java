package rocketmq.it;

import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.function.Predicate;

/** Polls until something holds, and fails at a deadline: no test sleeps and hopes. */
final class Await {
    static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final long POLL_MILLIS = 20;

    /** Waits until {@code condition} is true; an exception counts as false. */
    static void until(String what, Callable<Boolean> condition) {
        until(what, PATIENCE, condition);
    }

    static void until(String what, Duration patience, Callable<Boolean> condition) {
        value(what, patience, condition, Boolean.TRUE::equals);
    }

    /** Waits until {@code source} gives a value that {@code accepts} takes, and returns that value. */
    static <T> T value(String what, Duration patience, Callable<T> source, Predicate<T> accepts) {
        long deadline = System.nanoTime() + patience.toNanos();
        Object last;
        do {
            try {
                T value = source.call();
                if (accepts.test(value)) {
                    return value;
                }
                last = value;
            } catch (Exception e) {
                last = e;
            }
            pause();
        } while (System.nanoTime() < deadline);
        return fail("not within " + patience.toMillis() + " ms: " + what + "; last seen: " + last);
    }

    private static void pause() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            fail("interrupted while waiting");
        }
    }
}
