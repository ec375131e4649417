//! The executor: what runs when, with which arguments, and what remains when something goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lavr::budget::Budget;
use lavr::cx::Cx;
use lavr::error::{Error, ErrorKind, Result};
use lavr::executor::{Execution, Executor};
use lavr::image::{Frame, Image};
use lavr::observation::{Failure, Outcome};
use lavr::tool::{Args, Catalog, ImageRef, Manifest, Tool, ToolSpec, TypedTool};
use lavr::trace::Event;
use lavr::value::Value;
use serde_json::{Value as Json, json};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::fakes::{Record, arg, catalog, lines, picture, plan, quick, region, regions, signature, spec, tool};

/// Runs a plan on these tools with one image.
async fn run(tools: Catalog, cx: &Cx, json: Json) -> Execution {
    Executor::new(tools, 4).run(cx, &plan(&json), &[picture()]).await
}

fn cx() -> Cx {
    Cx::new(Budget::default())
}

#[allow(clippy::needless_pass_by_value, reason = "calls read better")]
fn step(id: &str, tool: &str, args: Json) -> Json {
    json!({ "id": id, "tool": tool, "args": args })
}

fn plan_of(steps: &[Json], result: &str) -> Json {
    json!({ "steps": steps, "result": result })
}

fn value<'a>(execution: &'a Execution, id: &str) -> &'a Value {
    let observation = execution.observations.iter().find(|o| o.id == id).unwrap_or_else(|| panic!("no step {id}"));
    observation.value().unwrap_or_else(|| panic!("{id}: {:?}", observation.outcome))
}

fn failure(execution: &Execution, id: &str) -> Failure {
    let observation = execution.observations.iter().find(|o| o.id == id).unwrap_or_else(|| panic!("no step {id}"));
    observation.failure().unwrap_or_else(|| panic!("{id}: {:?}", observation.outcome))
}

/// Returns its arguments as JSON text, so that a test sees what arrived.
fn echo() -> Arc<dyn Tool> {
    quick("echo", &["x?: Any", "y?: Any"], "Text", |args| Ok(Value::Text(args.to_json().to_string())))
}

fn fail() -> Arc<dyn Tool> {
    quick("fail", &["x?: Any"], "Number", |_| Err(Error::new(ErrorKind::Tool, "it went wrong")))
}

fn never() -> Arc<dyn Tool> {
    tool(spec("never", signature(&["x?: Any"], "Number", None)), |_, _| std::future::pending())
}

fn number() -> Arc<dyn Tool> {
    quick("number", &["x: Number"], "Number", |args| Ok(args.get("x").cloned().unwrap()))
}

#[tokio::test]
async fn ready_steps_run_at_the_same_time() {
    let barrier = Arc::new(Barrier::new(3));
    let meet = tool(spec("meet", signature(&[], "Number", None)), move |_, _| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok(Value::Number(1.0))
        }
    });
    let steps = ["a", "b", "c"].map(|id| step(id, "meet", json!({})));
    let limit = Duration::from_secs(20);
    let cx = cx();
    let execution = tokio::time::timeout(limit, run(catalog([meet]), &cx, plan_of(&steps, "$a"))).await.unwrap();
    assert_eq!(execution.observations.len(), 3);
    assert!(execution.stopped.is_none());
}

#[tokio::test]
async fn no_more_steps_run_at_the_same_time_than_allowed() {
    for parallel in [0, 1, 2] {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let busy = tool(spec("busy", signature(&[], "Number", None)), move |_, _| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(Value::Number(1.0))
            }
        });
        let steps = ["a", "b", "c", "d", "e", "f"].map(|id| step(id, "busy", json!({})));
        let executor = Executor::new(catalog([busy]), parallel);
        let execution = executor.run(&cx(), &plan(&plan_of(&steps, "$a")), &[]).await;
        assert_eq!(execution.observations.len(), 6);
        assert_eq!(seen.load(Ordering::SeqCst), parallel.max(1));
    }
}

