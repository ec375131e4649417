//! Gaps that are filled and checked, results that are verified, answers that are weighed, images that are drawn on the
//! way. The LLM follows a script here, but for the last test.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use lavr::agent::{Agent, Report, Watch};
use lavr::answer::Status;
use lavr::budget::Budget;
use lavr::chain::Chain;
use lavr::error::{Error, ErrorKind};
use lavr::image::{Frame, Image, ImageLimits};
use lavr::task::{Mode, Task};
use lavr::tool::{Args, Catalog, Tool, ToolKind};
use lavr::trace::Finding;
use lavr::value::{Region, Value};
use serde_json::{Value as Json, json};

use crate::agent::{dogs_plan, says, tools};
use crate::chain::Seeing;
use crate::fakes::{Record, Script, catalog, picture, quick, regions, signature, spec, tool};
use crate::real;

fn chain(settings: &str) -> Chain {
    Chain::default().with(settings).unwrap()
}

fn square(grey: u8) -> Image {
    Image::from_pixels(RgbImage::from_pixel(40, 40, Rgb([grey; 3])), Frame::ROOT)
}

fn agent(chat: &Arc<Script>, tools: Catalog) -> Agent {
    Agent::builder().chat(Arc::<Script>::clone(chat)).catalog(tools).build().unwrap()
}

fn shown(chat: &Script, n: usize) -> String {
    chat.requests()[n].messages.last().unwrap().content.clone()
}

// ---- infilling

/// Describes a picture by its brightness.
fn describer() -> Arc<dyn Tool> {
    quick("describe_scene", &["image: Image"], "Json", |args| {
        let grey = args.image("image")?.pixels().get_pixel(0, 0)[0];
        Ok(Value::Json(json!({ "sentences": [{ "text": format!("There is the number {grey}.") }] })))
    })
}

fn days(numbers: &[u8]) -> Task {
    let images = numbers.iter().map(|n| square(*n)).collect();
    Task::new("What does the missing page say?", images).with_chain(chain("pattern=infilling"))
}

fn next(says: &str, short: &str) -> Json {
    json!({ "fill": says, "short": short })
}

/// What is expected next, again and again.
fn numbers(all: &[u8]) -> Vec<Json> {
    all.iter().map(|n| next(&format!("There is the number {n}."), &n.to_string())).collect()
}

#[tokio::test]
async fn a_gap_is_where_another_frame_comes_than_is_expected_and_what_is_expected_fits_both_sides() {
    let chat = Script::new(numbers(&[2, 3, 4, 5]));
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    let report = agent(&chat, catalog([describer()])).ask_watched(&days(&[1, 2, 4, 5]), watch).await.unwrap();
    // What comes is expected from what is before it alone.
    assert_eq!(
        shown(&chat, 1),
        "Question: What does the missing page say?\nFrame 1: There is the number 1.\nFrame 2: There is the number 2."
    );
    // With the fill in its place the frames go on to what is shown after it.
    let filled = "Frame 2: There is the number 2.\nFrame 3: \"There is the number 3.\"";
    assert!(shown(&chat, 2).ends_with(filled), "{}", shown(&chat, 2));
    assert!(shown(&chat, 3).ends_with(&format!("{filled}\nFrame 4: There is the number 4.")), "{}", shown(&chat, 3));
    let text = "Inferred between image 2 and image 3, and not seen: There is the number 3.";
    assert_eq!((report.answer.text.as_str(), report.answer.status), (text, Status::Guessed));
    assert_eq!(report.answer.short.as_deref(), Some("3"));
    // The claim rests on what is before and after.
    assert_eq!(report.answer.claims[0].steps, ["scene_2", "scene_3"]);
    let gap = &report.to_json()["gaps"][0];
    assert_eq!((&gap["after_image"], &gap["fill"]), (&json!(2), &json!("There is the number 3.")));
    assert!(record.names().contains(&"infilled".to_owned()), "{:?}", record.names());
}

