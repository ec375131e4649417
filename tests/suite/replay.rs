//! Replays: runs done again from their traces, whole, from a step on, and after they were cut off.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lavr::agent::{Agent, Report, Watch};
use lavr::answer::Status;
use lavr::budget::Budget;
use lavr::chain::Chain;
use lavr::error::{Error, ErrorKind};
use lavr::image::{Frame, Image};
use lavr::pointed::Pointed;
use lavr::replay::Recorded;
use lavr::signature::ValueType;
use lavr::task::{Mode, Task};
use lavr::tool::Catalog;
use lavr::trace::{self, BlobFolder, Event, Following, Past, Source as _, TraceWriter};
use lavr::value::{Grid, Label, Mask, Point, Region, Table, Value};
use serde_json::{Value as Json, json};

use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Record, Script, catalog, line, picture, quick, region, regions};
use crate::followup::alone;

/// Tools whose calls are counted; cut images bring their frames into the trace.
fn counted(calls: &Arc<AtomicUsize>) -> Catalog {
    let count = || {
        let calls = Arc::clone(calls);
        move || calls.fetch_add(1, Ordering::SeqCst)
    };
    let (cut, find, number) = (count(), count(), count());
    catalog([
        quick("crop", &["image: Image"], "Image", move |args| {
            cut();
            let pixels = args.image("image")?.pixels().clone();
            Ok(Value::Image(Image::from_pixels(pixels, Frame { x: 1.5, y: 0.0, scale: 2.0 })))
        }),
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", move |_| {
            find();
            Ok(regions(&["dog"; 2]))
        }),
        quick("count", &["items: List<Any>"], "Number", move |args| {
            number();
            match args.get("items") {
                Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
                _ => Err(Error::new(ErrorKind::Tool, "no list")),
            }
        }),
        quick("fail", &["image: Image"], "Number", |_| Err(Error::new(ErrorKind::Tool, "it went wrong"))),
    ])
}

/// The same tools to look at, which must not be called.
fn untouchable() -> Catalog {
    let no = |_: lavr::tool::Args| -> lavr::error::Result<Value> { panic!("a replay calls no tool") };
    catalog([
        quick("crop", &["image: Image"], "Image", no),
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", no),
        quick("count", &["items: List<Any>"], "Number", no),
        quick("fail", &["image: Image"], "Number", no),
    ])
}

fn cut_plan() -> Json {
    json!({
        "steps": [
            { "id": "part", "tool": "crop", "args": { "image": "$image" } },
            { "id": "dogs", "tool": "detect_objects", "args": { "image": "$part", "labels": ["dog"] } },
            { "id": "n", "tool": "count", "args": { "items": "$dogs" } },
        ],
        "result": "$n",
    })
}

fn question() -> Task {
    Task::new("How many dogs are there?", vec![picture()]).with_mode(Mode::Controller)
}

fn more(missing: &str, steps: &Json) -> Json {
    json!({ "thought": "Not yet.", "missing": missing, "steps": steps })
}