#[tokio::test]
async fn a_failure_skips_only_what_depends_on_it() {
    let steps = [
        step("bad", "fail", json!({})),
        step("after", "number", json!({ "x": "$bad" })),
        step("later", "number", json!({ "x": "$after" })),
        step("good", "number", json!({ "x": 2 })),
        step("fine", "number", json!({ "x": "$good" })),
    ];
    let execution = run(catalog([fail(), number()]), &cx(), plan_of(&steps, "$later")).await;
    assert!(execution.stopped.is_none());
    let ids: Vec<&str> = execution.observations.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids, ["bad", "after", "later", "good", "fine"], "in plan order");
    assert_eq!(failure(&execution, "bad"), Failure { kind: ErrorKind::Tool, message: "it went wrong".to_owned() });
    let because = |n: usize| match &execution.observations[n].outcome {
        Outcome::Skipped { because_of } => because_of.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((because(1), because(2)), ("bad".to_owned(), "after".to_owned()));
    assert_eq!(value(&execution, "fine"), &Value::Number(2.0));
}

#[tokio::test]
async fn a_panic_is_an_observation() {
    struct Early(ToolSpec);
    // Written by hand, a tool can panic before there is a future.
    impl Tool for Early {
        fn spec(&self) -> &ToolSpec {
            &self.0
        }
        fn call<'a: 'r, 'b: 'r, 'r>(
            &'a self,
            _: &'b Cx,
            _: Args,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Value>> + Send + 'r>> {
            panic!("before the first await")
        }
    }
    let late = tool(spec("late", signature(&[], "Number", None)), |_, _| async { panic!("in the middle") });
    let early: Arc<dyn Tool> = Arc::new(Early(spec("early", signature(&[], "Number", None))));
    let steps = [step("a", "late", json!({})), step("b", "early", json!({})), step("c", "number", json!({ "x": 3 }))];
    let execution = run(catalog([late, early, number()]), &cx(), plan_of(&steps, "$c")).await;
    assert!(execution.stopped.is_none(), "{:?}", execution.stopped);
    for id in ["a", "b"] {
        assert!(failure(&execution, id).message.contains("panicked"));
    }
    assert_eq!(value(&execution, "c"), &Value::Number(3.0));
}

#[tokio::test]
async fn out_of_steps_what_runs_may_end_and_the_rest_is_left() {
    let slow = tool(spec("slow", signature(&[], "Number", None)), |_, _| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(Value::Number(7.0))
    });
    let cx = Cx::new(Budget { max_steps: 2, ..Budget::default() });
    let steps = [
        step("a", "slow", json!({})),
        step("bad", "fail", json!({})),
        step("c", "number", json!({ "x": 1 })),
        step("skipped", "number", json!({ "x": "$bad" })),
    ];
    let execution = run(catalog([slow, fail(), number()]), &cx, plan_of(&steps, "$c")).await;
    let stopped = execution.stopped.as_ref().unwrap();
    assert_eq!(stopped.kind(), ErrorKind::Budget);
    assert!(stopped.to_string().contains("--max-steps"), "{stopped}");
    assert_eq!(value(&execution, "a"), &Value::Number(7.0));
    let ids: Vec<&str> = execution.observations.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids[..2], ["a", "bad"]);
    assert!(!ids.contains(&"c"));
    assert_eq!(cx.meter().steps(), 2);
}

#[tokio::test]
async fn out_of_time_running_steps_are_dropped_and_the_rest_is_known() {
    let record = Arc::new(Record::default());
    let budget = Budget { timeout_ms: 100, ..Budget::default() };
    let cx = Cx::with(budget, CancellationToken::new(), vec![Arc::<Record>::clone(&record)]);
    let steps = [
        step("a", "number", json!({ "x": 1 })),
        step("b", "never", json!({})),
        step("c", "number", json!({ "x": "$b" })),
    ];
    let execution = run(catalog([never(), number()]), &cx, plan_of(&steps, "$c")).await;
    let stopped = execution.stopped.as_ref().unwrap();
    assert_eq!(stopped.kind(), ErrorKind::Budget);
    assert!(stopped.to_string().contains("--timeout"));
    assert_eq!(value(&execution, "a"), &Value::Number(1.0));
    assert_eq!(failure(&execution, "b").kind, ErrorKind::Budget);
    assert_eq!(execution.observations.len(), 2, "what never began has no observation");
    assert!(record.names().contains(&"step_ended b".to_owned()), "{:?}", record.names());
}

