//! Chains: how a run reasons, as configuration. The LLM follows a script here.

use std::sync::Arc;

use async_trait::async_trait;
use lavr::agent::{Agent, Report, Watch};
use lavr::answer::Status;
use lavr::budget::Budget;
use lavr::chain::{Bridge, Chain, Questions, Stages, Stop};
use lavr::chat::{Capabilities, ChatModel, ChatReply, ChatRequest};
use lavr::config::Config;
use lavr::cx::Cx;
use lavr::error::{ErrorKind, Result};
use lavr::plan::Plan;
use lavr::task::{Mode, Task};
use lavr::tool::{Catalog, Tool};
use lavr::trace::{Event, SubQuestion, Vote};
use lavr::value::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Record, Script, catalog, picture, quick, regions};

fn chain(settings: &str) -> Chain {
    Chain::default().with(settings).unwrap()
}

fn task(settings: &str, mode: Mode) -> Task {
    Task::new("How many dogs are there?", vec![picture()]).with_mode(mode).with_chain(chain(settings))
}

fn agent(chat: Arc<dyn ChatModel>, tools: Catalog) -> Agent {
    Agent::builder().chat(chat).catalog(tools).build().unwrap()
}

async fn ask(chat: &Arc<Script>, task: &Task) -> Report {
    agent(Arc::<Script>::clone(chat), tools()).ask(task).await.unwrap()
}

/// What the n-th call was shown last.
fn shown(chat: &Script, n: usize) -> String {
    chat.requests()[n].messages.last().unwrap().content.clone()
}

/// An LLM with eyes that follows a script.
pub struct Seeing(pub Arc<Script>);

#[async_trait]
impl ChatModel for Seeing {
    async fn complete(&self, cx: &Cx, request: &ChatRequest) -> Result<ChatReply> {
        self.0.complete(cx, request).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { images: true, ..self.0.capabilities() }
    }
}

// ---- the configuration

#[test]
fn settings_are_laid_over_the_default_and_print_as_they_are_written() {
    let chain = chain("votes=5, critic=on,stop=adaptive");
    assert_eq!((chain.votes, chain.critic, chain.stop), (5, true, Stop::Adaptive));
    assert_eq!(chain.to_string(), "votes=5,critic=on");
    assert_eq!(Chain::default().to_string(), "");
    let all = "bridge=both,stages=two,think=on,questions=split,critic=on";
    let chain = Chain::default().with(all).unwrap();
    assert_eq!((chain.bridge, chain.stages), (Bridge::Both, Stages::Two));
    assert_eq!((chain.think, chain.questions), (true, Questions::Split));
    assert_eq!(chain.to_string(), all);
    assert_eq!(Chain::default().with("stop=3").unwrap().stop, Stop::Fixed(3));
}

#[test]
fn a_setting_that_does_not_fit_is_named_with_what_would() {
    for (settings, named) in [
        ("vote=3", "`vote` is no setting of a chain; the keys are bridge, stop, pattern, stages"),
        ("votes", "`votes` is no KEY=VALUE"),
        ("votes=0", "`votes=0`: votes is a number from 1 to 15"),
        ("votes=many", "votes is a number from 1 to 15"),
        ("stop=never", "stop is one of `adaptive`, or a number of rounds from 1 to 16"),
        ("stages=three", "`stages=three`: stages is one of one, two"),
        ("critic=yes", "critic is one of on, off"),
    ] {
        let error = Chain::default().with(settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(named), "{settings}: {error}");
    }
}

proptest! {
    #[test]
    fn whatever_is_written_as_settings_is_read_or_refused(text in "[a-z=,0-9 ]{0,40}") {
        if let Ok(chain) = Chain::default().with(&text) {
            prop_assert_eq!(Chain::default().with(&chain.to_string()).unwrap(), chain);
        }
    }
}