#[tokio::test]
async fn what_does_not_lead_on_is_judged_and_where_it_does_not_fit_something_else_is_tried() {
    let (yes, no) = (
        json!({ "before": true, "after": true }),
        json!({ "before": true, "after": false, "objection": "4 comes after it, and not 9." }),
    );
    let off = || next("There is the number 9.", "9");
    let chat = Script::new([
        next("There is the number 2.", "2"),
        off(),
        next("There is the number 10.", "10"),
        next("There is the number 5.", "5"),
        no.clone(),
        next("There is the number 3.", "3"),
        off(),
        yes,
    ]);
    let report = agent(&chat, catalog([describer()])).ask(&days(&[1, 2, 4, 5])).await.unwrap();
    let judged = shown(&chat, 4);
    for line in
        ["Before: There is the number 2.", "Between: \"There is the number 9.\"", "After: There is the number 4."]
    {
        assert!(judged.contains(line), "{judged}");
    }
    let tried = "Tried: \"There is the number 9.\" Objection: \"4 comes after it, and not 9.\"";
    assert!(shown(&chat, 5).contains(tried), "{}", shown(&chat, 5));
    assert_eq!((report.answer.short.as_deref(), report.trace.gaps[0].tried.len()), (Some("3"), 1));
    // Where nothing fits, nothing is claimed.
    let chat = Script::new([
        next("There is the number 2.", "2"),
        off(),
        off(),
        next("There is the number 5.", "5"),
        no.clone(),
        off(),
        off(),
        no,
    ]);
    let report = agent(&chat, catalog([describer()])).ask(&days(&[1, 2, 4, 5])).await.unwrap();
    assert_eq!((report.answer.status, report.answer.claims.len()), (Status::Unanswerable, 0));
    assert!(report.answer.text.contains("4 comes after it"), "{}", report.answer.text);
    assert_eq!(report.trace.gaps.iter().filter(|gap| gap.fill.is_some()).count(), 0);
}

#[tokio::test]
async fn a_fill_that_leads_on_goes_before_what_only_a_judge_could_let_pass() {
    // After 10 alone, 11 is expected.
    let chat = Script::new(numbers(&[11, 12, 30, 40, 50]));
    let report = agent(&chat, catalog([describer()])).ask(&days(&[10, 20, 40, 50])).await.unwrap();
    assert_eq!(report.answer.text, "Inferred between image 2 and image 3, and not seen: There is the number 30.");
    assert_eq!((report.trace.gaps.len(), report.trace.gaps[0].after_image), (1, Some(2)));
}

#[tokio::test]
async fn each_gap_that_can_be_filled_is() {
    let chat = Script::new(numbers(&[2, 3, 4, 5, 6]));
    let report = agent(&chat, catalog([describer()])).ask(&days(&[1, 2, 4, 6])).await.unwrap();
    assert_eq!((report.answer.short.as_deref(), report.answer.claims.len()), (Some("3, 5"), 2));
    let places: Vec<_> = report.trace.gaps.iter().map(|gap| (gap.after_image, gap.fill.is_some())).collect();
    assert_eq!(places, [(Some(2), true), (Some(3), true)]);
}

/// House numbers, on houses that look alike.
#[tokio::test]
async fn what_stands_in_all_images_shows_nothing_that_was_expected() {
    let describer = quick("describe_scene", &["image: Image"], "Json", |args| {
        let grey = args.image("image")?.pixels().get_pixel(0, 0)[0];
        let texts = ["There are 3 windows.".to_owned(), format!("It reads '{grey}'.")];
        Ok(Value::Json(json!({ "sentences": texts.map(|text| json!({ "text": text })) })))
    });
    let chat = Script::new(numbers(&[2, 3, 4]));
    let report = agent(&chat, catalog([describer])).ask(&days(&[1, 2, 4])).await.unwrap();
    assert_eq!(report.answer.short.as_deref(), Some("3"), "{}", report.answer.text);
}

/// The answer that is known when a limit ends the run.
#[tokio::test]
async fn a_fill_that_was_found_before_the_time_was_up_is_the_answer() {
    let chat = Script::new(numbers(&[2, 3, 4]));
    let task = days(&[1, 2, 4, 5]).with_budget(Budget { timeout_ms: 3_000, ..Budget::default() });
    let report = agent(&chat, catalog([describer()])).ask(&task).await.unwrap();
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Budget, Some("3")));
    assert!(report.error.is_some());
}

/// What was found is not lost when the LLM fails after that; an LLM that fails at once is an error.
#[tokio::test]
async fn a_gap_that_was_filled_outlives_an_llm_that_fails() {
    let chat = Script::new(numbers(&[2, 3, 4]));
    chat.then(Error::new(ErrorKind::Network, "the line is dead"));
    let report = agent(&chat, catalog([describer()])).ask(&days(&[1, 2, 4, 5])).await.unwrap();
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Guessed, Some("3")));
    let chat = Script::failing(Error::new(ErrorKind::Network, "the line is dead"));
    let report = agent(&chat, catalog([describer()])).ask(&days(&[1, 2])).await;
    assert!(report.is_err() || report.is_ok_and(|report| report.answer.status == Status::Failed));
}

