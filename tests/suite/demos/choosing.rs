//! Which demos go along, how many, and in which order.

use std::sync::Arc;

use lavr::chain::{Chain, DemoChoice, Limit};
use lavr::chat::{ChatRequest, ChatUsage};
use lavr::config::Config;
use lavr::demo::{DemoFor, diverse, drawn};
use lavr::message::{Message, Role};
use lavr::prompt::{Asked, Chosen, Prompts};
use lavr::task::{Mode, Task};
use lavr::tool::Catalog;
use lavr::value::Value;
use serde_json::{Value as Json, json};

use super::{counting, file, prompts, requests};
use crate::agent::tools;
use crate::experts::cx;
use crate::fakes::{catalog, picture, quick};

/// How many demos a request has: replies that the LLM did not write.
fn demos(request: &ChatRequest) -> usize {
    request.prompt().filter(|message| message.role == Role::Assistant).count()
}

fn shows(request: &ChatRequest, text: &str) -> bool {
    request.prompt().any(|message| message.content.contains(text))
}

fn four(folder: &std::path::Path) -> std::path::PathBuf {
    let demos = [
        counting("How many cats are there?", "There is a cat on a sofa."),
        counting("How many cats are there, please?", "There is a cat in a tree."),
        counting("What is the number of kittens in the basket?", "There is a beach with a boat."),
        counting("Count the tigers behind the fence.", "There is a zoo."),
    ];
    file(folder, &demos)
}

fn choose(prompts: &Prompts, catalog: &Catalog, question: &str, chain: &str) -> Vec<Chosen> {
    let library = prompts.plan_lookup(catalog).unwrap();
    let task = Task::new(question, vec![picture()]).with_chain(Chain::default().with(chain).unwrap());
    crate::real::block_on(library.choose(&cx(), &Asked::of(&task, DemoFor::Planner), catalog)).unwrap()
}

fn questions(chosen: &[Chosen]) -> Vec<&str> {
    chosen.iter().map(|demo| demo.question.as_str()).collect()
}

#[tokio::test]
async fn no_demos_means_zero_shot_for_planner_decision_maker_and_refiner() {
    let folder = tempfile::tempdir().unwrap();
    let path = four(folder.path());
    for mode in [Mode::Controller, Mode::DecisionMaker] {
        let by_default = requests(Prompts::builtin().unwrap(), mode, "").await;
        assert!(by_default.iter().all(|request| demos(request) > 0), "{mode}");
        let none = requests(prompts(&path), mode, "demos=0").await;
        for request in &none {
            assert_eq!((demos(request), request.prefix.len(), request.messages.len()), (0, 1, 1), "{mode}");
        }
        let of_default = &by_default[0].prefix[0];
        assert_eq!(&none[0].prefix[0], of_default, "instructions and tools stay");
    }
}

#[tokio::test]
async fn by_default_requests_are_those_without_files_and_files_add_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = four(folder.path());
    for mode in [Mode::Controller, Mode::DecisionMaker] {
        let (without, with) =
            (requests(Prompts::builtin().unwrap(), mode, "").await, requests(prompts(&path), mode, "").await);
        for (without, with) in without.iter().zip(&with) {
            assert_eq!(without.prefix, with.prefix, "the constant part has no demos of files");
            assert_eq!(without.messages.last(), with.messages.last());
            assert!(!shows(without, "many cats are there") && shows(with, "many cats are there"), "{mode}: {with:?}");
        }
        let same = requests(Prompts::builtin().unwrap(), mode, "demos=auto,demo-choice=similar").await;
        assert_eq!(without, same);
    }
}

#[tokio::test]
async fn each_reader_is_shown_its_part_of_a_demo() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &[counting("How many cats are there?", "a sofa")]);
    let chain = "demos=1,demo-choice=fixed";
    let replies = |request: &ChatRequest| -> Json {
        let all: Vec<&Message> = request.prompt().filter(|message| message.role == Role::Assistant).collect();
        assert_eq!(all.len(), 1);
        serde_json::from_str(&all[0].content).unwrap()
    };
    let planned = requests(prompts(&path), Mode::Controller, chain).await;
    assert_eq!(replies(&planned[0]), counting("", "")["plan"]);
    let evidence = "Evidence:\ncats: detect_objects(\"cat\") = 4 cat\nmany: count(cats) = 4";
    assert!(shows(&planned[1], evidence), "{:?}", planned[1].messages);
    assert_eq!(replies(&planned[1]), json!({ "answerable": true, "answer": ["There are 4 cats."] }));
    let rounds = requests(prompts(&path), Mode::DecisionMaker, chain).await;
    assert_eq!(replies(&rounds[0])["steps"], counting("", "")["plan"]["steps"]);
    assert_eq!(replies(&rounds[1]), json!({ "thought": "There are 4 cats.", "result": "$many" }));
    assert!(shows(&rounds[1], "Known:\ncats: detect_objects(\"cat\") = 4 cat\nmany: count(cats) = 4"));
}