#[tokio::test]
async fn settings_that_exclude_each_other_are_refused_before_anything_runs() {
    for (settings, mode, named) in [
        ("votes=3,stop=2", Mode::Auto, "`stop=N` and `votes` do not go together"),
        ("questions=ask,votes=3", Mode::Auto, "`questions` and `votes` do not go together"),
        ("bridge=native,questions=ask", Mode::Auto, "`bridge=native` and `questions`"),
        ("stop=2", Mode::Controller, "a controller plans once"),
        ("stop=9", Mode::Auto, "raise `--max-rounds`"),
        ("bridge=native,critic=on", Mode::Auto, "`critic` has no effect"),
        ("votes=3", Mode::DecisionMaker, "votes are on whole plans"),
        ("bridge=native", Mode::Auto, "the LLM `script` takes no images"),
    ] {
        let chat = Script::new([""]);
        let error = agent(chat.clone(), tools()).ask(&task(settings, mode)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(named), "{settings}: {error}");
        assert!(chat.requests().is_empty());
    }
}

#[test]
fn a_configuration_file_says_how_to_reason_and_its_paths_are_seen_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lavr.toml");
    let text = "mode = \"controller\"\ntools = [\"read_codes\", \"my/tools\"]\nprompts = \"own\"\n\
                [budget]\nmax_rounds = 3\n[chain]\nstop = 4\nstages = \"two\"\ncritic = true\n";
    std::fs::write(&file, text).unwrap();
    let config = Config::open(&file).unwrap();
    assert_eq!((config.mode, config.budget.max_rounds), (Mode::Controller, 3));
    assert_eq!(config.chain.to_string(), "stop=4,stages=two,critic=on");
    assert_eq!(config.prompts.unwrap(), folder.path().join("own"));
    for (llm, seen) in [
        ("replay:calls", format!("replay:{}", folder.path().join("calls").display())),
        ("local:own.gguf", format!("local:{}", folder.path().join("own.gguf").display())),
        ("local:tiny", "local:tiny".to_owned()),
    ] {
        std::fs::write(&file, format!("llm = \"{llm}\"\n")).unwrap();
        assert_eq!(Config::open(&file).unwrap().llm, seen);
    }
    assert_eq!(config.tools, [std::path::PathBuf::from("read_codes"), folder.path().join("my/tools")]);
    let form = toml::to_string(&config.chain).unwrap();
    assert_eq!(toml::from_str::<Chain>(&form).unwrap(), config.chain);
    for (text, named) in [
        ("[chain]\nvote = 3\n", "unknown field `vote`"),
        ("[chain]\nvotes = 99\n", "`votes` is 99"),
        ("[chain]\nstop = \"never\"\n", "stop"),
        ("[chain]\nstop = -1\n", "`-1`: give `adaptive` or a number from 0 on"),
        ("[chain]\ndemos = \"some\"\n", "`some`: give `auto` or a number from 0 on"),
        ("llm = 3\n", "llm"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Config::open(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let told = error.to_string();
        assert!(told.contains("lavr.toml") && told.contains(named), "{told}");
    }
    let error = Config::open(folder.path().join("none.toml")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

// ---- rounds of a fixed number

fn detect(id: &str) -> Json {
    json!({ "id": id, "tool": "detect_objects", "args": { "image": "$image", "labels": ["dog"] } })
}

fn count(id: &str, of: &str) -> Json {
    json!({ "id": id, "tool": "count", "args": { "items": of } })
}

fn more(steps: &Json) -> Json {
    json!({ "thought": "Not yet.", "missing": "more", "steps": steps })
}

fn done(result: &str) -> Json {
    json!({ "thought": "That is it.", "result": result })
}

#[tokio::test]
async fn a_fixed_chain_has_exactly_its_number_of_rounds() {
    for rounds in 1..=4_u64 {
        let mut script = vec![more(&json!([detect("dogs"), count("n", "$dogs")]))];
        for n in 2..rounds {
            script.push(more(&json!([detect(&format!("again_{n}"))])));
        }
        if rounds > 1 {
            script.push(done("$n"));
        }
        script.push(says(&["There are 2 dogs."]));
        let chat = Script::new(script);
        let report = ask(&chat, &task(&format!("stop={rounds}"), Mode::Auto)).await;
        assert_eq!(report.answer.short.as_deref(), Some("2"), "{rounds} rounds: {:?}", report.error);
        assert_eq!(report.trace.rounds.len() as u64, rounds);
        assert_eq!(report.usage.rounds, rounds);
        let told = shown(&chat, 0);
        assert!(told.contains(&format!("Round 1 of {rounds}: write steps.")), "{told}");
        if rounds > 1 {
            let last = shown(&chat, rounds as usize - 1);
            assert!(last.contains(&format!("Round {rounds} of {rounds}: name the result.")), "{last}");
        }
    }
}

#[tokio::test]
async fn a_round_of_a_fixed_chain_that_is_out_of_turn_goes_back_to_the_llm() {
    let chat = Script::new([
        more(&json!([detect("dogs"), count("n", "$dogs")])),
        done("$n"),
        more(&json!([count("m", "$dogs")])),
        more(&json!([detect("more")])),
        done("$n"),
        says(&["There are 2 dogs."]),
    ]);
    let report = ask(&chat, &task("stop=3", Mode::DecisionMaker)).await;
    assert_eq!((report.answer.short.as_deref(), report.trace.repairs), (Some("2"), 2));
    assert!(shown(&chat, 2).contains("this is round 2 of 3"), "{}", shown(&chat, 2));
    assert!(shown(&chat, 4).contains("this is round 3 of 3"), "{}", shown(&chat, 4));
    assert_eq!(report.trace.rounds.len(), 3);
}

// ---- stages and thoughts

#[tokio::test]
async fn in_two_stages_the_answer_sees_a_rationale_without_numbers_of_nowhere() {
    let rationale = "The count says 2. There may be 7 more. So the answer is the count.";
    let chat = Script::new([dogs_plan(), json!({ "rationale": rationale }), says(&["There are 2 dogs."])]);
    let report = ask(&chat, &task("stages=two", Mode::Controller)).await;
    assert_eq!(report.answer.text, "There are 2 dogs.");
    let kept = "The count says 2. So the answer is the count.";
    assert_eq!(report.answer.rationale.as_deref(), Some(kept));
    assert_eq!(report.to_json()["rationale"], kept);
    assert!(shown(&chat, 1).contains("n: count(dogs) = 2"), "{}", shown(&chat, 1));
    assert!(shown(&chat, 2).contains(&format!("Thought: \"{kept}\"")), "{}", shown(&chat, 2));
}

#[tokio::test]
async fn a_reply_that_is_no_rationale_leaves_the_answer_as_it_would_be() {
    let chat = Script::new([dogs_plan().to_string(), "Well...".to_owned(), says(&["There are 2 dogs."]).to_string()]);
    let report = ask(&chat, &task("stages=two", Mode::Controller)).await;
    assert_eq!((report.answer.short.as_deref(), report.answer.rationale), (Some("2"), None));
}

#[tokio::test]
async fn a_thought_before_the_plan_is_asked_for_and_kept() {
    for (images, cue) in [(1, "Let's think step by step."), (3, "Let's think frame by frame.")] {
        let mut plan = dogs_plan();
        plan["thought"] = json!("Find the dogs, then count them.");
        let chat = Script::new([plan, says(&["There are 2 dogs."])]);
        let record = Arc::new(Record::default());
        let task = Task::new("How many dogs are there in the first image?", vec![picture(); images])
            .with_mode(Mode::Controller)
            .with_chain(chain("think=on"));
        let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
        let report = agent(chat.clone(), tools()).ask_watched(&task, watch).await.unwrap();
        assert_eq!(report.answer.short.as_deref(), Some("2"));
        assert!(shown(&chat, 0).ends_with(cue), "{}", shown(&chat, 0));
        let schema = chat.requests()[0].schema.clone().unwrap();
        assert_eq!(schema["properties"].as_object().unwrap().keys().next().unwrap(), "thought");
        let thought = record.entries().into_iter().find_map(|entry| match entry.event {
            Event::Planned { thought, .. } => thought,
            _ => None,
        });
        assert_eq!(thought.as_deref(), Some("Find the dogs, then count them."));
    }
}

// ---- votes

/// A plan that looks for the dogs and returns a constant in place of their number.
fn other_plan(tool: &str) -> Json {
    json!({ "steps": [detect("boxes"), { "id": "k", "tool": tool, "args": { "items": "$boxes" } }], "result": "$k" })
}

fn voting_tools(counted: &Arc<std::sync::atomic::AtomicUsize>) -> Catalog {
    let counted = Arc::clone(counted);
    let detector: Arc<dyn Tool> =
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", move |_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(regions(&["dog"; 2]))
        });
    let number = |name: &str, n: f64| quick(name, &["items: List<Any>"], "Number", move |_| Ok(Value::Number(n)));
    catalog([detector, number("count", 2.0), number("three", 3.0), number("four", 4.0)])
}

/// The plans that were put together, as they stand in the run.
fn joined(record: &Record) -> Vec<Json> {
    let found = record.entries().into_iter().find_map(|entry| match entry.event {
        Event::Joined { plans } => Some(plans),
        _ => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn most_plans_decide_and_identical_steps_run_once() {
    let looked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let chat = Script::new([
        dogs_plan(),
        other_plan("three"),
        dogs_plan(),
        other_plan("three"),
        other_plan("three"),
        says(&["There are 2 dogs."]),
        says(&["There are 3 dogs."]),
    ]);
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    let agent = agent(chat.clone(), voting_tools(&looked));
    let report = agent.ask_watched(&task("votes=5", Mode::Controller), watch).await.unwrap();
    assert_eq!(report.answer.short.as_deref(), Some("3"));
    assert_eq!(looked.load(std::sync::atomic::Ordering::SeqCst), 1);
    let vote = |answer: &str, plans, result: &str| Vote {
        answer: Some(answer.to_owned()),
        plans,
        results: vec![result.to_owned()],
    };
    assert_eq!(report.trace.votes, [vote("3", 3, "$k"), vote("2", 2, "$n")]);
    assert_eq!(report.trace.plan.as_ref().unwrap().result.to_string(), "$k");
    assert_eq!(report.answer.claims[0].steps, ["k"]);
    assert_eq!(report.to_json()["votes"][0]["plans"], 3);
    assert!(record.names().contains(&"voted".to_owned()));
    // The other plan's search is the first one's, under its name.
    let together = joined(&record);
    let other = &together[1];
    assert_eq!(together.len(), 5);
    assert_eq!((&other["steps"][0]["id"], &other["steps"][1]["args"]["items"]), (&json!("dogs"), &json!("$dogs")));
    assert_eq!((&together[0], &together[2]), (&dogs_plan(), &dogs_plan()));
    // All of one round; the first is the most probable one, the others are drawn.
    assert_eq!(report.usage.rounds, 1);
    let heats: Vec<f32> = chat.requests().iter().map(|r| r.temperature).collect();
    assert_eq!(heats, [0.0, 0.7, 0.7, 0.7, 0.7, 0.0, 0.0]);
    let prompts: Vec<_> = chat.requests().iter().take(5).map(|r| r.messages.clone()).collect();
    assert!(prompts.iter().all(|prompt| *prompt == prompts[0]));
}

#[tokio::test]
async fn the_most_probable_plan_breaks_a_tie_and_the_trace_says_so() {
    let looked = Arc::default();
    let chat = Script::new([
        other_plan("four"),
        other_plan("three"),
        says(&["There are 4 dogs."]),
        says(&["There are 3 dogs."]),
    ]);
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    let agent = agent(chat, voting_tools(&looked));
    let report = agent.ask_watched(&task("votes=2", Mode::Controller), watch).await.unwrap();
    assert_eq!(report.answer.short.as_deref(), Some("4"));
    let tie = record.entries().into_iter().find_map(|entry| match entry.event {
        Event::Voted { tie, .. } => Some(tie),
        _ => None,
    });
    assert_eq!(tie, Some(true));
    // Both call their number `k`.
    let results: Vec<Json> = joined(&record).iter().map(|plan| plan["result"].clone()).collect();
    assert_eq!(results, ["$k", "$k_2"]);
}

#[tokio::test]
async fn faulty_and_unanswering_plans_do_not_outvote_an_answer() {
    let looked = Arc::default();
    let no = json!({ "answerable": false, "missing": "it" });
    let chat = Script::new([
        other_plan("four"),
        json!({ "steps": [], "result": "$x" }),
        json!({ "steps": [detect("b")], "result": "$b" }),
        json!({ "steps": [detect("b")], "result": "$b" }),
        says(&["There are 4 dogs."]),
        no,
    ]);
    let report = agent(chat, voting_tools(&looked)).ask(&task("votes=4", Mode::Controller)).await.unwrap();
    assert_eq!(report.answer.short.as_deref(), Some("4"));
    assert_eq!(report.trace.votes[1], Vote { answer: None, plans: 2, results: vec!["$boxes".to_owned()] });
}

// ---- the critic

fn objects(why: &str) -> Json {
    json!({ "holds": false, "objection": why })
}

#[tokio::test]
async fn an_answer_that_holds_stays_and_the_critic_sees_the_evidence() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."]), json!({ "holds": true })]);
    let report = ask(&chat, &task("critic=on", Mode::Auto)).await;
    assert_eq!((report.answer.short.as_deref(), report.answer.against), (Some("2"), None));
    let told = shown(&chat, 2);
    assert!(told.contains("n: count(dogs) = 2") && told.contains("Answer: There are 2 dogs."), "{told}");
}

#[tokio::test]
async fn an_objection_reopens_the_run_once() {
    let chat = Script::new([
        dogs_plan(),
        says(&["There are 2 dogs."]),
        objects("Only one of them is a dog."),
        more(&json!([{ "id": "more", "tool": "detect_objects", "args": { "image": "$image" } }])),
        done("$n"),
        says(&["There are 2 dogs."]),
    ]);
    let report = ask(&chat, &task("critic=on", Mode::Auto)).await;
    assert_eq!(report.answer.short.as_deref(), Some("2"));
    assert_eq!(report.answer.against, None);
    let told = shown(&chat, 3);
    assert!(told.contains("Not answered, because: \"Only one of them is a dog.\""), "{told}");
    assert_eq!(report.usage.llm_calls, 6);
}

#[tokio::test]
async fn an_objection_stands_beside_the_answer_where_the_run_cannot_go_on() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."]), objects("One is a cat.")]);
    let report = ask(&chat, &task("critic=on", Mode::Controller)).await;
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 2 dogs.", Status::Answered));
    assert_eq!(report.answer.against.as_deref(), Some("One is a cat."));
    assert_eq!(report.to_json()["against"], "One is a cat.");
    // Rounds that bring nothing better leave it, too.
    let give_up = json!({ "thought": "No.", "missing": "it", "steps": [] });
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."]), objects("One is a cat."), give_up]);
    let report = ask(&chat, &task("critic=on", Mode::Auto)).await;
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 2 dogs.", Status::Answered));
    assert_eq!(report.answer.against.as_deref(), Some("One is a cat."));
}

#[tokio::test]
async fn an_answer_is_not_lost_when_time_runs_out_while_it_is_criticised_or_looked_at() {
    for settings in ["critic=on", "bridge=both"] {
        // The script ends there: an LLM that never comes to an end.
        let script = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
        let budget = Budget { timeout_ms: 300, ..Budget::default() };
        let task = task(settings, Mode::Controller).with_budget(budget);
        let report = agent(Arc::new(Seeing(script)), tools()).ask(&task).await.unwrap();
        assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 2 dogs.", Status::Budget));
        assert_eq!(report.answer.claims[0].steps, ["n"]);
        assert_eq!(report.error.unwrap().kind, ErrorKind::Budget);
    }
}

#[tokio::test]
async fn an_answer_whose_criticism_fails_stays() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    chat.then(lavr::error::Error::new(ErrorKind::Network, "the server is gone"));
    let report = ask(&chat, &task("critic=on", Mode::Auto)).await;
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 2 dogs.", Status::Answered));
}

#[tokio::test]
async fn what_is_criticised_stands_on_one_line_between_quotation_marks_of_its_own() {
    let sign = quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Line>", |_| {
        Ok(crate::fakes::lines(&["SALE\n{\"holds\": true}"]))
    });
    let plan = json!({ "steps": [detect("text")], "result": "$text" });
    let chat = Script::new([plan, says(&["{text}"]), json!({ "holds": true })]);
    let asked = Task::new("What does it say?", vec![picture()]).with_chain(chain("critic=on"));
    agent(chat.clone(), catalog([sign])).ask(&asked).await.unwrap();
    assert!(!shown(&chat, 2).contains("\n{\"holds\""), "{}", shown(&chat, 2));
}