#[tokio::test]
async fn cancelling_stops_a_step_that_never_ends() {
    let cx = cx();
    let cancel = cx.cancellation().clone();
    let stop = quick("stop", &[], "Number", move |_| {
        cancel.cancel();
        Ok(Value::Number(1.0))
    });
    let steps =
        [step("a", "never", json!({})), step("b", "stop", json!({})), step("c", "number", json!({ "x": "$b" }))];
    let execution = run(catalog([never(), stop, number()]), &cx, plan_of(&steps, "$c")).await;
    assert_eq!(execution.stopped.as_ref().unwrap().kind(), ErrorKind::Cancelled);
    assert_eq!(failure(&execution, "a").kind, ErrorKind::Cancelled);
    assert!(execution.observations.iter().all(|o| o.id != "c"), "between two steps nothing new begins");
}

#[tokio::test]
async fn a_cancelled_run_begins_nothing() {
    let cx = cx();
    cx.cancellation().cancel();
    let execution = run(catalog([number()]), &cx, plan_of(&[step("a", "number", json!({ "x": 1 }))], "$a")).await;
    assert_eq!(execution.stopped.unwrap().kind(), ErrorKind::Cancelled);
    assert!(execution.observations.is_empty());
}

#[tokio::test]
async fn dropping_the_run_drops_its_steps() {
    struct Flag(Arc<AtomicUsize>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&dropped);
    let held = tool(spec("held", signature(&[], "Number", None)), move |_, _| {
        let flag = Flag(Arc::clone(&dropped));
        async move {
            let _flag = flag;
            std::future::pending().await
        }
    });
    let cx = cx();
    let work = run(catalog([held]), &cx, plan_of(&[step("a", "held", json!({}))], "$a"));
    assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
    while seen.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_endless_budget_is_no_overflow() {
    let cx = Cx::new(Budget { timeout_ms: u64::MAX, max_tokens: u64::MAX, max_steps: u64::MAX, max_rounds: u64::MAX });
    let execution = run(catalog([number()]), &cx, plan_of(&[step("a", "number", json!({ "x": 1 }))], "$a")).await;
    assert_eq!(value(&execution, "a"), &Value::Number(1.0));
}

#[tokio::test]
async fn a_tool_that_takes_too_long_has_timed_out() {
    let mut slow = spec("slow", signature(&[], "Number", None));
    slow.timeout = Duration::from_millis(20);
    let slow = tool(slow, |_, _| std::future::pending());
    let steps = [step("a", "slow", json!({})), step("b", "number", json!({ "x": 1 }))];
    let execution = run(catalog([slow, number()]), &cx(), plan_of(&steps, "$b")).await;
    let failure = failure(&execution, "a");
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Timeout, "`slow` took longer than 20 ms"));
    assert!(execution.stopped.is_none());
}

// ------------------------------------------------------------------ arguments

#[tokio::test]
async fn references_literals_and_nulls_become_arguments() {
    let found = quick("found", &["image: Image"], "List<Region>", |_| Ok(regions(&["cat", "dog"])));
    let data = quick("data", &[], "Json", |_| Ok(Value::Json(json!({ "rows": [{ "n": 5 }], "none": null }))));
    let steps = [
        step("r", "found", json!({ "image": "$image" })),
        step("j", "data", json!({})),
        step("label", "echo", json!({ "x": "$r[1].label", "y": "$r[0].box[2]" })),
        step("dollar", "echo", json!({ "x": "$$5", "y": "cost $5" })),
        step("deep", "echo", json!({ "x": "$j.rows[0].n", "y": null })),
        step(
            "many",
            "echo",
            json!({ "x": ["$r[0].label", "$$x", 3], "y": { "a": "$j.rows[0].n", "b": ["$r[0].score"] } }),
        ),
        step("null", "echo", json!({ "x": "$j.none" })),
    ];
    let execution = run(catalog([found, data, echo()]), &cx(), plan_of(&steps, "$label")).await;
    let echoed = |id: &str| serde_json::from_str::<Json>(&String::from_value(value(&execution, id))).unwrap();
    assert_eq!(echoed("label"), json!({ "x": "dog", "y": 10 }));
    assert_eq!(echoed("dollar"), json!({ "x": "$5", "y": "cost $5" }));
    assert_eq!(echoed("deep"), json!({ "x": 5 }), "null is as good as not given");
    assert_eq!(echoed("many"), json!({ "x": ["cat", "$x", 3], "y": { "a": 5, "b": [0.9] } }));
    assert_eq!(echoed("null"), json!({}));
    let many = execution.observations.iter().find(|o| o.id == "many").unwrap();
    assert_eq!(many.args["x"], json!(["$r[0].label", "$$x", 3]), "observations keep what was written");
}

