//! What the log of a stage tells: how many tests, and of a failure the words that matter. It must not run anything.

/// Of each failed test, this many lines: a reader of CI sees the last few hundred at most.
const LINES_EACH: usize = 30;
/// Of a log without tests.
const LINES: usize = 40;

/// The tests passed and failed that a log of `cargo test` tells of.
pub fn tests(log: &str) -> (u64, u64) {
    let count = |line: &str, word: &str| -> u64 {
        let before = line.split(word).next().unwrap_or_default();
        before.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    let results = log.lines().filter(|line| line.starts_with("test result:"));
    results.fold((0, 0), |(passed, failed), line| {
        (passed + count(line, " passed;"), failed + count(line, " failed;"))
    })
}

/// The names of the failed tests, in the log's order.
pub fn failed(log: &str) -> Vec<&str> {
    log.lines().filter_map(heading).collect()
}

/// The beginning of what each failed test said; of a log without one, its end.
pub fn words(log: &str) -> String {
    let mut words = Vec::new();
    let mut left = 0;
    for line in log.lines() {
        if heading(line).is_some() {
            left = LINES_EACH;
        } else if line == "failures:" || line.starts_with("test result:") {
            left = 0;
        }
        if left > 0 {
            words.push(line);
            left -= 1;
        }
    }
    if words.is_empty() {
        words.extend(log.lines().skip(log.lines().count().saturating_sub(LINES)));
    }
    words.join("\n")
}

/// The test whose words follow this line.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" ----")?.strip_suffix(" stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out";

    #[test]
    fn tests_are_counted_over_all_programs() {
        assert_eq!(tests(&format!("{RESULT}\nx\n{RESULT}")), (6, 4));
        assert_eq!(tests("no test here"), (0, 0));
    }

    #[test]
    fn every_failed_test_is_named_and_a_long_one_does_not_hide_the_next() {
        let long = vec!["noise"; 200].join("\n");
        let log = format!(
            "running 5 tests\nFF...\nfailures:\n\n---- a::one stdout ----\nwhy one\n{long}\n---- b::two stdout ----\nwhy two\n\n\
             failures:\n    a::one\n    b::two\n\n{RESULT}\n"
        );
        assert_eq!(failed(&log), ["a::one", "b::two"]);
        let words = words(&log);
        assert!(words.contains("why one") && words.contains("why two"), "{words}");
        assert!(words.lines().count() < 2 * LINES_EACH && !words.contains("FF..."), "{words}");
    }

    #[test]
    fn a_log_without_tests_tells_its_end() {
        let log: String = (1..=100).map(|line| format!("{line}\n")).collect();
        assert!(words(&log).ends_with("100") && !words(&log).contains("\n42\n"));
    }
}