#[test]
fn a_number_of_demos_counts_all_of_them_and_the_fixed_ones_are_among_those() {
    let folder = tempfile::tempdir().unwrap();
    let path = four(folder.path());
    let prompts = prompts(&path);
    for most in 1..=8 {
        let chosen = choose(&prompts, &tools(), "How many dogs are there?", &format!("demos={most}"));
        assert_eq!(chosen.len(), most);
        let similarities: Vec<f64> = chosen.iter().map(|demo| demo.similarity.unwrap()).collect();
        assert!(similarities.is_sorted(), "the most similar stands last: {similarities:?}");
    }
    let first = choose(&prompts, &tools(), "How many dogs are there?", "demos=4,demo-order=similar-first");
    let mut last = choose(&prompts, &tools(), "How many dogs are there?", "demos=4");
    last.reverse();
    assert_eq!(first, last);
    let fixed = choose(&prompts, &tools(), "Where is the bus?", "demos=6,demo-choice=fixed");
    let places: Vec<&str> = fixed.iter().map(|demo| demo.place.rsplit('/').next().unwrap()).collect();
    assert_eq!(places[..4], ["demos.jsonl:1", "demos.jsonl:2", "demos.jsonl:3", "demos.jsonl:4"]);
    assert!(fixed[4].place.starts_with("prompts/plan/"), "{}", fixed[4].place);
}

#[test]
fn a_random_choice_is_always_the_same_for_a_seed_and_a_question() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = prompts(&four(folder.path()));
    let drawn_for = |question: &str, seed: u32| {
        let chain = format!("demos=3,demo-choice=random,demo-seed={seed}");
        questions(&choose(&prompts, &tools(), question, &chain)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(drawn_for("Dogs?", 1), drawn_for("Dogs?", 1));
    assert!((2..9).any(|seed| drawn_for("Dogs?", seed) != drawn_for("Dogs?", 1)));
    let mut order = drawn(7, "Dogs?", 20);
    assert_eq!(order, drawn(7, "Dogs?", 20));
    assert_ne!(order, drawn(8, "Dogs?", 20));
    assert_ne!(order, drawn(7, "Cats?", 20));
    order.sort_unstable();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

#[test]
fn diverse_demos_are_like_the_question_and_not_like_each_other() {
    let alike = |a: usize, b: usize| {
        if a == b {
            1.0
        } else if a + b == 1 {
            0.9
        } else {
            0.0
        }
    };
    assert_eq!(diverse(&[0.9, 0.8, 0.3], alike, 3), [0, 2, 1]);
    assert_eq!(diverse(&[0.9, 0.9], |_, _| 0.0, 2), [0, 1], "of equals the first");
    assert_eq!(diverse(&[], alike, 2), Vec::<usize>::new());
    assert_eq!(diverse(&[0.1, 0.2], alike, 9), [1, 0], "at most all");
    let folder = tempfile::tempdir().unwrap();
    let prompts = prompts(&four(folder.path()));
    let shown = |choice: &str| {
        let chain = format!("demos=2,demo-order=similar-first,demo-choice={choice}");
        questions(&choose(&prompts, &tools(), "How many cats are there, say?", &chain)).join(" ")
    };
    assert_eq!(shown("similar"), "How many cats are there? How many cats are there, please?");
    assert!(shown("diverse").starts_with("How many cats are there? ") && !shown("diverse").contains("please"));
}

#[test]
fn the_budget_of_tokens_is_never_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = prompts(&four(folder.path()));
    let tokens = |chosen: &[Chosen]| {
        let messages = chosen.iter().flat_map(|demo| demo.messages.clone()).collect();
        ChatUsage::guess(&ChatRequest::new(Vec::new(), messages), "").prompt_tokens
    };
    let mut counts = Vec::new();
    for most in [1, 60, 110, 200, 300, 400, 1_000] {
        let chain = format!("demos=8,demo-tokens={most}");
        let chosen = choose(&prompts, &tools(), "How many dogs are there?", &chain);
        assert!(tokens(&chosen) <= most, "{} of {most}", tokens(&chosen));
        counts.push(chosen.len());
        let auto = choose(&prompts, &tools(), "How many dogs are there?", &format!("demo-tokens={most}"));
        assert!(tokens(&auto) <= most && auto.len() <= 2);
    }
    assert!(counts[0] == 0 && counts[6] > counts[2], "{counts:?}");
}

/// Counts, and describes every image as a cat in a tree.
fn describing() -> Catalog {
    let told = |_| Ok(Value::Json(json!({ "sentences": [{ "text": "There is a cat, high in a tree." }] })));
    let mut catalog = catalog([quick("describe_scene", &["image: Image"], "Json", told)]);
    for tool in tools().shared() {
        catalog.add(Arc::clone(tool)).unwrap();
    }
    catalog
}

#[test]
fn demos_are_chosen_by_what_describes_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = prompts(&four(folder.path()));
    let chain = "demos=2,demo-order=similar-first,demo-choice=image";
    let by_image = choose(&prompts, &describing(), "How many kittens are in the basket?", chain);
    assert_eq!(questions(&by_image), ["How many cats are there, please?", "How many cats are there?"]);
    assert!(by_image[0].similarity > by_image[1].similarity);
    // Without a tool that describes, questions decide.
    let by_question = choose(&prompts, &tools(), "How many kittens are in the basket?", chain);
    let similar = choose(&prompts, &tools(), "How many kittens are in the basket?", "demos=2,demo-order=similar-first");
    assert_eq!(questions(&by_question), questions(&similar));
}

