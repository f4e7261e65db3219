//! What a timer makes of a stop that it knows little of.

use super::*;

#[test]
fn a_clock_that_went_back_over_a_restart_loses_nothing() {
    let mut lab = Lab::new();
    let timer = lab.timer();
    lab.send_ok(&timer, "before", "TIMER_DELAY_SEC=1");
    lab.pass(&timer, SECOND * 60);
    timer.flush(true);
    assert_eq!(lab.bodies(), ["before"]);
    lab.clock = Clock::test(NOW_MS);
    let timer = lab.timer();
    lab.send_ok(&timer, "after", "TIMER_DELAY_SEC=5");
    lab.pass(&timer, SECOND * 7);
    assert_eq!(lab.bodies(), ["before", "after"]);
}

#[test]
fn a_checkpoint_of_nonsense_loses_nothing() {
    let zero = TimerCheckpoint::default();
    for nonsense in [i64::MIN, -1, i64::MAX / 2, i64::MAX] {
        for checkpoint in [
            TimerCheckpoint { last_read_time_ms: nonsense, ..zero },
            TimerCheckpoint { last_timer_log_flush_pos: nonsense, ..zero },
            TimerCheckpoint { last_timer_queue_offset: nonsense, ..zero },
            TimerCheckpoint { master_timer_queue_offset: nonsense, counter: nonsense, ..zero },
        ] {
            let lab = Lab::new();
            lab.send_ok(&lab.timer(), "before", "TIMER_DELAY_SEC=1");
            let file = lab.store.config().root().join(store::layout::TIMER_CHECK_FILE);
            std::fs::write(file, checkpoint.encode()).unwrap();
            let timer = lab.timer();
            lab.send_ok(&timer, "after", "TIMER_DELAY_SEC=3");
            lab.pass(&timer, Duration::ZERO);
            assert_eq!(lab.bodies(), [""; 0], "{checkpoint:?}");
            lab.pass(&timer, SECOND * 4);
            assert_eq!(lab.bodies(), ["before", "after"], "{checkpoint:?}");
            timer.flush(true);
        }
    }
}

#[test]
fn after_a_crash_before_the_first_checkpoint_nothing_is_early() {
    let lab = Lab::new();
    let timer = lab.timer();
    lab.send_ok(&timer, "later", "TIMER_DELAY_SEC=100");
    timer.turn();
    let timer = lab.timer();
    lab.pass(&timer, SECOND);
    assert_eq!(lab.bodies(), [""; 0]);
    lab.pass(&timer, SECOND * 100);
    assert_eq!(lab.bodies(), ["later"]);
}
