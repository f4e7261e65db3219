//! Every target bears mutations of golden inputs, the same ones on each run.

use fuzz::golden::Golden;
use fuzz::mutate::Mutator;
use fuzz::{TARGETS, Target};
use std::panic;
use std::time::Instant;

const RUNS: usize = 20_000;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// All in one test: the golden inputs are read once, and every target has its turn.
#[test]
fn every_decoder_bears_what_comes() {
    let golden = Golden::read();
    let failures: Vec<_> = TARGETS.iter().filter_map(|target| first_failure(target, &golden)).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn first_failure(target: &Target, golden: &Golden) -> Option<String> {
    let seeds = (target.seeds)(golden);
    assert!(!seeds.is_empty(), "{}: nothing to start from", target.name);
    let started = Instant::now();
    let mut mutator = Mutator::new(SEED);
    let mutants = (0..RUNS).map(|_| mutator.mutant(&seeds));
    let mut inputs = seeds.iter().cloned().chain(mutants);
    let broken = inputs.find(|input| panic::catch_unwind(|| (target.run)(input)).is_err());
    println!("{}: {} seeds, {RUNS} runs in {:?}", target.name, seeds.len(), started.elapsed());
    broken.map(|input| format!("{} cannot bear b\"{}\"", target.name, input.escape_ascii()))
}