#[tokio::test]
async fn a_frame_that_is_said_again_fills_no_gap_and_a_whole_sequence_has_none() {
    let numbers = ["2", "3", "4"].map(|number| next(&format!("There is the number {number}."), number));
    let chat = Script::new(numbers);
    let report = agent(&chat, catalog([describer()])).ask(&days(&[2, 4])).await.unwrap();
    assert!(shown(&chat, 1).contains("that is what is known already"), "{}", shown(&chat, 1));
    assert_eq!(report.answer.short.as_deref(), Some("3"));
    let chat = Script::new([next("There is the number 3.", "3")]);
    let report = agent(&chat, catalog([describer()])).ask(&days(&[2, 3])).await.unwrap();
    assert_eq!((report.answer.status, report.trace.gaps.len()), (Status::Unanswerable, 0));
    assert!(report.answer.text.contains("each image shows what is expected"), "{}", report.answer.text);
}

#[tokio::test]
async fn replies_that_make_no_sense_leave_the_gap_open() {
    for reply in ["?".to_owned(), next(" ", "3").to_string()] {
        let chat = Script::new([reply]);
        let report = agent(&chat, catalog([describer()])).ask(&days(&[2, 4])).await.unwrap();
        assert_eq!((report.answer.status, report.error), (Status::Unanswerable, None));
    }
    let three = || next("There is the number 3.", "3").to_string();
    let unclear = || "!".to_owned();
    let chat = Script::new([three(), unclear(), unclear(), unclear()]);
    let report = agent(&chat, catalog([describer()])).ask(&days(&[2, 4])).await.unwrap();
    assert_eq!(report.answer.status, Status::Unanswerable);
    assert!(report.answer.text.contains("could not be checked"), "{}", report.answer.text);
}

#[tokio::test]
async fn an_image_that_could_not_be_looked_at_is_no_gap() {
    let describer = quick("describe_scene", &["image: Image"], "Json", |args| {
        match args.image("image")?.pixels().get_pixel(0, 0)[0] {
            2 => Err(Error::new(ErrorKind::Tool, "the lens is dirty")),
            grey => Ok(Value::Json(json!({ "sentences": [{ "text": format!("There is the number {grey}.") }] }))),
        }
    });
    let chat = Script::new([next("It is 2.", "2")]);
    let report = agent(&chat, catalog([describer])).ask(&days(&[1, 2, 3])).await.unwrap();
    assert_eq!((report.answer.status, report.usage.llm_calls), (Status::Unanswerable, 0));
    assert!(report.answer.text.contains("what image 2 shows (the lens is dirty)"), "{}", report.answer.text);
}

#[tokio::test]
async fn the_hop_between_evidence_and_answer_is_filled_where_the_evidence_does_not_do() {
    let question = "In which country are such dogs bred?";
    let missing = json!({ "answerable": false, "missing": "where they are bred" });
    let hop = json!({ "fill": "Such dogs are bred in Wales.", "short": "Wales" });
    let chat = Script::new([dogs_plan(), missing, hop, json!({ "before": true, "after": true })]);
    let task = Task::new(question, vec![picture()]).with_mode(Mode::Controller).with_chain(chain("pattern=infilling"));
    let report = agent(&chat, tools()).ask(&task).await.unwrap();
    assert!(shown(&chat, 2).contains("n: count(dogs) = 2"), "{}", shown(&chat, 2));
    assert!(shown(&chat, 2).contains("Missing: \"where they are bred\""), "{}", shown(&chat, 2));
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Guessed, Some("Wales")));
    assert!(!report.answer.claims[0].steps.is_empty());
    // With no round left there is still time to infer, and a judge that fails is no approval.
    let missing = json!({ "answerable": false, "missing": "where they are bred" });
    let hop = json!({ "fill": "Such dogs are bred in Wales.", "short": "Wales" });
    let chat = Script::new([dogs_plan(), missing, hop.clone(), json!({ "before": true, "after": true })]);
    let budget = Budget { max_rounds: 1, ..Budget::default() };
    let task = Task::new(question, vec![picture()]).with_budget(budget).with_chain(chain("pattern=infilling"));
    let report = agent(&chat, tools()).ask(&task).await.unwrap();
    assert_eq!((report.answer.status, report.answer.short.as_deref()), (Status::Guessed, Some("Wales")));
    // Where nothing can be inferred, the limit is told.
    let missing = json!({ "answerable": false, "missing": "where they are bred" });
    let chat = Script::new([dogs_plan(), missing, json!("?")]);
    let budget = Budget { max_rounds: 1, ..Budget::default() };
    let task = Task::new(question, vec![picture()]).with_budget(budget).with_chain(chain("pattern=infilling"));
    let report = agent(&chat, tools()).ask(&task).await.unwrap();
    assert_eq!((report.answer.status, report.error.is_some()), (Status::Budget, true));
    let chat = Script::new([dogs_plan(), json!({ "answerable": false, "missing": "where they are bred" }), hop]);
    chat.then(Error::new(ErrorKind::Network, "the line is dead"));
    let task = Task::new(question, vec![picture()]).with_mode(Mode::Controller).with_chain(chain("pattern=infilling"));
    let report = agent(&chat, tools()).ask(&task.with_budget(Budget { timeout_ms: 5_000, ..Budget::default() })).await;
    let report = report.unwrap();
    assert_eq!(report.answer.status, Status::Budget, "{}", report.answer.text);
    assert_eq!(report.trace.gaps[0].tried[0].objection, "it could not be checked");
    // What the evidence answers has no gap.
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let task = Task::new("How many dogs are there?", vec![picture()]).with_chain(chain("pattern=infilling"));
    let report = agent(&chat, tools()).ask(&task).await.unwrap();
    assert_eq!((report.answer.status, report.trace.gaps.len()), (Status::Answered, 0));
}

