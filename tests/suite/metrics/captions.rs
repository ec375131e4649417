//! Captions.

use lavr::eval::metric::caption::{Bleu, Case, cider_d};
use lavr::eval::stat::mean;

use super::{list, near, number, read, reference, text};

#[test]
fn cider_and_bleu_are_those_of_pycocoevalcap() {
    for corpus in list(&reference("captions")) {
        let records = list(&corpus["cases"]);
        let references: Vec<Vec<String>> = records.iter().map(|r| read(&r["references"])).collect();
        let pairs = records.iter().zip(&references);
        let cases: Vec<Case<'_>> =
            pairs.map(|(record, references)| Case { caption: text(&record["caption"]), references }).collect();
        let ciders = cider_d(&cases);
        for ((case, cider), record) in cases.iter().zip(&ciders).zip(records) {
            near(*cider, number(&record["cider"]), record);
            near(Bleu::of(*case).score(), number(&record["bleu"]), record);
        }
        near(mean(&ciders).expect("there are cases"), number(&corpus["cider"]), &"the corpus");
        near(cases.iter().map(|case| Bleu::of(*case)).sum::<Bleu>().score(), number(&corpus["bleu"]), &"the corpus");
    }
}

#[test]
fn nothing_said_or_nothing_to_compare_with_scores_nothing() {
    let references = ["a cat on a mat".to_owned(), String::new()];
    let cases = [
        Case { caption: "", references: &references },
        Case { caption: "a cat", references: &[] },
        Case { caption: "", references: &[] },
        Case { caption: "...", references: &references },
    ];
    assert_eq!(cider_d(&cases), [0.0; 4]);
    for case in cases {
        assert!(Bleu::of(case).score() < 1e-3, "{case:?}");
    }
    assert!(cider_d(&[]).is_empty());
    assert_eq!(Bleu::default().score(), 0.0);
}

#[test]
fn the_same_words_score_most() {
    let references = ["A cat sleeps on the mat.".to_owned()];
    near(Bleu::of(Case { caption: "a cat sleeps on the mat", references: &references }).score(), 1.0, &"the same");
}