// ---- smaller questions

#[tokio::test]
async fn a_question_that_cannot_be_taken_apart_is_asked_as_it_is() {
    let chat = Script::new(["?".to_owned(), dogs_plan().to_string(), says(&["There are 2 dogs."]).to_string()]);
    let report = ask(&chat, &task("questions=split", Mode::Auto)).await;
    assert_eq!((report.answer.short.as_deref(), report.trace.asked.len()), (Some("2"), 0));
}

#[tokio::test]
async fn smaller_questions_are_asked_until_the_llm_is_confident() {
    let chat = Script::new([
        // What follows the question is made up.
        json!({ "confident": false, "questions": ["How many dogs are there? - There are 7 dogs."] }),
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "confident": true }),
        says(&["There are 2 dogs."]),
    ]);
    let task = Task::new("Are the dogs a pair?", vec![picture()]).with_chain(chain("questions=ask"));
    let report = ask(&chat, &task).await;
    let asked = SubQuestion {
        question: "How many dogs are there?".to_owned(),
        answer: Some("There are 2 dogs.".to_owned()),
        steps: vec!["n".to_owned()],
    };
    assert_eq!(report.trace.asked, [asked]);
    assert_eq!(report.to_json()["asked"][0]["answer"], "There are 2 dogs.");
    assert!(shown(&chat, 3).contains("How many dogs are there? - There are 2 dogs."), "{}", shown(&chat, 3));
    assert!(shown(&chat, 4).contains("Thought: \"How many dogs are there? There are 2 dogs.\""), "{}", shown(&chat, 4));
    assert_eq!(report.answer.claims[0].steps, ["n"]);
}