/// Reads a Rust value back from a [`Value`].
trait FromValue {
    fn from_value(value: &Value) -> Self;
}

impl FromValue for String {
    fn from_value(value: &Value) -> Self {
        match value {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?} is no text"),
        }
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_fails_the_step_and_says_why() {
    let none = quick("none", &[], "List<Region>", |_| Ok(Value::List(Vec::new())));
    let steps = [
        step("r", "none", json!({})),
        step("a", "echo", json!({ "x": "$r[0]" })),
        step("b", "echo", json!({ "x": "$r.label" })),
    ];
    let execution = run(catalog([none, echo()]), &cx(), plan_of(&steps, "$a")).await;
    for (id, path) in [("a", "`$r[0]`"), ("b", "`$r.label`")] {
        let failure = failure(&execution, id);
        assert_eq!(failure.kind, ErrorKind::Tool);
        assert!(failure.message.contains(path) && failure.message.contains("an empty list"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_plan_that_was_not_checked_ends_all_the_same() {
    let steps = [
        step("a", "number", json!({ "x": "$nowhere" })),
        step("b", "number", json!({ "x": "$image9" })),
        step("c", "unheard_of", json!({})),
        step("d", "number", json!({ "z": 1 })),
        step("e", "number", json!({ "x": "text" })),
        step("f", "number", json!({ "x": "$g" })),
        step("g", "number", json!({ "x": "$f" })),
    ];
    let execution = run(catalog([number()]), &cx(), plan_of(&steps, "$a")).await;
    assert!(execution.stopped.is_none());
    assert!(failure(&execution, "a").message.contains("nowhere"));
    assert!(failure(&execution, "b").message.contains("image9"));
    assert_eq!(failure(&execution, "c").kind, ErrorKind::NotFound);
    assert!(failure(&execution, "d").message.contains("no argument `z`"));
    assert_eq!(failure(&execution, "e").message, "argument `x` should be Number, got Text");
    assert_eq!(execution.observations.len(), 5, "a circle never begins");
}

#[tokio::test]
async fn defaults_stand_in_for_what_is_not_given() {
    let mut with_default = spec("show", signature(&["x?: Any", "n?: Number", "labels?: List<Text>"], "Text", None));
    with_default.signature.args[1].default = Some(json!(7));
    with_default.signature.args[2].default = Some(json!(["a"]));
    let show = tool(with_default, |_, args| async move { Ok(Value::Text(args.to_json().to_string())) });
    let steps = [
        step("a", "show", json!({})),
        step("b", "show", json!({ "n": 1, "labels": ["b", "c"] })),
        step("c", "show", json!({ "n": null })),
    ];
    let execution = run(catalog([show]), &cx(), plan_of(&steps, "$a")).await;
    let echoed = |id: &str| serde_json::from_str::<Json>(&String::from_value(value(&execution, id))).unwrap();
    assert_eq!(echoed("a"), json!({ "n": 7, "labels": ["a"] }));
    assert_eq!(echoed("b"), json!({ "n": 1, "labels": ["b", "c"] }));
    assert_eq!(echoed("c"), json!({ "n": 7, "labels": ["a"] }));
}

#[tokio::test]
async fn regions_may_be_written_out() {
    let kind = |value: &Value| match value {
        Value::List(items) => items.iter().map(Value::type_name).collect::<Vec<_>>().join(","),
        other => other.type_name().to_owned(),
    };
    let one = quick("one", &["at: Region"], "Text", move |args| Ok(Value::Text(kind(args.get("at").unwrap()))));
    let many = quick("many", &["at: List<Region>"], "Text", move |args| Ok(Value::Text(kind(args.get("at").unwrap()))));
    let steps = [
        step("a", "one", json!({ "at": { "box": [0, 0, 5, 5.5] } })),
        step(
            "b",
            "many",
            json!({ "at": [{ "box": [0, 0, 5, 5], "label": "x", "score": 0.5 }, { "box": [1, 2, 3, 4] }] }),
        ),
    ];
    let execution = run(catalog([one, many]), &cx(), plan_of(&steps, "$a")).await;
    assert_eq!(value(&execution, "a"), &Value::Text("Region".to_owned()));
    assert_eq!(value(&execution, "b"), &Value::Text("Region,Region".to_owned()));
}

// ------------------------------------------------------------------ mapping

/// `label_of(item: Region) -> Text`, mapped over `item`.
fn label_of() -> Arc<dyn Tool> {
    tool(spec("label_of", signature(&["item: Region"], "Text", Some("item"))), |_, args| async move {
        Ok(args.get("item").and_then(|item| item.field("label")).unwrap())
    })
}

#[tokio::test]
async fn a_tool_is_mapped_over_a_list() {
    let found = quick("found", &[], "List<Region>", |_| Ok(regions(&["cat", "dog"])));
    let none = quick("none", &[], "List<Region>", |_| Ok(Value::List(Vec::new())));
    let parts = tool(spec("parts", signature(&["item: Region"], "List<Line>", Some("item"))), |_, args| async move {
        match args.get("item").and_then(|item| item.field("label")) {
            Some(Value::Text(label)) if label == "cat" => Ok(lines(&["tail", "paw"])),
            _ => Ok(lines(&["bone"])),
        }
    });
    let steps = [
        step("r", "found", json!({})),
        step("empty", "none", json!({})),
        step("labels", "label_of", json!({ "item": "$r" })),
        step("one", "label_of", json!({ "item": "$r[0]" })),
        step("nothing", "label_of", json!({ "item": "$empty" })),
        step("joined", "parts", json!({ "item": "$r" })),
    ];
    let execution = run(catalog([found, none, label_of(), parts]), &cx(), plan_of(&steps, "$labels")).await;
    let texts = |labels: &[&str]| Value::List(labels.iter().map(|l| Value::Text((*l).to_owned())).collect());
    assert_eq!(value(&execution, "labels"), &texts(&["cat", "dog"]));
    assert_eq!(value(&execution, "one"), &Value::Text("cat".to_owned()));
    assert_eq!(value(&execution, "nothing"), &Value::List(Vec::new()));
    assert_eq!(value(&execution, "joined"), &lines(&["tail", "paw", "bone"]));
}

#[tokio::test]
async fn a_list_is_no_element_where_the_signature_does_not_say_so() {
    let found = quick("found", &[], "List<Region>", |_| Ok(regions(&["cat", "dog"])));
    let single = quick("single", &["item: Region"], "Text", |_| Ok(Value::Text(String::new())));
    let steps = [step("r", "found", json!({})), step("a", "single", json!({ "item": "$r" }))];
    let execution = run(catalog([found, single]), &cx(), plan_of(&steps, "$a")).await;
    assert_eq!(failure(&execution, "a").message, "argument `item` should be Region, got List<Region>");
}

#[tokio::test]
async fn a_huge_list_flows_but_is_not_mapped_over() {
    let crowd = quick("crowd", &[], "List<Region>", |_| {
        Ok(Value::List((0..20_000).map(|n| region("person", f64::from(n))).collect()))
    });
    let count = quick("size", &["items: List<Any>"], "Number", |args| match args.get("items") {
        Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
        _ => Err(Error::new(ErrorKind::Tool, "no list")),
    });
    let steps = [
        step("r", "crowd", json!({})),
        step("n", "size", json!({ "items": "$r" })),
        step("all", "label_of", json!({ "item": "$r" })),
    ];
    let execution = run(catalog([crowd, count, label_of()]), &cx(), plan_of(&steps, "$n")).await;
    assert_eq!(value(&execution, "n"), &Value::Number(20_000.0));
    let message = failure(&execution, "all").message;
    assert!(message.contains("20000 elements") && message.contains("filter"), "{message}");
}

#[tokio::test]
async fn the_timeout_holds_for_each_element() {
    let found = quick("found", &[], "List<Region>", |_| Ok(regions(&["a", "b", "c", "d", "e", "f"])));
    let mut slow = spec("slow", signature(&["item: Region"], "Number", Some("item")));
    slow.timeout = Duration::from_millis(400);
    let slow = tool(slow, |_, _| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok(Value::Number(1.0))
    });
    let steps = [step("r", "found", json!({})), step("a", "slow", json!({ "item": "$r" }))];
    let execution = run(catalog([found, slow]), &cx(), plan_of(&steps, "$a")).await;
    assert_eq!(value(&execution, "a"), &Value::List(vec![Value::Number(1.0); 6]));
}

#[tokio::test]
async fn one_bad_element_fails_the_mapped_step() {
    let found = quick("found", &[], "List<Region>", |_| Ok(regions(&["cat", "dog"])));
    let picky = tool(spec("picky", signature(&["item: Region"], "Text", Some("item"))), |_, args| async move {
        match args.get("item").and_then(|item| item.field("label")) {
            Some(Value::Text(label)) if label == "dog" => Err(Error::new(ErrorKind::Tool, "no dogs")),
            _ => Ok(Value::Text("fine".to_owned())),
        }
    });
    let steps = [step("r", "found", json!({})), step("a", "picky", json!({ "item": "$r" }))];
    let execution = run(catalog([found, picky]), &cx(), plan_of(&steps, "$a")).await;
    assert_eq!(failure(&execution, "a").message, "no dogs");
}

// ------------------------------------------------------------------ events

#[tokio::test]
async fn events_tell_the_story_in_order() {
    let record = Arc::new(Record::default());
    let cx = Cx::with(Budget::default(), CancellationToken::new(), vec![Arc::<Record>::clone(&record)]);
    let steps = [
        step("a", "number", json!({ "x": 1 })),
        step("b", "number", json!({ "x": "$a" })),
        step("bad", "fail", json!({ "x": "$b" })),
        step("d", "number", json!({ "x": "$bad" })),
    ];
    run(catalog([number(), fail()]), &cx, plan_of(&steps, "$d")).await;
    assert_eq!(
        record.names(),
        [
            "step_started a",
            "step_ended a",
            "step_started b",
            "step_ended b",
            "step_started bad",
            "step_ended bad",
            "step_ended d"
        ]
    );
    let entries = record.entries();
    assert!(entries.windows(2).all(|pair| pair[0].t_ms <= pair[1].t_ms));
    assert!(matches!(&entries[2].event, Event::StepStarted { args, .. } if *args == json!({ "x": 1 })), "resolved");
    assert!(matches!(&entries[3].event, Event::StepEnded { result: Some(r), error: None, .. } if *r == json!(1)));
    assert!(
        matches!(&entries[5].event, Event::StepEnded { result: None, error: Some(f), .. } if f.message == "it went wrong")
    );
}

#[test]
fn times_never_run_back_when_threads_report_at_once() {
    let record = Arc::new(Record::default());
    let cx = Cx::with(Budget::default(), CancellationToken::new(), vec![Arc::<Record>::clone(&record)]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    cx.emit(Event::Planned { plan: Json::Null, repairs: 0, thought: None }, &[]);
                }
            });
        }
    });
    let entries = record.entries();
    assert_eq!(entries.len(), 8_000);
    assert!(entries.windows(2).all(|pair| pair[0].t_ms <= pair[1].t_ms));
}