/// Ways for a run to go: the task, and what the LLM replies.
fn ways() -> Vec<(&'static str, Task, Vec<Json>)> {
    let step = |of: &Json, n: usize| json!([of["steps"][n]]);
    let done = json!({ "thought": "That is it.", "result": "$n" });
    let answer = || says(&["There are 2 dogs."]);
    let broken = json!({ "steps": [{ "id": "n", "tool": "cuont", "args": { "items": "$dogs" } }], "result": "$n" });
    let fails = json!({ "steps": [{ "id": "a", "tool": "fail", "args": { "image": "$image" } }], "result": "$a" });
    let chain = |text: &str| Chain::default().with(text).unwrap();
    let none = json!({ "answerable": false, "missing": "their number" });
    vec![
        ("controller", question(), vec![cut_plan(), answer()]),
        (
            "a question that goes on",
            Task { question: "And how many dogs?".to_owned(), ..question().with_earlier(["How many cats are there?"]) },
            vec![alone("How many cats?"), alone("How many dogs are there?"), cut_plan(), answer()],
        ),
        ("a repair", question(), vec![broken, cut_plan(), answer()]),
        ("a failing step", question(), vec![fails]),
        ("no answer", question(), vec![cut_plan(), none.clone()]),
        (
            "rounds",
            question().with_mode(Mode::DecisionMaker),
            vec![
                more("the part", &step(&cut_plan(), 0)),
                more("the dogs", &step(&cut_plan(), 1)),
                more("their number", &step(&cut_plan(), 2)),
                done,
                answer(),
            ],
        ),
        (
            "auto",
            question().with_mode(Mode::Auto),
            vec![
                dogs_plan(),
                none,
                more("again", &json!([{ "id": "again", "tool": "count", "args": { "items": "$dogs" } }])),
                json!({ "thought": "That is it.", "result": "$n" }),
                answer(),
            ],
        ),
        (
            "votes",
            question().with_chain(chain("votes=3")),
            vec![cut_plan(), dogs_plan(), cut_plan(), answer(), answer()],
        ),
        ("verified", question().with_chain(chain("verify=on")), vec![dogs_plan(), answer()]),
        ("a place", question().with_region(Pointed::rect(0.0, 0.0, 1.0, 1.0)), vec![dogs_plan(), answer()]),
        ("steps used up", question().with_budget(Budget { max_steps: 1, ..Budget::default() }), vec![cut_plan()]),
    ]
}

/// Runs a task and writes its trace into a folder.
async fn record(folder: &Path, task: &Task, chat: &Arc<Script>, tools: Catalog) -> (PathBuf, Report) {
    let path = folder.join("run.jsonl");
    let writer = Arc::new(TraceWriter::create(&path).unwrap());
    let agent = Agent::builder().chat(Arc::<Script>::clone(chat)).catalog(tools).build().unwrap();
    let watch = Watch { sinks: vec![Arc::<TraceWriter>::clone(&writer)], ..Watch::default() };
    let report = agent.ask_watched(task, watch).await.unwrap();
    assert!(writer.take_error().is_none());
    (path, report)
}

fn replayer(recorded: &Recorded, tools: Catalog) -> Agent {
    Agent::builder().chat(recorded.llm()).catalog(tools).build().unwrap()
}

/// A report without times and what follows from them.
fn timeless(report: &Report) -> Json {
    let mut json = report.to_json();
    let object = json.as_object_mut().unwrap();
    object.remove("timings");
    for step in object["steps"].as_array_mut().unwrap() {
        step.as_object_mut().unwrap().remove("ms");
    }
    json
}

#[tokio::test]
async fn a_replay_comes_to_the_same_report_without_llm_and_tools() {
    for (way, task, replies) in ways() {
        let folder = tempfile::tempdir().unwrap();
        let (path, then) = record(folder.path(), &task, &Script::new(replies), counted(&Arc::default())).await;
        let recorded = Recorded::open(&path).unwrap();
        let watched = Arc::new(Record::default());
        let replay = recorded.replay(&replayer(&recorded, untouchable()), vec![watched.clone()]).await;
        let now = replay.unwrap_or_else(|e| panic!("{way}: {e}"));
        assert_eq!(timeless(&now), timeless(&then), "{way}");
        assert_eq!(watched.entries().len(), recorded.entries().len(), "{way}");
    }
}

/// As those are that were written before plans that are put together were told of.
#[tokio::test]
async fn a_vote_is_replayed_from_a_trace_that_does_not_tell_how_plans_were_joined() {
    let folder = tempfile::tempdir().unwrap();
    let task = question().with_chain(Chain::default().with("votes=2").unwrap());
    let chat = Script::new([cut_plan(), dogs_plan(), says(&["There are 2 dogs."]), says(&["There are 2 dogs."])]);
    let (path, then) = record(folder.path(), &task, &chat, counted(&Arc::default())).await;
    let mut entries = Recorded::open(&path).unwrap().entries().to_vec();
    let all = entries.len();
    entries.retain(|entry| !matches!(entry.event, Event::Joined { .. }));
    assert_eq!(entries.len(), all - 1);
    let recorded = Recorded::new(entries, Arc::new(BlobFolder::beside(&path))).unwrap();
    let now = recorded.replay(&replayer(&recorded, untouchable()), Vec::new()).await.unwrap();
    assert_eq!(timeless(&now), timeless(&then));
}