// ---- verification

/// A detector: in the whole picture it finds a sure dog and two doubtful ones; in a piece it finds again only what lies
/// to the left.
fn detector(name: &str) -> Arc<dyn Tool> {
    let doubtful = |x: f64| Region { label: "dog".to_owned(), score: 0.3, bounds: [x, 10.0, x + 8.0, 20.0] };
    let spec = lavr::tool::ToolSpec {
        kind: ToolKind::Expert,
        ..spec(name, signature(&["image: Image", "labels?: List<Text>"], "List<Region>", Some("image")))
    };
    tool(spec, move |_, args: Args| {
        let found = args.image("image").map(|image| {
            let labels = args.texts("labels").unwrap().unwrap_or_default();
            if !labels.is_empty() && !labels.iter().any(|label| label == "dog") {
                return Value::List(Vec::new());
            }
            let whole = image.width() == 200;
            let sure = Region { score: 0.9, ..doubtful(100.0) };
            let all = if whole { vec![sure, doubtful(20.0), doubtful(150.0)] } else { vec![doubtful(20.0)] };
            Value::List(all.into_iter().map(Value::Region).collect())
        });
        async move { found }
    })
}

fn wide() -> Image {
    Image::from_pixels(RgbImage::from_pixel(200, 100, Rgb([90; 3])), Frame::ROOT)
}

fn counting() -> Catalog {
    let mut all = tools();
    all.replace(detector("detect_objects")).unwrap();
    all
}

fn verifying(question: &str) -> Task {
    Task::new(question, vec![wide()]).with_mode(Mode::Controller).with_chain(chain("verify=on"))
}

#[tokio::test]
async fn doubtful_finds_get_a_closer_look_and_what_is_not_found_again_does_not_count() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    let report = agent(&chat, counting()).ask_watched(&verifying("How many dogs are there?"), watch).await.unwrap();
    // Three finds, of which one is doubtful and not found again, before they are counted.
    assert_eq!(report.answer.short.as_deref(), Some("2"));
    let [verified] = report.trace.verified.as_slice() else { panic!("{:?}", report.trace.verified) };
    assert_eq!((verified.step.as_str(), verified.finding), ("dogs", Finding::Refuted));
    assert_eq!(report.to_json()["verified"][0]["finding"], "refuted");
    assert!(record.names().contains(&"verified".to_owned()));
    // Without it all three count.
    let chat = Script::new([dogs_plan(), says(&["There are 3 dogs."])]);
    let task = Task::new("How many dogs are there?", vec![wide()]).with_mode(Mode::Controller);
    let report = agent(&chat, counting()).ask(&task).await.unwrap();
    assert_eq!((report.answer.short.as_deref(), report.trace.verified.len()), (Some("3"), 0));
}

#[tokio::test]
async fn that_there_is_no_such_thing_is_an_answer() {
    let cat = json!({
        "steps": [
            { "id": "cat", "tool": "detect_objects", "args": { "image": "$image", "labels": ["cat"] } },
            { "id": "n", "tool": "count", "args": { "items": "$cat" } }
        ],
        "result": "$n"
    });
    let missing = json!({ "answerable": false, "missing": "the cat's name" });
    let chat = Script::new([cat.clone(), missing.clone()]);
    let report = agent(&chat, counting()).ask(&verifying("What is the cat called?")).await.unwrap();
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("No cat was found.", Status::Answered));
    assert_eq!(report.answer.claims[0].steps, ["cat"]);
    assert_eq!(report.trace.verified[0].finding, Finding::Absent);
    assert_eq!(report.trace.verified[0].why, "`detect_objects` finds no cat");
    // Without it the question is as open as the LLM finds it.
    let chat = Script::new([cat, missing]);
    let task = Task::new("What is the cat called?", vec![wide()]).with_mode(Mode::Controller);
    let report = agent(&chat, counting()).ask(&task).await.unwrap();
    assert_eq!(report.answer.status, Status::Unanswerable);
}