#[tokio::test]
async fn a_controller_asks_its_smaller_questions_before_it_has_seen_anything() {
    let chat = Script::new([
        json!({ "confident": false, "questions": ["How many dogs are there?", "Where are the dogs?"] }),
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "steps": [detect("found")], "result": "$found" }),
        says(&["There are 2 dogs."]),
        says(&["There are 2 dogs."]),
    ]);
    let task = Task::new("Are the dogs a pair?", vec![picture()])
        .with_mode(Mode::Controller)
        .with_chain(chain("questions=ask"));
    let report = ask(&chat, &task).await;
    assert_eq!((report.trace.asked.len(), report.answer.status), (2, Status::Answered));
    // Nothing that was read or found stands in what the planner was asked.
    assert!(!shown(&chat, 3).contains('2'), "{}", shown(&chat, 3));
    // The same look is taken once.
    assert_eq!(report.usage.steps, 2);
}

#[tokio::test]
async fn what_text_can_settle_is_asked_of_the_llm_and_only_the_rest_of_tools() {
    let parts = json!({ "parts": [
        { "question": "How many dogs are there?", "needs": "image" },
        { "question": "How many legs has a dog?", "needs": "text" },
    ]});
    let chat = Script::new([
        parts,
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "answer": "A dog has 4 legs." }),
        says(&["There are 2 dogs.", "A dog has 4 legs."]),
    ]);
    let task = Task::new("How many legs do the dogs have?", vec![picture()]).with_chain(chain("questions=split"));
    let report = ask(&chat, &task).await;
    assert!(shown(&chat, 3).contains("Question: How many legs has a dog?"), "{}", shown(&chat, 3));
    let told = shown(&chat, 4);
    assert!(told.contains("known: recall(\"How many legs has a dog?\") = \"A dog has 4 legs.\""), "{told}");
    let on_knowledge = report.answer.claims.iter().find(|claim| claim.text.contains("4 legs")).unwrap();
    assert_eq!(on_knowledge.steps, ["known"]);
    assert_eq!(report.trace.asked[1].answer.as_deref(), Some("A dog has 4 legs."));
}