#[tokio::test]
async fn a_replay_names_the_first_event_that_comes_out_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let chat = Script::new([cut_plan(), says(&["There are 2 dogs."])]);
    let (path, _) = record(folder.path(), &question(), &chat, counted(&Arc::default())).await;
    let recorded = Recorded::open(&path).unwrap();
    let other_tools = recorded.replay(&replayer(&recorded, tools()), Vec::new()).await.unwrap_err();
    let said = other_tools.to_string();
    assert_eq!(other_tools.kind(), ErrorKind::InvalidInput);
    assert!(said.contains("event 3 of the trace differs") && said.contains("llm_call"), "{said}");
    assert!(
        said.contains("is not the recorded one: its message") && said.contains("now \"detect_objects(image"),
        "{said}"
    );

    const REPLY: &str = r#""reply":"{\"answerable\":true,\"answer\":[\"There are 2 dogs."#;
    assert_eq!(std::fs::read_to_string(&path).unwrap().matches(REPLY).count(), 1);
    // A reply that was changed by hand leads elsewhere, and what it led to then does not come.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(REPLY, &REPLY.replace('2', "3"))).unwrap();
    let recorded = Recorded::open(&path).unwrap();
    let said = recorded.replay(&replayer(&recorded, untouchable()), Vec::new()).await.unwrap_err().to_string();
    assert!(said.contains("of the trace differs: it was {\"event\":\"answered\""), "{said}");
}

#[tokio::test]
async fn a_trace_that_was_cut_off_is_followed_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let chat = Script::new([cut_plan(), says(&["There are 2 dogs."])]);
    let (path, _) = record(folder.path(), &question(), &chat, counted(&Arc::default())).await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&path, format!("{}\n{}", lines[..4].join("\n"), &lines[4][..9])).unwrap();
    let recorded = Recorded::open(&path).unwrap();
    assert_eq!(recorded.entries().len(), 4);
    let said = recorded.replay(&replayer(&recorded, untouchable()), Vec::new()).await.unwrap_err().to_string();
    assert!(said.contains("the trace ends after 4 events, and its replay goes on"), "{said}");
}

#[tokio::test]
async fn images_of_a_trace_are_those_of_the_run_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let chat = Script::new([cut_plan(), says(&["There are 2 dogs."])]);
    let (path, _) = record(folder.path(), &question(), &chat, counted(&Arc::default())).await;
    let blob = BlobFolder::beside(&path).path(picture().digest()).unwrap();
    std::fs::write(&blob, Image::from_pixels(image::RgbImage::new(2, 2), Frame::ROOT).encoded()).unwrap();
    let said = Recorded::open(&path).unwrap().task().unwrap_err().to_string();
    assert!(said.contains("holds other bytes than its name says"), "{said}");
    std::fs::remove_file(&blob).unwrap();
    let missing = Recorded::open(&path).unwrap().task().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains(&blob.display().to_string()), "{missing}");
    for name in ["sha256:../../etc/passwd", "sha256:", "../../x", ""] {
        assert_eq!(BlobFolder::beside(&path).blob(name).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}");
    }
    std::fs::write(&path, "").unwrap();
    let said = Recorded::open(&path).err().unwrap().to_string();
    assert!(said.contains("no run began in this trace"), "{said}");
}