#[tokio::test]
async fn steps_that_contradict_each_other_are_told_beside_the_answer() {
    let plan = json!({
        "steps": [
            { "id": "dogs", "tool": "detect_objects", "args": { "image": "$image", "labels": ["dog"] } },
            { "id": "closer", "tool": "zoom", "args": { "image": "$image", "labels": ["dog"] } },
            { "id": "n", "tool": "count", "args": { "items": "$dogs" } }
        ],
        "result": "$n"
    });
    let mut all = counting();
    all.add(quick("zoom", &["image: Image", "labels?: List<Text>"], "List<Region>", |_| Ok(regions(&[])))).unwrap();
    let chat = Script::new([plan, says(&["There are 2 dogs."])]);
    let report = agent(&chat, all).ask(&verifying("How many dogs are there?")).await.unwrap();
    assert_eq!(report.answer.short.as_deref(), Some("2"));
    let against = report.answer.against.unwrap();
    assert!(against.contains("`dogs` finds 2 dog, and step `closer` finds 0"), "{against}");
    assert!(report.trace.verified.iter().any(|one| one.finding == Finding::Contradicted));
}

#[tokio::test]
async fn a_second_look_that_fails_leaves_the_find() {
    let fails = {
        let spec = lavr::tool::ToolSpec {
            kind: ToolKind::Expert,
            ..spec("detect_objects", signature(&["image: Image", "labels?: List<Text>"], "List<Region>", Some("image")))
        };
        tool(spec, |_, args: Args| {
            let whole = args.image("image").unwrap().width() == 200;
            let find = Region { label: "dog".to_owned(), score: 0.2, bounds: [20.0, 10.0, 28.0, 20.0] };
            let found = if whole {
                Ok(Value::List(vec![Value::Region(find)]))
            } else {
                Err(Error::new(ErrorKind::Tool, "too small"))
            };
            async move { found }
        })
    };
    let mut all = tools();
    all.replace(fails).unwrap();
    let chat = Script::new([dogs_plan(), says(&["There is 1 dog."])]);
    let report = agent(&chat, all).ask(&verifying("How many dogs are there?")).await.unwrap();
    assert_eq!((report.answer.short.as_deref(), report.trace.verified.len()), (Some("1"), 0));
}

/// Looks for things: `found` dogs in the whole picture, all of them sure.
fn sure(name: &str, found: usize) -> Arc<dyn Tool> {
    quick(name, &["image: Image", "labels?: List<Text>"], "List<Region>", move |_| Ok(regions(&vec!["dog"; found])))
}

fn look_for(id: &str, tool: &str, label: &str) -> Json {
    json!({ "id": id, "tool": tool, "args": { "image": "$image", "labels": [label] } })
}

fn open_question() -> Json {
    json!({ "answerable": false, "missing": "it" })
}

#[tokio::test]
async fn absence_answers_only_a_question_about_what_is_absent() {
    // One of two things is there, or the question is about something else, or another step finds the thing.
    let mut all = counting();
    all.add(sure("zoom", 2)).unwrap();
    let both = json!({ "steps": [
        look_for("dogs", "detect_objects", "dog"), look_for("cats", "detect_objects", "cat"),
        { "id": "pets", "tool": "relate", "args": { "items": "$dogs", "relation": "left_of", "to": "$cats" } }
    ], "result": "$pets" });
    let other = json!({ "steps": [look_for("cat", "detect_objects", "cat")], "result": "$cat" });
    let found = json!({ "steps": [look_for("cat", "detect_objects", "cat"), look_for("closer", "zoom", "cat")], "result": "$cat" });
    all.add(quick("relate", &["items: List<Region>", "relation: Text", "to: List<Region>"], "List<Region>", |_| {
        Ok(regions(&[]))
    }))
    .unwrap();
    for (plan, question, status) in [
        (both, "What breed are the dogs and cats?", Status::Unanswerable),
        (other.clone(), "Who lives in the house?", Status::Unanswerable),
        (other, "What are the cats called?", Status::Answered),
        (found, "What is the cat called?", Status::Answered),
    ] {
        let chat = Script::new([plan, open_question()]);
        let report = agent(&chat, all.clone()).ask(&verifying(question)).await.unwrap();
        assert_eq!(report.answer.status, status, "{question} {}", report.answer.text);
    }
}

