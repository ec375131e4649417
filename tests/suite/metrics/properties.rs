//! Whatever is answered: no panic, and scores from 0 to 1.

use lavr::eval::metric::caption::{self, Bleu, Case, cider_d};
use lavr::eval::metric::detection::{self, Object, Scene, average_precision};
use lavr::eval::metric::field::{self, Field};
use lavr::eval::metric::plan::{Gold, GoldNode, Graph, Node, PlanCounts, compare};
use lavr::eval::metric::{Counts, anls, choice, exact, number, ocr, vqa, yesno};
use lavr::value::Region;
use proptest::prelude::*;

/// Any text, or one made of pieces that parsers look for.
fn answer() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "A",
        "b",
        "(C)",
        "D.",
        "option",
        "the",
        "answer",
        "is",
        "yes",
        "no",
        "not",
        "two",
        "hundred",
        "thousand",
        "million",
        "and",
        "twenty",
        "-",
        "−",
        "3",
        "1,000",
        "2.5",
        ".5",
        "99999999999999999999",
        "1e5",
        "RM",
        "$",
        "19/03/2018",
        "19 MAR 2018",
        "31-02-99",
        "don't",
        "'",
        "’",
        "ß",
        "İ",
        "é",
        "\n",
        "\t",
        "  ",
        "<node-1>",
        "<node-",
        "x.png",
        "🦀",
        "٣",
    ]);
    prop_oneof![
        any::<String>(),
        prop::collection::vec(pieces, 0..12).prop_map(|p| p.join(" ")),
        "[A-Da-d(). ,0-9-]{0,20}"
    ]
}

fn side() -> impl Strategy<Value = [f64; 4]> {
    prop::array::uniform4(prop_oneof![-1.0..2.0, Just(0.0), Just(1.0), Just(f64::NAN), Just(f64::INFINITY)])
}

fn is_share(score: f64) -> bool {
    (0.0..=1.0).contains(&score)
}

fn are_shares(counts: Counts) -> bool {
    [counts.precision(), counts.recall(), counts.f1()].into_iter().all(is_share)
}

fn tools(fewer_than: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-f]", 0..fewer_than)
}

fn all(plan: PlanCounts) -> [Counts; 4] {
    [plan.nodes, plan.links, plan.argument_names, plan.argument_values]
}

proptest! {
    #[test]
    fn texts_score_from_0_to_1(said in answer(), truths in prop::collection::vec(answer(), 0..11)) {
        let scores = [vqa::score(&said, &truths), exact::score(&said, &truths), anls::score(&said, &truths)];
        prop_assert!(scores.into_iter().all(is_share), "{scores:?}");
        prop_assert_eq!(exact::score(&said, &[&said]), 1.0);
        prop_assert_eq!(anls::score(&said, &[&said]), 1.0);
        prop_assert_eq!(vqa::score(&said, &[&said; 10]), 1.0);
    }

    #[test]
    fn fields_score_from_0_to_1(said in answer(), truth in answer()) {
        for field in [Field::Company, Field::Address, Field::Date, Field::Total] {
            let score = field::score(field, &said, &truth);
            prop_assert!(is_share(score.exact) && score.anls.is_none_or(is_share));
            prop_assert_eq!(field::score(field, &truth, &truth).exact, 1.0, "{:?} {}", field, truth);
        }
    }

    #[test]
    fn picks_are_options(said in answer(), options in prop::collection::vec(answer(), 0..30)) {
        prop_assert!(choice::pick(&said, &options).is_none_or(|n| n < options.len()));
        prop_assert!(is_share(choice::score(&said, &options, "A")));
    }

    #[test]
    fn numbers_are_finite(said in answer()) {
        prop_assert!(number::numbers(&said).iter().all(|n| n.is_finite()));
        yesno::read(&said);
        yesno::read_as_pope(&said);
    }

    #[test]
    fn whole_numbers_are_read(n in any::<i32>()) {
        prop_assert_eq!(number::score(&format!("It is {n}."), f64::from(n)), 1.0);
    }

    #[test]
    fn reading_scores_from_0_to_1(said in answer(), truth in answer()) {
        prop_assert!(is_share(ocr::edits(&said, &truth).score()) && are_shares(ocr::lines(&said, &truth)));
        prop_assert_eq!(ocr::edits(&truth, &truth).rate(), 0.0);
    }

    #[test]
    fn captions_score_in_their_range(
        said in prop::array::uniform2(answer()),
        references in prop::collection::vec(answer(), 0..4),
    ) {
        let cases = said.each_ref().map(|caption| Case { caption, references: &references });
        prop_assert!(cases.iter().all(|case| is_share(Bleu::of(*case).score())));
        prop_assert!(cider_d(&cases).into_iter().all(|score| (0.0..=10.000_001).contains(&score)));
        prop_assert!(caption::tokens(&said[0]).iter().all(|token| !token.is_empty()));
    }

    #[test]
    fn boxes_score_from_0_to_1(
        found in prop::collection::vec((0..2usize, side(), prop_oneof![0.0..1.0, Just(f64::NAN)]), 0..6),
        truth in prop::collection::vec((0..2usize, side()), 0..6),
    ) {
        let label = |n: usize| ["cat", "dog"][n].to_owned();
        let region = |(n, bounds, score)| Region { label: label(n), score, bounds };
        let found: Vec<Region> = found.into_iter().map(region).collect();
        let truth: Vec<Object> = truth.into_iter().map(|(n, bounds)| Object { label: label(n), bounds }).collect();
        let scene = Scene { found: &found, truth: &truth };
        let counts = detection::counts(scene, 0.5);
        prop_assert!(are_shares(counts));
        prop_assert_eq!((counts.hits + counts.wrong, counts.hits + counts.missed), (found.len(), truth.len()));
        let precision = average_precision(&[scene, scene]);
        prop_assert_eq!(precision.is_none(), truth.is_empty());
        prop_assert!(precision.is_none_or(|p| [p.mean, p.at_50, p.at_75].into_iter().all(is_share)));
    }

    #[test]
    fn plans_score_from_0_to_1(
        steps in prop::collection::vec((tools(3), tools(2)), 0..5),
        tools in tools(6),
        links in prop::collection::vec(("[a-f]", "[a-f]"), 0..8),
        texts in prop::collection::vec(answer(), 0..4),
    ) {
        let step = |(any_of, optional)| GoldNode { any_of, optional, arguments: Vec::new() };
        let gold = Gold { nodes: steps.into_iter().map(step).collect(), links: links.iter().rev().cloned().collect() };
        let steps: Vec<(String, Vec<String>)> = tools.iter().map(|tool| (tool.clone(), texts.clone())).collect();
        let resource = Graph::from_resources(&steps, |_| None);
        let node = |task| Node { task, arguments: Vec::new() };
        let named = Graph { nodes: tools.into_iter().map(node).collect(), links };
        for plan in [resource, named] {
            prop_assert!(all(compare(&gold, &plan, None)).into_iter().all(are_shares));
            let itself = compare(&plan.clone().into(), &plan, None);
            prop_assert!(all(itself).into_iter().all(|counts| counts.wrong + counts.missed == 0), "{itself:?}");
        }
    }
}