#[tokio::test]
async fn a_run_is_done_anew_from_one_of_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let chat = Script::new([cut_plan(), says(&["There are 2 dogs."])]);
    let (path, _) = record(folder.path(), &question(), &chat, counted(&Arc::default())).await;
    let recorded = Recorded::open(&path).unwrap();
    let three = catalog([
        quick("crop", &["image: Image"], "Image", |_| panic!("what came before is in the trace")),
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", |_| Ok(regions(&["dog"; 3]))),
        quick("count", &["items: List<Any>"], "Number", |args| match args.get("items") {
            Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
            _ => Err(Error::new(ErrorKind::Tool, "no list")),
        }),
        quick("fail", &["image: Image"], "Number", |_| Err(Error::new(ErrorKind::Tool, "it went wrong"))),
    ]);
    // The plan is in the trace, too: the LLM is asked for the wording alone.
    let chat = Script::new([says(&["There are 3 dogs."])]);
    let agent = Agent::builder().chat(Arc::<Script>::clone(&chat)).catalog(three).build().unwrap();
    let report = recorded.anew_from("dogs", None, &agent, Watch::default()).await.unwrap();
    assert_eq!((report.answer.text.as_str(), report.answer.status), ("There are 3 dogs.", Status::Answered));
    assert_eq!(chat.requests().len(), 1);
    let unknown = recorded.anew_from("cats", None, &agent, Watch::default()).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.to_string().contains("there are `part`, `dogs`, `n`"), "{unknown}");
}

#[tokio::test]
async fn what_goes_on_from_earlier_questions_is_done_anew_as_it_was_understood() {
    let folder = tempfile::tempdir().unwrap();
    let task =
        Task { question: "And how many dogs?".to_owned(), ..question().with_earlier(["How many cats are there?"]) };
    let chat = Script::new([alone("How many dogs are there?"), cut_plan(), says(&["There are 2 dogs."])]);
    let (path, then) = record(folder.path(), &task, &chat, counted(&Arc::default())).await;
    let recorded = Recorded::open(&path).unwrap();
    assert_eq!(recorded.task().unwrap().earlier, ["How many cats are there?"]);
    let chat = Script::new([says(&["There are 2 dogs."])]);
    let agent = Agent::builder().chat(Arc::<Script>::clone(&chat)).catalog(counted(&Arc::default())).build().unwrap();
    let report = recorded.anew_from("dogs", None, &agent, Watch::default()).await.unwrap();
    assert_eq!((report.standalone, chat.requests().len()), (then.standalone, 1));
    assert!(chat.requests()[0].messages.last().unwrap().content.contains("How many dogs are there?"));
}

#[tokio::test]
async fn a_run_goes_on_from_wherever_it_was_cut_off() {
    for (way, task, replies) in ways() {
        let folder = tempfile::tempdir().unwrap();
        let (path, then) = record(folder.path(), &task, &Script::new(replies.clone()), counted(&Arc::default())).await;
        let whole = trace::read(&path).unwrap();
        for cut in 0..=whole.len() {
            let known = &whole[..cut];
            let asked = known.iter().filter(|entry| matches!(entry.event, Event::LlmCall { .. })).count();
            let over = known.iter().filter(|e| matches!(&e.event, Event::StepEnded { same_as: None, .. })).count();
            let (calls, chat) = (Arc::new(AtomicUsize::new(0)), Script::new(replies[asked..].to_vec()));
            let agent = Agent::builder().chat(Arc::<Script>::clone(&chat)).catalog(counted(&calls)).build().unwrap();
            let past = Past::new(known, Arc::new(BlobFolder::beside(&path)));
            let watched = Arc::new(Record::default());
            let watch = Watch { sinks: vec![watched.clone()], past: Some(Arc::new(past)), ..Watch::default() };
            let now = agent.ask_watched(&task, watch).await.unwrap();
            assert_eq!(timeless(&now), timeless(&then), "{way}, cut after {cut} events");
            assert_eq!(chat.requests().len(), replies.len() - asked, "{way}, cut after {cut} events");
            let ran = whole.iter().filter(|e| {
                matches!(&e.event, Event::StepEnded { same_as: None, tool, .. } if tool != "fail" && tool != "point_at")
            });
            let (ran, made) = (ran.count(), calls.load(Ordering::SeqCst));
            assert!(made <= ran && made + over >= ran, "{way}, cut after {cut}: {made} of {ran} calls again");
            // What is known already need not be told again, and all else is.
            let mut following = Following::new(known);
            let new = watched.entries().iter().filter(|entry| !following.is_known(&entry.event)).count();
            assert_eq!((new, following.next()), (whole.len() - cut, None), "{way}, cut after {cut} events");
        }
    }
}