#[tokio::test]
async fn a_thing_whose_only_find_is_refuted_is_not_there() {
    let spec = lavr::tool::ToolSpec {
        kind: ToolKind::Expert,
        ..spec("detect_objects", signature(&["image: Image", "labels?: List<Text>"], "List<Region>", Some("image")))
    };
    let once = tool(spec, |_, args: Args| {
        let whole = args.image("image").unwrap().width() == 200;
        let find = Region { label: "cat".to_owned(), score: 0.2, bounds: [20.0, 10.0, 28.0, 20.0] };
        async move { Ok(Value::List(if whole { vec![Value::Region(find)] } else { Vec::new() })) }
    });
    let mut all = tools();
    all.replace(once).unwrap();
    let plan = json!({ "steps": [look_for("cat", "detect_objects", "cat")], "result": "$cat" });
    for settings in ["verify=on", "verify=on,pattern=infilling"] {
        let chat = Script::new([plan.clone(), open_question()]);
        let task = verifying("What is the cat called?").with_chain(chain(settings));
        let report = agent(&chat, all.clone()).ask(&task).await.unwrap();
        assert_eq!((report.answer.text.as_str(), report.trace.gaps.len()), ("No cat was found.", 0), "{settings}");
        assert_eq!(report.trace.verified[0].finding, Finding::Refuted);
    }
}

#[tokio::test]
async fn what_was_found_stays_when_time_runs_out_in_the_second_look() {
    let spec = lavr::tool::ToolSpec {
        kind: ToolKind::Expert,
        ..spec("detect_objects", signature(&["image: Image", "labels?: List<Text>"], "List<Region>", Some("image")))
    };
    let slow = tool(spec, |_, args: Args| {
        let whole = args.image("image").unwrap().width() == 200;
        let find = Region { label: "dog".to_owned(), score: 0.2, bounds: [20.0, 10.0, 28.0, 20.0] };
        async move {
            if !whole {
                std::future::pending::<()>().await;
            }
            Ok(Value::List(vec![Value::Region(find)]))
        }
    });
    let mut all = tools();
    all.replace(slow).unwrap();
    let chat = Script::new([dogs_plan()]);
    let task = verifying("How many dogs are there?");
    let task = task.with_budget(Budget { timeout_ms: 300, ..Budget::default() });
    let report = agent(&chat, all).ask(&task).await.unwrap();
    assert_eq!(report.answer.status, Status::Budget);
    let dogs = report.trace.observation("dogs").unwrap();
    assert!(matches!(dogs.value(), Some(Value::List(found)) if found.len() == 1), "{dogs:?}");
}

#[tokio::test]
async fn what_is_found_in_pieces_is_verified_piece_by_piece() {
    let pieces = quick("halves", &["image: Image"], "List<Image>", |_| {
        Ok(Value::List(vec![Value::Image(wide()), Value::Image(wide())]))
    });
    let mut all = counting();
    all.add(pieces).unwrap();
    let plan = json!({ "steps": [
        { "id": "halves", "tool": "halves", "args": { "image": "$image" } },
        { "id": "dogs", "tool": "detect_objects", "args": { "image": "$halves", "labels": ["dog"] } },
        { "id": "n", "tool": "count", "args": { "items": "$dogs" } }
    ], "result": "$n" });
    let chat = Script::new([plan, says(&["There are 4 dogs."])]);
    let report = agent(&chat, all).ask(&verifying("How many dogs are there?")).await.unwrap();
    assert_eq!((report.answer.short.as_deref(), report.trace.verified.len()), (Some("4"), 1));
}

#[tokio::test]
async fn a_critics_objection_and_a_contradiction_stand_side_by_side() {
    let plan = json!({ "steps": [
        look_for("dogs", "detect_objects", "dog"), look_for("closer", "zoom", "dog"),
        { "id": "n", "tool": "count", "args": { "items": "$dogs" } }
    ], "result": "$n" });
    let mut all = counting();
    all.add(sure("zoom", 0)).unwrap();
    let chat =
        Script::new([plan, says(&["There are 2 dogs."]), json!({ "holds": false, "objection": "One is a cat." })]);
    let task = verifying("How many dogs are there?").with_chain(chain("verify=on,critic=on"));
    let against = agent(&chat, all).ask(&task).await.unwrap().answer.against.unwrap();
    assert!(against.contains("One is a cat.") && against.contains("`closer` finds 0"), "{against}");
}

// ---- arbitration

fn answering(says: &'static str) -> Arc<dyn Tool> {
    let spec = lavr::tool::ToolSpec {
        kind: ToolKind::Expert,
        limitations: "It counts badly.".to_owned(),
        ..spec("answer_question", signature(&["image: Image", "question: Text"], "Text", None))
    };
    tool(spec, move |_, _| async move { Ok(Value::Text(says.to_owned())) })
}

