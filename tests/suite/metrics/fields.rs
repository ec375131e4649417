//! Fields of receipts.

use lavr::eval::metric::Counts;
use lavr::eval::metric::field::{Field, score};

#[test]
fn totals_are_equal_to_the_cent() {
    let cases = [
        ("9.00", "9.00", 1.0),
        ("RM 9.00", "9.00", 1.0),
        ("$9", "9.00", 1.0),
        ("9.0", "9.00", 1.0),
        ("RM 9.5", "9.50", 1.0),
        ("1,009.00", "1009.00", 1.0),
        ("The total is RM9.00.", "9.00", 1.0),
        ("9.01", "9.00", 0.0),
        ("9.00 of 10.00", "9.00", 0.0),
        ("nine", "9.00", 0.0),
        ("", "9.00", 0.0),
        ("n/a", "N/A", 1.0),
    ];
    for (answer, truth, expected) in cases {
        let found = score(Field::Total, answer, truth);
        assert_eq!((found.exact, found.anls), (expected, None), "{answer} / {truth}");
    }
}

#[test]
fn dates_are_the_same_day_in_any_form() {
    let forms = [
        "19/03/2018",
        "19-03-18",
        "19-03-2018",
        "19 MAR 2018",
        "19 March 2018",
        "2018-03-19",
        "19.03.2018",
        "MAR 19, 2018",
        "20180319",
    ];
    for truth in forms {
        for answer in forms {
            assert_eq!(score(Field::Date, answer, truth).exact, 1.0, "{answer} / {truth}");
        }
        assert_eq!(score(Field::Date, "20/03/2018", truth).exact, 0.0, "{truth}");
        assert_eq!(score(Field::Date, &format!("It was issued on {truth}."), truth).exact, 1.0, "{truth}");
    }
    let cases = [
        ("09/01/2019", "2019-01-09", 1.0),
        ("09/01/2019", "2019-09-01", 0.0),
        ("19/03/2018 or 20/03/2018", "19/03/2018", 0.0),
        ("", "", 1.0),
    ];
    for (answer, truth, expected) in cases {
        assert_eq!(score(Field::Date, answer, truth).exact, expected, "{answer} / {truth}");
    }
}

#[test]
fn companies_and_addresses_are_compared_by_their_words() {
    for field in [Field::Company, Field::Address] {
        let same = score(field, "Abc Ho  Trading Sdn Bhd", "ABC HO TRADING SDN. BHD.");
        assert_eq!(same.exact, 1.0);
        let close = score(field, "ABC HO TRADNG", "ABC HO TRADING");
        assert_eq!((close.exact, close.anls), (0.0, Some(1.0 - 1.0 / 14.0)));
        assert_eq!(score(field, "1-2, JALAN", "12 JALAN").exact, 0.0);
    }
}

#[test]
fn what_is_not_answered_is_missed_but_not_wrong() {
    let counts = ["A B", "C", " "].map(|answer| score(Field::Company, answer, "a b").counts());
    assert_eq!(
        counts,
        [
            Counts { hits: 1, wrong: 0, missed: 0 },
            Counts { hits: 0, wrong: 1, missed: 1 },
            Counts { hits: 0, wrong: 0, missed: 1 },
        ]
    );
}

#[test]
fn fields_have_their_names() {
    let named: [Field; 4] = serde_json::from_str(r#"["company","address","date","total"]"#).expect("the names");
    assert_eq!(named, [Field::Company, Field::Address, Field::Date, Field::Total]);
}