#[test]
fn values_come_back_from_their_records() {
    let cut = Image::from_pixels(
        image::RgbImage::from_pixel(3, 2, image::Rgb([9, 8, 7])),
        Frame { x: 4.25, y: 7.0, scale: 0.5 },
    );
    let found = Region { label: "dog".to_owned(), score: 0.1 + 0.2, bounds: [22.441_860_465_116_278, 2.0, 3.5, 1e-7] };
    let mask = Value::Mask(Mask { region: found, pixels: picture() });
    let values = [
        Value::Image(picture()),
        Value::Image(cut.clone()),
        Value::List(vec![Value::Image(cut.clone()), Value::Image(picture())]),
        mask.clone(),
        Value::List(vec![mask, region("cat", 2.0), line("OPEN"), Value::Number(2.5), Value::Text("x".to_owned())]),
        Value::List(Vec::new()),
        Value::List(vec![Value::List(vec![Value::Number(1.0)])]),
        Value::Points(vec![Point { label: "nose".to_owned(), score: 0.5, x: 1.0, y: 2.0 }]),
        Value::Labels(vec![Label { label: "park".to_owned(), score: 0.25 }]),
        Value::Vector(vec![0.1, -3.0]),
        Value::Map(Grid { width: 1, height: 2, bounds: [0.0, 0.0, 1.0, 2.0], data: vec![0.3, 0.7] }),
        Value::Table(Table { rows: vec![vec!["a".to_owned()]] }),
        Value::Text("3".to_owned()),
        Value::Number(1e300),
        Value::Bool(true),
        Value::Json(json!({ "box": [1], "label": 3 })),
        Value::Json(Json::Null),
    ];
    let blobs = |digest: &str| {
        let all = [picture(), cut.clone()];
        Ok(all.iter().find(|image| image.digest() == digest).unwrap().encoded().to_vec())
    };
    for value in values {
        let text = value.to_record().to_string();
        let record: Json = serde_json::from_str(&text).unwrap();
        let back = Value::from_record(&record, &ValueType::of(&value), &blobs).unwrap();
        assert_eq!(back.to_record().to_string(), text);
        assert_eq!(ValueType::of(&back), ValueType::of(&value), "{text}");
        if let (Value::Image(back), Value::Image(image)) = (&back, &value) {
            assert_eq!((back.frame(), back.pixels(), back.digest()), (image.frame(), image.pixels(), image.digest()));
        }
    }
    let said = Value::from_record(&json!({ "label": 3 }), &ValueType::Region, &blobs).unwrap_err().to_string();
    assert!(said.contains("{\"label\":3}` is no Region"), "{said}");
}

#[test]
fn tasks_come_back_from_their_settings() {
    let mask = Image::from_pixels(image::RgbImage::from_pixel(8, 6, image::Rgb([255; 3])), Frame::ROOT);
    let chain = Chain::default().with("votes=3,demos=2").unwrap();
    let style = lavr::style::Style::default().with("language=zh-Hant,length=short").unwrap();
    let base = Task::new("What is this?", vec![picture(), picture()]).with_chain(chain).with_style(style);
    let base = base.with_guess(true).with_budget(Budget { timeout_ms: 7, ..Budget::default() });
    let blobs = |digest: &str| {
        let all = [picture(), mask.clone()];
        Ok(all.iter().find(|image| image.digest() == digest).unwrap().encoded().to_vec())
    };
    for place in [Pointed::point(1.5, 2.0).in_image(1), Pointed::rect(0.0, 1.0, 2.0, 3.0), Pointed::mask(mask.clone())]
    {
        let task = base.clone().with_region(place);
        let images: Vec<Json> = task.images.iter().map(|image| json!({ "blob": image.digest() })).collect();
        let back = Task::from_record(&task.question, &images, &task.settings(), &blobs).unwrap();
        assert_eq!((&back.region, &back.chain, &back.style), (&task.region, &task.chain, &task.style));
        assert_eq!((&back.budget, back.guess, back.mode, back.images), (&task.budget, true, task.mode, task.images));
    }
    let said = Task::from_record("x", &[], &json!({ "mode": "dreaming" }), &blobs).unwrap_err().to_string();
    assert!(said.contains("the settings of the task cannot be read") && said.contains("dreaming"), "{said}");
}
