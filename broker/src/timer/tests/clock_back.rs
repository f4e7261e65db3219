//! The wall clock is set back while messages wait.

use super::*;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

#[test]
fn new_messages_wait_and_old_ones_come_at_their_time_once() {
    let lab = Lab::new();
    let timer = lab.timer();
    lab.send_ok(&timer, "delivered before", "TIMER_DELAY_SEC=2");
    lab.send_ok(&timer, "old", "TIMER_DELAY_SEC=60");
    lab.pass(&timer, 2 * SECOND);
    lab.clock.set_wall_ms(lab.clock.wall_ms() - HOUR_MS);
    lab.send_ok(&timer, "new", "TIMER_DELAY_SEC=60");
    lab.pass(&timer, Duration::ZERO);
    assert_eq!(lab.bodies(), ["delivered before"], "Java delivers the new one at once");
    lab.pass(&timer, 59 * SECOND);
    assert_eq!(lab.bodies(), ["delivered before"]);
    lab.pass(&timer, SECOND);
    assert_eq!(lab.bodies(), ["delivered before", "new"]);
    for _ in 0..60 {
        lab.pass(&timer, 60 * SECOND);
    }
    assert_eq!(lab.bodies(), ["delivered before", "new", "old"]);
    assert_eq!(timer.metrics.count("Real"), 0);
}

/// The clock goes back between the look at it and the entering.
#[test]
fn a_message_is_not_late_for_a_clock_that_was() {
    let lab = Lab::new();
    let timer = lab.timer();
    timer.turn();
    lab.clock.set_wall_ms(NOW_MS - HOUR_MS);
    lab.send_ok(&timer, "new", "TIMER_DELAY_SEC=5");
    assert!(!timer.enter_batch());
    lab.pass(&timer, 4 * SECOND);
    assert_eq!(lab.bodies(), [""; 0]);
    lab.pass(&timer, SECOND);
    assert_eq!(lab.bodies(), ["new"]);
}

/// What is sent after the clock went back is not late for slots that only the old clock had come to.
#[test]
fn a_backlog_keeps_its_place() {
    let lab = Lab::with(|config| config.timer_stop_dequeue = true);
    let timer = lab.timer();
    lab.send_ok(&timer, "first", "TIMER_DELAY_SEC=3");
    lab.pass(&timer, 10 * SECOND);
    lab.clock.set_wall_ms(NOW_MS + 5000);
    lab.send_ok(&timer, "second", "TIMER_DELAY_SEC=3");
    lab.pass(&timer, Duration::ZERO);
    lab.pass(&timer, Duration::ZERO);
    timer.shutdown();
    lab.store.reconfigure(&MessageStoreConfig {
        timer_stop_dequeue: false,
        ..MessageStoreConfig::clone(&lab.store.config())
    });
    let timer = lab.timer();
    lab.pass(&timer, 2 * SECOND);
    assert_eq!(lab.bodies(), ["first"]);
    lab.pass(&timer, SECOND);
    assert_eq!(lab.bodies(), ["first", "second"]);
}

#[test]
fn a_start_follows_too_and_so_does_one_after_a_crash() {
    for crash in [false, true] {
        let lab = Lab::new();
        let timer = lab.timer();
        lab.send_ok(&timer, "delivered before", "TIMER_DELAY_SEC=2");
        lab.pass(&timer, 2 * SECOND);
        timer.shutdown();
        lab.clock.set_wall_ms(NOW_MS - HOUR_MS);
        let timer = lab.timer();
        lab.send_ok(&timer, "new", "TIMER_DELAY_SEC=5");
        // In one of the slots that the clock comes to once more.
        lab.send_ok(&timer, "in an hour", "TIMER_DELAY_SEC=3601");
        lab.pass(&timer, Duration::ZERO);
        match crash {
            true => drop(timer),
            false => timer.shutdown(),
        }
        let timer = lab.timer();
        lab.pass(&timer, 5 * SECOND);
        assert_eq!(lab.bodies(), ["delivered before", "new"], "crash: {crash}");
        lab.pass(&timer, 3600 * SECOND);
        assert_eq!(lab.bodies(), ["delivered before", "new", "in an hour"], "crash: {crash}");
    }
}

/// The slots of the wheel are those of 14 days.
#[test]
fn what_is_too_far_for_the_wheel_rolls_or_is_due() {
    let lab = Lab::with(|config| {
        config.timer_max_delay_sec = 12 * 24 * 3600;
        config.timer_roll_window_slot = 7 * 24 * 3600 - 100;
    });
    let timer = lab.timer();
    lab.send_ok(&timer, "two days", &format!("TIMER_DELAY_SEC={}", 2 * 24 * 3600));
    lab.send_ok(&timer, "six days", &format!("TIMER_DELAY_SEC={}", 6 * 24 * 3600));
    lab.send_ok(&timer, "recalled", &format!("TIMER_DELAY_SEC={}", 6 * 24 * 3600));
    lab.recall(&timer, "recalled", NOW_MS + 6 * DAY_MS - 999);
    timer.turn();
    lab.clock.set_wall_ms(NOW_MS - 8 * DAY_MS);
    lab.pass(&timer, Duration::ZERO);
    assert_eq!(lab.bodies(), ["six days"], "14 days are more than a message may ask for");
    lab.send_ok(&timer, "new", "TIMER_DELAY_SEC=5");
    lab.pass(&timer, 5 * SECOND);
    assert_eq!(lab.bodies(), ["six days", "new"]);
    for _ in 0..10 * 24 + 1 {
        lab.pass(&timer, 3600 * SECOND);
    }
    assert_eq!(lab.bodies(), ["six days", "new", "two days"]);
    assert_eq!(timer.metrics.count("Real"), 0);
}

#[test]
fn a_clock_that_was_a_year_ahead_leaves_nothing_behind() {
    let lab = Lab::new();
    let timer = lab.timer();
    lab.send_ok(&timer, "sent by the wrong clock", "TIMER_DELAY_SEC=60");
    timer.turn();
    timer.shutdown();
    lab.clock.set_wall_ms(NOW_MS - 365 * DAY_MS);
    let timer = lab.timer();
    lab.send_ok(&timer, "new", "TIMER_DELAY_SEC=5");
    lab.pass(&timer, Duration::ZERO);
    assert_eq!(lab.bodies(), ["sent by the wrong clock"]);
    lab.pass(&timer, 5 * SECOND);
    lab.clock.set_wall_ms(NOW_MS);
    lab.pass(&timer, 60 * SECOND);
    assert_eq!(lab.bodies(), ["sent by the wrong clock", "new"]);
}