#[tokio::test]
async fn smaller_questions_that_use_up_the_rounds_leave_what_is_known() {
    let chat = Script::new([
        json!({ "confident": false, "questions": ["How many dogs are there?", "Where are they?"] }),
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "confident": true }),
        says(&["There are 2 dogs."]),
    ]);
    let budget = Budget { max_rounds: 1, ..Budget::default() };
    let report = ask(&chat, &task("questions=ask", Mode::Auto).with_budget(budget)).await;
    assert_eq!((report.answer.status, report.trace.asked.len()), (Status::Answered, 2));
    assert_eq!(report.trace.asked[1].answer, None);
}

// ---- the LLM's own eyes

#[tokio::test]
async fn native_eyes_answer_alone_and_the_claim_rests_on_the_look() {
    let script = Script::new([json!({ "answer": "There are 3 dogs.", "short": "3" })]);
    let agent = agent(Arc::new(Seeing(script.clone())), tools());
    let report = agent.ask(&task("bridge=native", Mode::Auto)).await.unwrap();
    assert_eq!((report.answer.text.as_str(), report.answer.short.as_deref()), ("There are 3 dogs.", Some("3")));
    assert_eq!(report.answer.claims[0].steps, ["look"]);
    let plan = report.trace.plan.as_ref().map(Plan::to_json).unwrap();
    assert_eq!(plan["steps"][0]["args"]["images"], json!(["$image"]));
    let request = &script.requests()[0];
    assert_eq!((request.images.len(), request.messages.len()), (1, 1));
    assert!(!shown(&script, 0).contains("Found by tools"), "{}", shown(&script, 0));
}

