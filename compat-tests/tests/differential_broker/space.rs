//! Making room: codes 306, 316, 329. What they remove is in `store/src/tests/space.rs`.

use compat_tests::client::fill;
use compat_tests::differential::Case;

pub const CASES: &[Case] = &[Case {
    name: "space_nothing_to_remove",
    codes: &[0, 0, 0, 0, 0],
    script: |s| {
        let topic = s.unique("T");
        fill(s, &topic, 3);
        s.ask(329, &[]);
        s.ask(306, &[]);
        s.ask(316, &[]);
        s.ask(31, &[("topic", &topic), ("queueId", "0")]);
        s.ask(30, &[("topic", &topic), ("queueId", "0")]);
    },
}];