fn arbitrated() -> Task {
    Task::new("How many dogs are there?", vec![picture()]).with_mode(Mode::Controller).with_chain(chain("arbitrate=on"))
}

async fn weigh(chat: &Arc<Script>, other: &'static str) -> Report {
    let mut all = tools();
    all.add(answering(other)).unwrap();
    agent(chat, all).ask(&arbitrated()).await.unwrap()
}

#[tokio::test]
async fn answers_of_experts_are_weighed_by_what_they_say_of_their_reliability() {
    let best = |n: usize| json!({ "why": "The detector is better at it.", "best": n });
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."]), best(1)]);
    let report = weigh(&chat, "3").await;
    assert_eq!((report.answer.short.as_deref(), report.answer.status), (Some("2"), Status::Answered));
    let told = shown(&chat, 2);
    assert!(told.contains("1. \"There are 2 dogs.\" (by count, detect_objects"), "{told}");
    assert!(told.contains("2. \"3\" (by answer_question. answer_question: It counts badly.)"), "{told}");
    let arbitration = &report.to_json()["arbitration"];
    assert_eq!((&arbitration["best"], &arbitration["why"]), (&json!(0), &json!("The detector is better at it.")));
    assert_eq!(report.trace.plan.unwrap().result.to_string(), "$n");
    // The other one, with the step it rests on.
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."]), best(2)]);
    let report = weigh(&chat, "3").await;
    assert_eq!(
        (report.answer.text.as_str(), report.answer.claims[0].steps.as_slice()),
        ("3", &["other".to_owned()][..])
    );
    assert_eq!(report.trace.plan.unwrap().result.to_string(), "$other");
}

#[tokio::test]
async fn experts_that_agree_need_no_weighing_and_support_the_claim_together() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let report = weigh(&chat, "2").await;
    assert_eq!((report.answer.short.as_deref(), report.usage.llm_calls), (Some("2"), 2));
    assert_eq!(report.answer.claims[0].steps, ["n", "other"]);
    assert_eq!(report.trace.arbitration, None);
}

#[tokio::test]
async fn a_choice_that_cannot_be_read_leaves_the_runs_own_answer() {
    for reply in ["?".to_owned(), json!({ "why": "so", "best": 9 }).to_string()] {
        let chat = Script::new([dogs_plan().to_string(), says(&["There are 2 dogs."]).to_string(), reply]);
        assert_eq!(weigh(&chat, "3").await.answer.short.as_deref(), Some("2"));
    }
    // What only the other expert answers is answered by it.
    let chat = Script::new([dogs_plan(), json!({ "answerable": false, "missing": "it" })]);
    assert_eq!(weigh(&chat, "3").await.answer.text, "3");
}

#[tokio::test]
async fn an_answer_is_not_lost_when_the_weighing_fails() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    chat.then(Error::new(ErrorKind::Network, "the server is gone"));
    let report = weigh(&chat, "3").await;
    assert_eq!((report.answer.short.as_deref(), report.error), (Some("2"), None));
}

#[tokio::test]
async fn an_answer_and_the_plans_result_stay_when_no_step_is_left_for_another_expert() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let mut all = tools();
    all.add(answering("3")).unwrap();
    let task = arbitrated().with_budget(Budget { max_steps: 2, ..Budget::default() });
    let report = agent(&chat, all).ask(&task).await.unwrap();
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 2 dogs.", Status::Budget));
    assert_eq!(report.trace.plan.unwrap().result.to_string(), "$n");
}

// ---- drawing as thought

/// Draws: a picture that is all green.
fn drawing() -> Arc<dyn Tool> {
    quick("mark", &["image: Image"], "Image", |_| {
        Ok(Value::Image(Image::from_pixels(RgbImage::from_pixel(9, 9, Rgb([0, 200, 0])), Frame::ROOT)))
    })
}

fn sketching() -> Catalog {
    let mut all = tools();
    all.add(drawing()).unwrap();
    all
}

#[tokio::test]
async fn an_llm_with_eyes_sees_what_tools_have_drawn() {
    let plan = json!({
        "steps": [
            { "id": "dogs", "tool": "detect_objects", "args": { "image": "$image" } },
            { "id": "marked", "tool": "mark", "args": { "image": "$image" } },
            { "id": "n", "tool": "count", "args": { "items": "$dogs" } }
        ],
        "result": "$n"
    });
    let seen = json!({ "answer": "There are 2 dogs.", "short": "2" });
    let script = Script::new([plan, says(&["There are 2 dogs."]), seen]);
    let agent = Agent::builder().chat(Arc::new(Seeing(script.clone()))).catalog(sketching()).build().unwrap();
    let task = Task::new("How many dogs are there?", vec![picture()]).with_mode(Mode::Controller);
    let report = agent.ask(&task.with_chain(chain("bridge=both"))).await.unwrap();
    assert_eq!(report.answer.claims[0].steps, ["n", "look"]);
    let look = script.requests().pop().unwrap();
    assert_eq!(look.images.len(), 2);
    assert_eq!(look.images[1].pixels().get_pixel(4, 4), &Rgb([0, 200, 0]));
    assert!(shown(&script, 2).contains("Image 2 is $marked, which a step made."), "{}", shown(&script, 2));
    let plan = report.trace.plan.unwrap().to_json();
    assert_eq!(plan["steps"][3]["args"]["images"], json!(["$image", "$marked"]));
}