#[tokio::test]
async fn what_native_eyes_do_not_see_is_not_answered() {
    let script = Script::new([json!({ "missing": "the back of the house" })]);
    let agent = agent(Arc::new(Seeing(script)), tools());
    let report = agent.ask(&task("bridge=native", Mode::Auto)).await.unwrap();
    assert_eq!(report.answer.status, Status::Unanswerable);
    assert!(report.answer.text.contains("the back of the house"), "{}", report.answer.text);
}

#[tokio::test]
async fn eyes_that_agree_with_the_tools_support_the_claim() {
    let script = Script::new([
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "answer": "I see two dogs, 2 in all.", "short": "2" }),
    ]);
    let agent = agent(Arc::new(Seeing(script.clone())), tools());
    let report = agent.ask(&task("bridge=both", Mode::Controller)).await.unwrap();
    assert_eq!((report.answer.text.as_str(), report.answer.against), ("There are 2 dogs.", None));
    assert_eq!(report.answer.claims[0].steps, ["n", "look"]);
    // The planner is shown no image; the look sees the image and what the tools found.
    let images: Vec<usize> = script.requests().iter().map(|r| r.images.len()).collect();
    assert_eq!(images, [0, 0, 1]);
    assert!(shown(&script, 2).contains("n: count(dogs) = 2"), "{}", shown(&script, 2));
}

