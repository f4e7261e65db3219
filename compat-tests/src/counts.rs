//! What the tests of other languages say about themselves, so that `./test` can add it to its closing line.

use std::fs;

use crate::target;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl Counts {
    /// Adds up surefire's closing lines, one an execution: "Tests run: 9, Failures: 0, Errors: 0, Skipped: 0".
    /// A line of a single class has more behind it.
    pub fn of_maven(output: &str) -> Counts {
        let mut counts = Counts::default();
        for line in output.lines() {
            let Some((_, numbers)) = line.split_once("Tests run:") else { continue };
            if numbers.contains("Time elapsed") {
                continue;
            }
            let numbers: Vec<u32> = numbers
                .split(|c: char| !c.is_ascii_digit())
                .filter(|digits| !digits.is_empty())
                .map(|digits| digits.parse().expect("digits"))
                .collect();
            if let [run, failures, errors, skipped] = numbers[..] {
                counts.failed += failures + errors;
                counts.skipped += skipped;
                counts.passed += run - failures - errors - skipped;
            }
        }
        counts
    }

    /// Counts the lines of `go test -v` that end a test: "--- PASS: TestName (0.01s)". Subtests are indented.
    pub fn of_go(output: &str) -> Counts {
        let ended = |how: &str| {
            let beginning = format!("--- {how}: ");
            output.lines().filter(|line| line.starts_with(&beginning)).count() as u32
        };
        Counts { passed: ended("PASS"), failed: ended("FAIL"), skipped: ended("SKIP") }
    }

    pub fn all_passed(&self) -> bool {
        self.passed > 0 && self.failed == 0 && self.skipped == 0
    }

    /// Leaves the counts of these tests for `./test`.
    pub fn report(&self, tests: &str) {
        let directory = target().join("counts");
        fs::create_dir_all(&directory).expect("the target directory is writable");
        let line = format!("{} {} {}\n", self.passed, self.failed, self.skipped);
        fs::write(directory.join(tests), line).expect("the target directory is writable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted_once() {
        let output = "[INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s -- in A\n\
                      [INFO] Tests run: 2, Failures: 0, Errors: 0, Skipped: 0\n\
                      [ERROR] Tests run: 9, Failures: 1, Errors: 2, Skipped: 1\n";
        assert_eq!(Counts::of_maven(output), Counts { passed: 7, failed: 3, skipped: 1 });
    }

    #[test]
    fn go_tests_are_counted_by_their_ends() {
        let output = "=== RUN   TestA\n--- PASS: TestA (0.01s)\n    --- PASS: TestA/part (0.01s)\n\
                      --- FAIL: TestB (0.00s)\n--- SKIP: TestC (0.00s)\n--- PASS: TestD (1.20s)\nFAIL\n";
        assert_eq!(Counts::of_go(output), Counts { passed: 2, failed: 1, skipped: 1 });
    }
}