// ------------------------------------------------------------------ typed tools and the catalog

mod typed {
    use super::*;
    use lavr::signature::{Returns, ValueType};
    use lavr::tool::Item;
    use lavr::value::{Line, Region};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    fn manifest(name: &str) -> Manifest {
        Manifest::parse(&format!(
            "name = '{name}'\nkind = 'operation'\ndescription = 'D.'\nuse_for = 'u'\nlicence = 'MIT'\n"
        ))
        .unwrap()
    }

    // `Serialize` puts the default into the schema.
    #[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Default)]
    #[serde(rename_all = "snake_case")]
    enum Order {
        #[default]
        Score,
        LeftToRight,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Documented {
        /// One way.
        First,
        /// The other way.
        Second,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Item),
        Many(Vec<Item>),
    }

    fn half() -> f64 {
        0.5
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct AllKinds {
        /// The image
        /// to look at.
        zebra: ImageRef,
        second: Option<ImageRef>,
        labels: Option<Vec<String>>,
        #[serde(default = "half")]
        threshold: f64,
        #[serde(default)]
        order: Order,
        way: Option<Documented>,
        items: Vec<Item>,
        target: OneOrMany,
        region: Option<Region>,
        lines: Option<Vec<Line>>,
        flag: Option<bool>,
        count: Option<u32>,
        values: Option<std::collections::HashMap<String, f64>>,
        anything: Option<Json>,
    }

    struct AllKindsTool;

    #[async_trait]
    impl TypedTool for AllKindsTool {
        const NAME: &'static str = "all_kinds";
        const MAPS_OVER: Option<&'static str> = Some("zebra");
        type Args = AllKinds;
        type Output = Vec<Region>;

        async fn call(&self, cx: &Cx, args: AllKinds) -> Result<Vec<Region>> {
            let image = args.zebra.load(cx)?;
            let named = match &args.target {
                OneOrMany::One(item) => item.name().to_owned(),
                OneOrMany::Many(items) => items.iter().map(Item::name).collect(),
            };
            let items = args.items.len();
            let order = if matches!(args.order, Order::LeftToRight) { "left" } else { "score" };
            let unused = args.second.is_none()
                && args.labels.is_none()
                && args.way.is_none()
                && args.region.is_none()
                && args.lines.is_none()
                && args.flag.is_none()
                && args.count.is_none()
                && args.values.is_none()
                && args.anything.is_none();
            let label = format!("{order} {} {items} {named} {unused}", image.width());
            Ok(vec![Region { label, score: args.threshold, bounds: [0.0; 4] }])
        }
    }

    #[test]
    fn the_signature_follows_from_the_types() {
        let mut tools = Catalog::new();
        tools.register(AllKindsTool, &manifest("all_kinds")).unwrap();
        let signature = tools.get("all_kinds").unwrap().spec().signature.clone();
        let shown: Vec<String> = signature
            .args
            .iter()
            .map(|a| {
                let mark = if a.required { "" } else { "?" };
                let more = if a.choices.is_empty() { String::new() } else { format!(" of {}", a.choices.join("|")) };
                let default = a.default.as_ref().map(|d| format!(" = {d}")).unwrap_or_default();
                format!("{}{mark}: {}{more}{default}", a.name, a.types_text())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "zebra: Image",
                "second?: Image",
                "labels?: List<Text>",
                "threshold?: Number = 0.5",
                "order?: Text of score|left_to_right = \"score\"",
                "way?: Text of first|second",
                "items: List<Region> or List<Line>",
                "target: Region or Line or List<Region> or List<Line>",
                "region?: Region",
                "lines?: List<Line>",
                "flag?: Bool",
                "count?: Number",
                "values?: Json",
                "anything?: Any",
            ],
            "the order is that of the fields"
        );
        assert_eq!(signature.args[0].doc, "The image to look at.");
        assert_eq!(signature.returns, Returns::Type(ValueType::list(ValueType::Region)));
        assert_eq!(signature.maps_over.as_deref(), Some("zebra"));
    }

    #[tokio::test]
    async fn arguments_arrive_typed() {
        let mut tools = catalog([quick("found", &[], "List<Region>", |_| Ok(regions(&["a", "b"])))]);
        tools.register(AllKindsTool, &manifest("all_kinds")).unwrap();
        let steps = [
            step("r", "found", json!({})),
            step("a", "all_kinds", json!({ "zebra": "$image", "items": "$r", "target": "$r[0]" })),
            step(
                "b",
                "all_kinds",
                json!({ "zebra": "$image", "items": [], "target": "$r", "order": "left_to_right", "threshold": 1 }),
            ),
            step("c", "all_kinds", json!({ "zebra": "$image", "items": "$r", "target": "$r[0]", "count": 1.5 })),
        ];
        let execution = run(tools, &cx(), plan_of(&steps, "$a")).await;
        let region = |label: &str, score: f64| {
            Value::List(vec![Value::Region(Region { label: label.to_owned(), score, bounds: [0.0; 4] })])
        };
        assert_eq!(value(&execution, "a"), &region("score 8 2 a true", 0.5));
        assert_eq!(value(&execution, "b"), &region("left 8 0 ab true", 1.0));
        assert!(failure(&execution, "c").message.contains("do not fit"));
    }

    #[derive(Deserialize, JsonSchema)]
    struct Place {
        image: ImageRef,
    }

    struct PlaceTool;

    #[async_trait]
    impl TypedTool for PlaceTool {
        const NAME: &'static str = "place";
        const MAPS_OVER: Option<&'static str> = Some("image");
        type Args = Place;
        type Output = f64;

        async fn call(&self, cx: &Cx, args: Place) -> Result<f64> {
            tokio::task::yield_now().await;
            Ok(args.image.load(cx)?.frame().x)
        }
    }

    #[tokio::test]
    async fn crops_of_equal_pixels_keep_their_places() {
        let crops = quick("crops", &["image: Image"], "List<Image>", |args| {
            let pixels = args.image("image")?.pixels();
            let at = |x: f64| Value::Image(Image::from_pixels(pixels.clone(), Frame { x, y: 0.0, scale: 1.0 }));
            Ok(Value::List(vec![at(0.0), at(100.0), at(200.0)]))
        });
        let mut tools = catalog([crops]);
        tools.register(PlaceTool, &manifest("place")).unwrap();
        let steps = [
            step("crops", "crops", json!({ "image": "$image" })),
            step("mapped", "place", json!({ "image": "$crops" })),
            step("a", "place", json!({ "image": "$crops[0]" })),
            step("b", "place", json!({ "image": "$crops[1]" })),
            step("c", "place", json!({ "image": "$crops[2]" })),
        ];
        let execution = run(tools, &cx(), plan_of(&steps, "$mapped")).await;
        let numbers = |xs: &[f64]| Value::List(xs.iter().map(|x| Value::Number(*x)).collect());
        assert_eq!(value(&execution, "mapped"), &numbers(&[0.0, 100.0, 200.0]));
        assert_eq!(value(&execution, "a"), &Value::Number(0.0));
        assert_eq!(value(&execution, "b"), &Value::Number(100.0));
        assert_eq!(value(&execution, "c"), &Value::Number(200.0));
    }

    struct Misnamed;

    #[async_trait]
    impl TypedTool for Misnamed {
        const NAME: &'static str = "misnamed";
        const RETURNS_LIKE: Option<&'static str> = Some("picture");
        type Args = Place;
        type Output = f64;

        async fn call(&self, _: &Cx, _: Place) -> Result<f64> {
            Ok(0.0)
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let mut tools = Catalog::new();
        let error = tools.register(PlaceTool, &manifest("other")).unwrap_err();
        assert!(error.to_string().contains("`place`") && error.to_string().contains("`other`"));
        let error = tools.register(Misnamed, &manifest("misnamed")).unwrap_err();
        assert!(error.to_string().contains("`picture`"), "{error}");
        tools.register(PlaceTool, &manifest("place")).unwrap();
        let error = tools.register(PlaceTool, &manifest("place")).unwrap_err();
        assert_eq!(error.to_string(), "there is already a tool `place`");
    }

    #[test]
    fn bad_names_are_refused() {
        for name in ["", "Echo", "1st", "_x", "read-text", "é", "a b"] {
            let bad = tool(spec(name, signature(&[], "Number", None)), |_, _| std::future::pending());
            let error = Catalog::new().add(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
    }

    #[test]
    fn an_unknown_tool_is_answered_with_a_near_one() {
        let tools = catalog([number(), echo()]);
        let error = tools.find("nunber").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "there is no tool `nunber`; did you mean `number`?");
        let error = tools.find("xyz").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "there is no tool `xyz`; the tools are number, echo");
    }

    #[test]
    fn faulty_manifests_say_what_is_wrong() {
        let error = Manifest::parse("name = 'x'\ncolour = 'red'\n").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("colour"), "{error}");
        assert_eq!(arg("x?: Region|Line").types_text(), "Region or Line");
    }
}