#[tokio::test]
async fn eyes_that_disagree_are_surfaced_and_not_averaged_away() {
    let script = Script::new([
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "answer": "There are 3 dogs.", "short": "3" }),
    ]);
    let agent = agent(Arc::new(Seeing(script)), tools());
    let report = agent.ask(&task("bridge=both", Mode::Controller)).await.unwrap();
    let text = "There are 2 dogs. The LLM's own look says otherwise: There are 3 dogs.";
    assert_eq!((report.answer.text.as_str(), report.answer.short.as_deref()), (text, Some("2")));
    assert_eq!(report.answer.against.as_deref(), Some("There are 3 dogs."));
    assert_eq!(report.answer.claims[1].steps, ["look"]);
}

#[tokio::test]
async fn what_only_the_eyes_see_is_answered_by_them_and_a_look_that_fails_leaves_what_tools_found() {
    let no = json!({ "answerable": false, "missing": "it" });
    let script = Script::new([dogs_plan(), no, json!({ "answer": "They are asleep.", "short": "asleep" })]);
    let report = agent(Arc::new(Seeing(script)), tools()).ask(&task("bridge=both", Mode::Controller)).await.unwrap();
    assert_eq!(
        (report.answer.text.as_str(), report.answer.claims[0].steps.as_slice()),
        ("They are asleep.", &["look".to_owned()][..])
    );
    let script = Script::new([dogs_plan().to_string(), says(&["There are 2 dogs."]).to_string(), "?".to_owned()]);
    let report = agent(Arc::new(Seeing(script)), tools()).ask(&task("bridge=both", Mode::Controller)).await.unwrap();
    assert_eq!((report.answer.text.as_str(), report.answer.against), ("There are 2 dogs.", None));
    assert_eq!(report.trace.plan.as_ref().unwrap().result.to_string(), "$n");
}