#[tokio::test]
async fn pieces_that_a_tool_cut_out_are_seen_one_by_one() {
    let plan = json!({ "steps": [
        { "id": "halves", "tool": "halves", "args": { "image": "$image" } },
        { "id": "dogs", "tool": "detect_objects", "args": { "image": "$image" } },
        { "id": "n", "tool": "count", "args": { "items": "$dogs" } }
    ], "result": "$n" });
    let mut all = tools();
    all.add(quick("halves", &["image: Image"], "List<Image>", |_| {
        Ok(Value::List(vec![Value::Image(square(1)), Value::Image(square(2))]))
    }))
    .unwrap();
    let script =
        Script::new([plan, says(&["There are 2 dogs."]), json!({ "answer": "There are 2 dogs.", "short": "2" })]);
    let agent = Agent::builder().chat(Arc::new(Seeing(script.clone()))).catalog(all).build().unwrap();
    let task = Task::new("How many dogs are there?", vec![picture()]).with_mode(Mode::Controller);
    let report = agent.ask(&task.with_chain(chain("bridge=both"))).await.unwrap();
    assert_eq!(script.requests()[2].images.len(), 3);
    let plan = report.trace.plan.unwrap().to_json();
    assert_eq!(plan["steps"][3]["args"]["images"], json!(["$image", "$halves[0]", "$halves[1]"]));
}

#[tokio::test]
async fn a_decision_maker_with_eyes_sees_in_later_rounds_what_was_drawn_in_earlier_ones() {
    let draw = json!({ "thought": "I draw.", "missing": "a mark", "steps": [
        { "id": "marked", "tool": "mark", "args": { "image": "$image" } },
        { "id": "dogs", "tool": "detect_objects", "args": { "image": "$marked" } }] });
    let done = json!({ "thought": "Done.", "result": "$dogs" });
    let script = Script::new([draw, done, says(&["There are 2 dogs."])]);
    let builder = Agent::builder().chat(Arc::new(Seeing(script.clone()))).catalog(sketching());
    let agent = builder.show_images(true).build().unwrap();
    let task = Task::new("How many dogs are there?", vec![picture()]).with_mode(Mode::DecisionMaker);
    agent.ask(&task).await.unwrap();
    let images: Vec<usize> = script.requests().iter().map(|request| request.images.len()).collect();
    assert_eq!(images[..2], [1, 2]);
    assert!(shown(&script, 1).contains("Made by steps, and shown after the images: $marked"), "{}", shown(&script, 1));
}

// ---- what does not go together

#[test]
fn infilling_checks_itself_and_takes_no_critic() {
    for (settings, named) in [
        ("pattern=infilling,critic=on", "`critic` has no effect"),
        ("pattern=infilling,arbitrate=on", "`arbitrate` has no effect"),
        ("pattern=infilling,votes=3", "`pattern=infilling` and `votes` do not go together"),
        ("bridge=native,verify=on", "`verify` has no effect"),
    ] {
        let error = chain(settings).validate().unwrap_err();
        assert!(error.to_string().contains(named), "{settings}: {error}");
    }
    assert_eq!(chain("pattern=infilling,verify=on").to_string(), "pattern=infilling,verify=on");
}

// ---- the real thing

#[test]
fn the_embedded_llm_names_the_hidden_frame_of_a_drawn_sequence() {
    let _turn = real::turn();
    let open = |n: usize| Image::open(real::picture(&format!("leaf-{n}.jpg")), &ImageLimits::default()).unwrap();
    let task = Task::new("Which page of the calendar is missing?", [1, 2, 4, 5].map(open).to_vec());
    let report = real::block_on(real::live().ask(&task.with_chain(chain("pattern=infilling")))).unwrap();
    let (text, gap) = (report.answer.text, &report.trace.gaps[0]);
    assert!(text.to_lowercase().contains("wednesday"), "{text}");
    assert_eq!((gap.after_image, report.answer.status), (Some(2), Status::Guessed));
}
