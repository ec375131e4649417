//! Percentiles and bootstrap intervals.

use lavr::eval::stat::{Bootstrap, Interval, interval, mean, mean_interval, paired_difference, percentile};

use super::{list, near, read, reference};

#[test]
fn percentiles_are_numpys() {
    for case in list(&reference("samples")["percentiles"]) {
        let (values, asked, given): (Vec<f64>, Vec<f64>, Vec<f64>) =
            (read(&case["values"]), read(&case["asked"]), read(&case["given"]));
        for (percent, expected) in asked.into_iter().zip(given) {
            near(percentile(&values, percent).expect("there are values"), expected, &percent);
        }
    }
    assert_eq!((percentile(&[], 50.0), percentile(&[f64::NAN], 50.0)), (None, None));
    assert_eq!((percentile(&[2.0, f64::NAN], 50.0), percentile(&[1.0, 2.0], 300.0)), (Some(2.0), Some(2.0)));
}

/// Two generators' percentiles of 2000 and 100000 draws differ by chance; by a tenth of the width seldom.
fn assert_near(given: Interval, expected: [f64; 3]) {
    let [estimate, low, high] = expected;
    near(given.estimate, estimate, &given);
    let slack = (high - low) * 0.1;
    assert!((given.low - low).abs() < slack && (given.high - high).abs() < slack, "{given:?}, expected {expected:?}");
}

#[test]
fn intervals_are_near_scipys() {
    let reference = reference("samples");
    for case in list(&reference["intervals"]) {
        let values: Vec<f64> = read(&case["values"]);
        assert_near(mean_interval(&values, &Bootstrap::default()).expect("there are values"), read(&case["interval"]));
    }
    let pairs: Vec<(f64, f64)> = read(&reference["paired"]["pairs"]);
    let given = paired_difference(&pairs, &Bootstrap::default()).expect("there are pairs");
    assert_near(given, read(&reference["paired"]["interval"]));
}

#[test]
fn a_seed_gives_the_same_interval_again() {
    let values: Vec<f64> = (0..50).map(|n| f64::from(n % 7)).collect();
    let of = |seed| mean_interval(&values, &Bootstrap { seed, ..Bootstrap::default() });
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn few_or_no_cases_have_the_interval_they_allow() {
    let options = Bootstrap::default();
    assert_eq!((mean(&[]), mean_interval(&[], &options), paired_difference(&[], &options)), (None, None, None));
    assert_eq!(mean_interval(&[0.5], &options), Some(Interval { estimate: 0.5, low: 0.5, high: 0.5 }));
    let none = Bootstrap { resamples: 0, ..options };
    assert_eq!(mean_interval(&[0.0, 1.0], &none), Some(Interval { estimate: 0.5, low: 0.5, high: 0.5 }));
    // Draws without a number are left out.
    let odd = interval(2, &options, |drawn| if drawn == [0, 1] { 1.0 } else { f64::NAN });
    assert_eq!(odd, Some(Interval { estimate: 1.0, low: 1.0, high: 1.0 }));
}

#[test]
fn every_case_is_drawn_as_often() {
    let hundred: Vec<usize> = (0..10).collect();
    let counts = std::cell::RefCell::new([0usize; 10]);
    interval(hundred.len(), &Bootstrap { resamples: 10_000, ..Bootstrap::default() }, |drawn| {
        drawn.iter().for_each(|n| counts.borrow_mut()[*n] += 1);
        0.0
    });
    // 10000 expected of each, with a standard deviation of 95.
    assert!(counts.borrow().iter().all(|n| n.abs_diff(10_000) < 500), "{counts:?}");
}