#[tokio::test]
async fn the_controller_does_not_let_an_image_choose_its_demos() {
    let chain = Chain { demo_choice: DemoChoice::Image, ..Chain::default() };
    let task = Task::new("How many?", vec![picture()]).with_chain(chain);
    assert!(task.validate().is_ok());
    let error = task.with_mode(Mode::Controller).validate().unwrap_err().to_string();
    assert!(error.contains("demo-choice=image") && error.contains("use another mode"), "{error}");
}

#[test]
fn settings_of_demos_are_read_checked_and_shown() {
    let text = "demos=3,demo-choice=diverse,demo-order=similar-first,demo-seed=9,demo-tokens=400";
    let chain = Chain::default().with(text).unwrap();
    assert_eq!((chain.demos, chain.demo_tokens, chain.demo_seed), (Limit::AtMost(3), Limit::AtMost(400), 9));
    assert_eq!(chain.to_string(), text);
    assert_eq!(Chain::default().with("demos=auto,demo-tokens=auto").unwrap(), Chain::default());
    for (bad, part) in [
        ("demos=9", "demos is `auto`, or a number from 0 to 8"),
        ("demos=many", "`demos=many`"),
        ("demo-choice=best", "demo-choice is one of similar, fixed, random, image, diverse"),
        ("demo-order=up", "demo-order is one of similar-last, similar-first"),
        ("demo-seed=-1", "demo-seed is a number from 0"),
        ("demo-tokens=0", "demo-tokens is `auto`, or a number from 1"),
        (
            "demo-k=1",
            "the keys are bridge, stop, pattern, stages, think, questions, votes, critic, verify, arbitrate, demos, demo-choice",
        ),
    ] {
        let error = Chain::default().with(bad).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lavr.toml");
    let toml = "demos = [\"mine.jsonl\"]\n[chain]\ndemos = 2\ndemo-choice = \"fixed\"\ndemo-tokens = \"auto\"\n";
    std::fs::write(&path, toml).unwrap();
    let config = Config::open(&path).unwrap();
    assert_eq!(config.demos, [folder.path().join("mine.jsonl")]);
    assert_eq!((config.chain.demos, config.chain.demo_choice), (Limit::AtMost(2), DemoChoice::Fixed));
    std::fs::write(&path, "[chain]\ndemos = 12\n").unwrap();
    let error = Config::open(&path).unwrap_err().to_string();
    assert!(error.contains("`demos` is 12, and has to be from 0 to 8"), "{error}");
    std::fs::write(&path, "[chain]\ndemos = \"some\"\n").unwrap();
    assert!(Config::open(&path).unwrap_err().to_string().contains("`some`: give `auto` or a number"));
}

#[test]
fn a_demo_that_does_not_fit_the_tools_is_named_and_one_of_other_tools_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = counting("How many cats are there?", "a sofa");
    other["plan"]["steps"][0]["tool"] = json!("find_cats");
    let path = file(folder.path(), &[other.clone()]);
    let library = prompts(&path).plan_lookup(&tools()).unwrap();
    let listed = library.list();
    assert_eq!(library.left_out(), [format!("{}:1", path.display())]);
    assert!(listed.iter().all(|demo| !demo.place.contains("demos.jsonl")));
    let mut faulty = counting("How many cats are there?", "a sofa");
    faulty["plan"]["steps"][1]["args"] = json!({ "things": "$cats" });
    let path = file(folder.path(), &[counting("Cats?", "a hat"), faulty]);
    let error = prompts(&path).plan_lookup(&tools()).unwrap_err().to_string();
    assert!(error.contains("demos.jsonl`: line 2: the plan does not fit the tools: steps[1].args"), "{error}");
}
