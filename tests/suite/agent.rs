//! The agent: plan, execute, refine; how runs end; and what they leave behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use lavr::agent::{Agent, Report, Watch};
use lavr::answer::{Answer, Claim, Status, Usage};
use lavr::budget::Budget;
use lavr::error::{Error, ErrorKind};
use lavr::image::{Frame, Image, ImageLimits};
use lavr::message::{Message, Role};
use lavr::observation::Failure;
use lavr::otel::otlp;
use lavr::plan::{Fault, FaultKind};
use lavr::prompt::{Prompts, Said};
use lavr::signature::ValueType;
use lavr::task::{Mode, Task};
use lavr::tool::Catalog;
use lavr::trace::{self, Entry, Event, RawEntry, Round, TraceWriter};
use lavr::value::Value;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::fakes::{Record, Script, catalog, picture, quick, regions, signature, spec, tool};
use crate::refiner::any_json;

/// Tools that find two dogs, count them, cut the image, and never come to an end.
pub fn tools() -> Catalog {
    catalog([
        quick("detect_objects", &["image: Image", "labels?: List<Text>"], "List<Region>", |_| Ok(regions(&["dog"; 2]))),
        quick("count", &["items: List<Any>"], "Number", |args| match args.get("items") {
            Some(Value::List(items)) => Ok(Value::Number(items.len() as f64)),
            _ => Err(Error::new(ErrorKind::Tool, "no list")),
        }),
        quick("crop", &["image: Image"], "Image", |args| {
            let pixels = args.image("image")?.pixels().clone();
            Ok(Value::Image(Image::from_pixels(pixels, Frame { x: 1.0, y: 0.0, scale: 1.0 })))
        }),
        quick("fail", &["image: Image"], "Number", |_| Err(Error::new(ErrorKind::Tool, "it went wrong"))),
        tool(spec("never", signature(&["image: Image"], "Number", None)), |_, _| std::future::pending()),
    ])
}

pub fn agent(chat: &Arc<Script>) -> Agent {
    Agent::builder().chat(Arc::<Script>::clone(chat)).catalog(tools()).build().unwrap()
}

pub fn dogs_plan() -> Json {
    json!({
        "steps": [
            { "id": "dogs", "tool": "detect_objects", "args": { "image": "$image", "labels": ["dog"] } },
            { "id": "n", "tool": "count", "args": { "items": "$dogs" } },
        ],
        "result": "$n",
    })
}

fn one_step(tool: &str) -> Json {
    json!({ "steps": [{ "id": "a", "tool": tool, "args": { "image": "$image" } }], "result": "$a" })
}

fn faulty_plan() -> Json {
    json!({ "steps": [{ "id": "n", "tool": "cuont", "args": { "items": "$dogs" } }], "result": "$n" })
}

pub fn says(sentences: &[&str]) -> Json {
    json!({ "answerable": true, "answer": sentences })
}

fn task(question: &str) -> Task {
    Task::new(question, vec![picture()]).with_mode(Mode::Controller)
}

async fn ask(chat: &Arc<Script>, question: &str) -> Report {
    agent(chat).ask(&task(question)).await.unwrap()
}

#[tokio::test]
async fn a_question_is_planned_executed_and_answered() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let report = ask(&chat, "How many dogs are there?").await;
    assert_eq!(report.answer.status, Status::Answered);
    assert_eq!(report.answer.text, "There are 2 dogs.");
    assert_eq!(report.answer.claims, [Claim { text: "There are 2 dogs.".to_owned(), steps: vec!["n".to_owned()] }]);
    assert!(report.error.is_none());
    let usage = Usage {
        llm_calls: 2,
        reused_calls: 0,
        prompt_tokens: 20,
        cached_tokens: 200,
        completion_tokens: 10,
        steps: 2,
        rounds: 1,
        cost_usd: None,
    };
    assert_eq!(report.usage, usage);
    let requests = chat.requests();
    assert!(requests.iter().all(|r| r.schema.is_some() && r.temperature == 0.0 && r.max_tokens > 0));
}

#[tokio::test]
async fn the_report_has_the_documented_json_form() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let json = ask(&chat, "How many dogs are there?").await.to_json();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["answer", "short", "status", "claims", "plan", "steps", "usage", "timings"]);
    assert_eq!(json["status"], "answered");
    assert_eq!(json["claims"], json!([{ "text": "There are 2 dogs.", "steps": ["n"] }]));
    assert_eq!(json["short"], "2");
    assert_eq!(json["plan"], dogs_plan());
    let steps = json["steps"].as_array().unwrap();
    let keys: Vec<&String> = steps[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "tool", "args", "result", "ms"]);
    assert_eq!(steps[0]["result"][0], json!({ "label": "dog", "score": 0.9, "box": [0.0, 0.0, 10.0, 10.0] }));
    assert_eq!(steps[1]["result"], json!(2));
    for key in ["plan_ms", "execute_ms", "refine_ms", "total_ms"] {
        assert!(json["timings"][key].is_u64(), "{key}");
    }

    let failed = ask(&Script::new([one_step("fail")]), "How many?").await.to_json();
    assert_eq!(failed["status"], "unanswerable");
    assert_eq!(failed["steps"][0]["error"], json!({ "kind": "tool", "message": "it went wrong" }));
    assert!(failed["steps"][0].get("result").is_none());
    assert!(failed["answer"].as_str().unwrap().contains("it went wrong"));

    let cut = ask(&Script::new([one_step("crop"), says(&["Here is the crop."])]), "Cut it.").await.to_json();
    let blob = cut["steps"][0]["result"]["blob"].as_str().unwrap().to_owned();
    assert!(blob.starts_with("sha256:"), "{blob}");
}

#[tokio::test]
async fn a_faulty_plan_goes_back_with_its_faults() {
    let chat = Script::new([faulty_plan(), dogs_plan(), says(&["There are 2 dogs."])]);
    let report = ask(&chat, "How many dogs are there?").await;
    assert_eq!(report.answer.status, Status::Answered);
    assert_eq!((report.trace.repairs, report.usage.rounds, report.usage.llm_calls), (1, 1, 3));
    let requests = chat.requests();
    let repair = &requests[1];
    assert_eq!(repair.prefix, requests[0].prefix);
    let asked = requests[0].messages.len();
    assert_eq!(repair.messages[..asked], requests[0].messages[..]);
    assert_eq!(repair.messages[asked], Message::assistant(faulty_plan().to_string()));
    let told = &repair.messages[asked + 1];
    assert_eq!(told.role, Role::User);
    assert!(told.content.contains("cuont") && told.content.contains("did you mean `count`?"), "{}", told.content);
}

#[tokio::test]
async fn after_two_repairs_the_run_has_failed() {
    let chat = Script::new(["no JSON at all".to_owned(), faulty_plan().to_string(), faulty_plan().to_string()]);
    let report = ask(&chat, "How many dogs are there?").await;
    assert_eq!(report.answer, Answer::default());
    let error = report.error.clone().unwrap();
    assert_eq!(error.kind, ErrorKind::Plan);
    assert!(error.message.contains("3 attempts") && error.message.contains("cuont"), "{}", error.message);
    let json = report.to_json();
    assert_eq!(json["error"]["kind"], "plan");
    assert_eq!((&json["plan"], &json["steps"]), (&Json::Null, &json!([])));
    let requests = chat.requests();
    assert_eq!(requests.len(), 3);
    let asked = requests[0].messages.len();
    assert!(requests.iter().all(|r| r.messages.len() <= asked + 2), "only the last attempt is shown");
}

/// What an LLM may write instead of a plan, and what is said of it.
fn no_plans() -> Vec<(&'static str, String, &'static str)> {
    let step = |id: &str, items: &str| json!({ "id": id, "tool": "count", "args": { "items": items } });
    let plan = |steps: Vec<Json>| json!({ "steps": steps, "result": "$n" }).to_string();
    let whole = dogs_plan().to_string();
    let many =
        (0..100).map(|n| json!({ "id": format!("d{n}"), "tool": "crop", "args": { "image": "$image" } })).collect();
    vec![
        ("prose", "First I would look for the dogs.".to_owned(), "not JSON"),
        ("half JSON", whole[..whole.len() / 2].to_owned(), "not JSON"),
        ("another schema", json!({ "plan": ["detect", "count"] }).to_string(), "`steps` is missing"),
        ("an unknown tool", faulty_plan().to_string(), "did you mean `count`?"),
        ("a self-reference", plan(vec![step("n", "$n")]), "is the step itself"),
        ("a circle", plan(vec![step("m", "$n"), step("n", "$m")]), "need each other"),
        ("100 steps", plan(many), "100 steps"),
        ("another script", "まず犬を探します。".to_owned(), "not JSON"),
        ("nothing", String::new(), "not JSON"),
    ]
}

#[tokio::test]
async fn whatever_an_llm_writes_is_repaired_or_one_clear_error() {
    for (what, reply, said) in no_plans() {
        let chat = Script::new([reply.clone(), dogs_plan().to_string(), says(&["There are 2 dogs."]).to_string()]);
        let report = ask(&chat, "How many dogs are there?").await;
        assert_eq!((report.answer.status, report.trace.repairs), (Status::Answered, 1), "{what}");
        let report = ask(&Script::new(vec![reply; 3]), "How many dogs are there?").await;
        let error = report.error.unwrap();
        assert_eq!(error.kind, ErrorKind::Plan, "{what}");
        assert!(error.message.contains(said) && error.message.contains("--llm"), "{what}: {}", error.message);
        assert_eq!(error.message.lines().count(), 1, "{what}: {}", error.message);
    }
}

#[tokio::test]
async fn repairs_can_be_switched_off() {
    let chat = Script::new([faulty_plan()]);
    let agent = Agent::builder().chat(Arc::<Script>::clone(&chat)).catalog(tools()).max_repairs(0).build().unwrap();
    let report = agent.ask(&task("How many?")).await.unwrap();
    assert_eq!(report.error.unwrap().kind, ErrorKind::Plan);
    assert_eq!(chat.requests().len(), 1);
}

#[tokio::test]
async fn what_the_evidence_does_not_say_is_unanswerable() {
    let reply = json!({ "answerable": false, "missing": "the dogs' names are not known." });
    let report = ask(&Script::new([dogs_plan(), reply]), "What are the dogs called?").await;
    assert_eq!(report.answer.status, Status::Unanswerable);
    assert_eq!(report.answer.text, "The evidence does not answer this: the dogs' names are not known.");
    assert!(report.answer.claims.is_empty() && report.error.is_none());
}

#[tokio::test]
async fn a_failing_llm_fails_the_run() {
    let chat = Script::failing(Error::new(ErrorKind::Model, "out of memory"));
    let report = ask(&chat, "How many?").await;
    assert_eq!(report.answer.status, Status::Failed);
    assert_eq!(report.error.unwrap(), Failure { kind: ErrorKind::Model, message: "out of memory".to_owned() });
}

#[tokio::test]
async fn bad_questions_are_no_runs() {
    let agent = agent(&Script::new([""]));
    for question in [String::new(), " \n".to_owned(), "x".repeat(4_001)] {
        let error = agent.ask(&task(&question)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

// ------------------------------------------------------------------ limits

/// Two dogs are counted, then a step never ends.
fn endless_plan() -> Json {
    let mut plan = dogs_plan();
    plan["steps"].as_array_mut().unwrap().push(json!({ "id": "z", "tool": "never", "args": { "image": "$image" } }));
    plan
}

#[tokio::test]
async fn out_of_time_what_is_known_is_the_answer() {
    let budget = Budget { timeout_ms: 200, ..Budget::default() };
    let chat = Script::new([endless_plan()]);
    let report = agent(&chat).ask(&task("How many dogs?").with_budget(budget)).await.unwrap();
    assert_eq!(report.answer.status, Status::Budget);
    assert_eq!(report.answer.text, "count: 2.");
    assert_eq!(report.answer.claims[0].steps, ["n"]);
    let json = report.to_json();
    assert_eq!((&json["status"], &json["error"]["kind"]), (&json!("budget"), &json!("budget")));
    assert_eq!(json["steps"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn out_of_time_while_planning_nothing_is_known() {
    let budget = Budget { timeout_ms: 50, ..Budget::default() };
    let report = agent(&Script::new([""; 0])).ask(&task("How many?").with_budget(budget)).await.unwrap();
    assert_eq!(report.answer.status, Status::Budget);
    assert!(report.answer.text.contains("Nothing was found out"));
    assert!(report.error.unwrap().message.contains("--timeout"));
}

#[tokio::test]
async fn out_of_tokens_the_run_ends() {
    // Each call takes 15.
    let budget = Budget { max_tokens: 16, ..Budget::default() };
    let chat = Script::new([faulty_plan(), dogs_plan()]);
    let report = agent(&chat).ask(&task("How many?").with_budget(budget)).await.unwrap();
    assert_eq!(report.answer.status, Status::Budget);
    assert!(report.error.unwrap().message.contains("token budget of 16"));
    assert_eq!((report.usage.llm_calls, report.usage.steps), (2, 0));
}

#[tokio::test]
async fn a_plan_over_the_step_limit_runs_up_to_it_but_is_not_handed_out() {
    let budget = Budget { max_steps: 1, ..Budget::default() };
    let task = task("How many dogs?").with_budget(budget);
    let report = agent(&Script::new([dogs_plan()])).ask(&task).await.unwrap();
    assert_eq!((report.answer.status, report.usage.steps), (Status::Budget, 1));
    assert!(report.error.unwrap().message.contains("--max-steps"));
    let error = agent(&Script::new([dogs_plan()])).plan(&task, Watch::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
    assert!(error.to_string().contains("more than 1"), "{error}");
}

#[tokio::test]
async fn a_cancelled_run_has_failed_and_says_so() {
    let watch = Watch::default();
    let cancel = watch.cancel.clone();
    let agent = agent(&Script::new([endless_plan()]));
    let waiting = task("How many dogs?");
    let (report, ()) = tokio::join!(agent.ask_watched(&waiting, watch), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
    });
    let report = report.unwrap();
    assert_eq!(report.answer.status, Status::Failed);
    assert_eq!(report.error.unwrap().kind, ErrorKind::Cancelled);
    assert_eq!(report.trace.observations.len(), 3, "what was known is still there");
}

// ------------------------------------------------------------------ threads, clones, streams

#[test]
fn agents_and_their_futures_cross_threads() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let agent = agent(&Script::new([""]));
    shared(&agent);
    let task = task("?");
    sent(&agent.ask(&task));
    sent(&agent.plan(&task, Watch::default()));
}

#[tokio::test]
async fn one_agent_answers_many_at_once() {
    let replies: Vec<Json> = (0..4).map(|_| dogs_plan()).collect();
    let agent = agent(&Script::new(replies));
    let runs = (0..4).map(|_| {
        let agent = agent.clone();
        tokio::spawn(async move { agent.plan(&task("How many dogs?"), Watch::default()).await.unwrap() })
    });
    for known in futures::future::join_all(runs).await {
        assert_eq!(known.unwrap().plan.unwrap().to_json(), dogs_plan());
    }
}

#[tokio::test]
async fn a_stream_shows_the_run_and_ends_with_it() {
    let agent = agent(&Script::new([faulty_plan(), dogs_plan(), says(&["There are 2 dogs."])]));
    let entries: Vec<Entry> = agent.stream(task("How many dogs are there?")).unwrap().collect().await;
    let names: Vec<String> = entries.iter().map(|e| json!(e)["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        [
            "started",
            "shown",
            "llm_call",
            "faults",
            "llm_call",
            "planned",
            "step_started",
            "step_ended",
            "step_started",
            "step_ended",
            "llm_call",
            "answered"
        ]
    );
    assert!(entries.windows(2).all(|pair| pair[0].t_ms <= pair[1].t_ms));
    let purposes: Vec<String> =
        entries.iter().filter_map(|e| Some(json!(e).get("purpose")?.as_str()?.to_owned())).collect();
    assert_eq!(purposes, ["plan", "repair", "refine"]);
}

#[tokio::test]
async fn a_stream_ends_though_a_tool_left_work_running() {
    let leaky = tool(spec("leaky", signature(&["image: Image"], "Number", None)), |cx, _| async move {
        tokio::spawn(async move {
            let _held = cx;
            std::future::pending::<()>().await;
        });
        Ok(Value::Number(1.0))
    });
    let chat = Script::new([one_step("leaky"), says(&["It is 1."])]);
    let agent = Agent::builder().chat(chat).catalog(catalog([leaky])).build().unwrap();
    let entries = agent.stream(task("How many?")).unwrap().collect::<Vec<_>>();
    let entries = tokio::time::timeout(Duration::from_secs(20), entries).await.unwrap();
    assert!(matches!(entries.last().unwrap().event, Event::Answered { .. }));
}

#[tokio::test]
async fn dropping_a_stream_cancels_its_run() {
    struct Flag(Arc<AtomicUsize>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&dropped);
    let held = tool(spec("held", signature(&["image: Image"], "Number", None)), move |_, _| {
        let flag = Flag(Arc::clone(&dropped));
        async move {
            let _flag = flag;
            std::future::pending().await
        }
    });
    let agent = Agent::builder().chat(Script::new([one_step("held")])).catalog(catalog([held])).build().unwrap();
    let mut stream = agent.stream(task("How many?")).unwrap();
    while let Some(entry) = stream.next().await {
        if matches!(entry.event, Event::StepStarted { .. }) {
            break;
        }
    }
    drop(stream);
    let gone = async {
        while seen.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
}

#[test]
fn a_stream_outside_a_runtime_is_an_error_not_a_panic() {
    let error = agent(&Script::new([""])).stream(task("?")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn an_agent_needs_an_llm_and_tools() {
    let error = Agent::builder().catalog(tools()).build().err().unwrap();
    assert!(error.to_string().contains(".chat(..)"));
    let error = Agent::builder().chat(Script::new([""])).build().err().unwrap();
    assert!(error.to_string().contains(".catalog(..)"));
}

// ------------------------------------------------------------------ prompts

#[tokio::test]
async fn everything_that_varies_comes_after_the_prefix() {
    let replies = || [dogs_plan(), says(&["There are 2 dogs."])];
    let (one, two) = (Script::new(replies()), Script::new(replies()));
    ask(&one, "How many dogs are there?").await;
    let mut other = task("Are there ANY {{ dogs }}?");
    other.images.push(picture());
    agent(&two).ask(&other).await.unwrap();
    for (a, b) in one.requests().iter().zip(&two.requests()) {
        assert_eq!(a.prefix, b.prefix);
        assert_ne!(a.messages, b.messages);
        assert_eq!(a.prefix[0].role, Role::System);
        assert_eq!(a.messages.last().unwrap().role, Role::User);
    }
    let plan = two.requests()[0].messages.last().unwrap().content.clone();
    assert!(plan.contains("Are there ANY {{ dogs }}?") && plan.contains("$image, $image2"), "{plan}");
    let prefix = &one.requests()[0].prefix;
    assert!(prefix[0].content.contains("- count(items) -> number: tests"), "{}", prefix[0].content);
    let refine = one.requests()[1].messages.last().unwrap().content.clone();
    assert!(refine.contains("n: count(dogs) = 2"), "{refine}");
}

#[tokio::test]
async fn demos_of_tools_that_are_not_there_are_not_shown() {
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    ask(&chat, "How many dogs are there?").await;
    let prefix = &chat.requests()[0].prefix;
    for message in prefix.iter().filter(|m| m.role == Role::Assistant) {
        assert!(!message.content.contains("read_text"), "{}", message.content);
    }
}

#[tokio::test]
async fn a_folder_overrides_prompts_file_by_file_and_demos_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("plan/system.md", b"Own words.\n{% for tool in tools %}{{ tool }}\n{% endfor %}");
    write("plan/demos/only.toml", format!("question = 'Own?'\nplan = '''{}'''\n", dogs_plan()).as_bytes());
    write(".DS_Store", &[0xff, 0xfe, 0]);
    write("plan/system.md~", b"{% broken");
    let prompts = Prompts::with_folder(folder.path()).unwrap();
    assert_eq!(prompts.plan_demos().len(), 1);
    assert_eq!(prompts.refine_demos().len(), Prompts::builtin().unwrap().refine_demos().len());
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let agent = Agent::builder().chat(Arc::<Script>::clone(&chat)).catalog(tools()).prompts(prompts).build().unwrap();
    agent.ask(&task("How many dogs are there?")).await.unwrap();
    let prefix = &chat.requests()[0].prefix;
    assert!(prefix[0].content.starts_with("Own words.\ndetect_objects("), "{}", prefix[0].content);
    assert_eq!(prefix.len(), 3);
    assert!(prefix[1].content.contains("Own?"));
    assert!(prefix[2].content.starts_with(r#"{"steps": [{"id": "dogs", "#), "{}", prefix[2].content);

    write("plan/user.md", b"{{ question");
    let error = Prompts::with_folder(folder.path()).unwrap_err();
    assert!(error.to_string().contains("plan/user.md"), "{error}");
    write("plan/user.md", b"{{ questoin }}");
    let prompts = Prompts::with_folder(folder.path()).unwrap();
    let error = prompts.plan_user("?", 1, &lavr::tool::Catalog::new(), &Said::default()).unwrap_err();
    assert!(error.to_string().contains("plan/user.md"), "{error}");
    let error = Prompts::with_folder(folder.path().join("none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

// ------------------------------------------------------------------ traces

#[tokio::test]
async fn a_trace_file_tells_the_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let record = Arc::new(Record::default());
    let writer = Arc::new(TraceWriter::create(&path).unwrap());
    let watch = Watch {
        cancel: CancellationToken::new(),
        sinks: vec![Arc::<Record>::clone(&record), Arc::<TraceWriter>::clone(&writer)],
        past: None,
    };
    let task = task("Cut it.");
    let chat = Script::new([one_step("crop"), says(&["The image is cropped."])]);
    let report = agent(&chat).ask_watched(&task, watch).await.unwrap();
    assert!(writer.take_error().is_none());

    let entries = trace::read(&path).unwrap();
    assert_eq!(entries, record.entries());
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), entries.len());
    let Event::Started { images, question, model, .. } = &entries[0].event else { panic!("{:?}", entries[0]) };
    assert_eq!((question.as_str(), model.as_str()), ("Cut it.", "script"));
    let Event::LlmCall { prompt, reply, schema, prompt_tokens: 10, .. } = &entries[1].event else {
        panic!("{:?}", entries[1])
    };
    assert_eq!(reply.as_deref(), Some(one_step("crop").to_string().as_str()));
    assert!(schema.is_some());
    let asked = chat.requests().remove(0);
    assert_eq!(*prompt, [asked.prefix, asked.messages].concat());
    let Event::Answered { answer, usage, .. } = &entries.last().unwrap().event else { panic!("{entries:?}") };
    assert_eq!((answer, usage), (&report.answer, &report.usage));

    let crop = report.trace.observations[0].value().unwrap().images()[0].clone();
    for image in [&task.images[0], &crop] {
        let file = folder.path().join("run.jsonl.blobs").join(image.digest().replace(':', "-"));
        let back = Image::open(file, &ImageLimits::default()).unwrap();
        assert_eq!((back.digest(), back.pixels()), (image.digest(), image.pixels()));
    }
    assert_eq!(images, &[json!({ "blob": task.images[0].digest() })]);
    let blobs: Vec<String> = std::fs::read_dir(folder.path().join("run.jsonl.blobs"))
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(blobs.iter().all(|name| name.len() == 71 && name.starts_with("sha256-")), "{blobs:?}");
}

#[test]
fn a_trace_that_was_cut_off_is_read_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    let writer = TraceWriter::create(&path).unwrap();
    let entry = Entry { t_ms: 7, event: Event::Planned { plan: dogs_plan(), repairs: 1, thought: None } };
    writer.append(&entry, &[]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
    assert_eq!(trace::read(&path).unwrap(), std::slice::from_ref(&entry));
    std::fs::write(&path, [&whole[..], &whole[..whole.len() - 1]].concat()).unwrap();
    assert_eq!(trace::read(&path).unwrap(), [entry.clone(), entry], "whole but for its end of line");
    std::fs::write(&path, [b"{}\n", &whole[..]].concat()).unwrap();
    let error = trace::read(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("line 1") && error.to_string().contains("run.jsonl"), "{error}");
    assert_eq!(trace::read(folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
}

fn any_failure() -> impl Strategy<Value = Option<Failure>> {
    let kinds = [ErrorKind::Tool, ErrorKind::Budget, ErrorKind::InvalidInput, ErrorKind::Internal];
    prop::option::of(
        (prop::sample::select(kinds.to_vec()), any::<String>()).prop_map(|(kind, message)| Failure { kind, message }),
    )
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = any::<String>;
    prop_oneof![
        (text(), text(), prop::collection::vec(any_json(), 0..3), text()).prop_map(
            |(lavr, question, images, model)| {
                let task = json!({ "mode": model });
                let at = (lavr.len() % 2 == 0).then(|| lavr.clone());
                Event::Started { lavr, question, images, model, task, at }
            }
        ),
        (text(), text()).prop_map(|(question, standalone)| Event::Rewritten { question, standalone }),
        (text(), text(), prop::collection::vec(text(), 0..3)).prop_map(|(to, question, demos)| Event::Shown {
            to,
            question,
            demos
        }),
        (text(), text(), prop::option::of(text()), any_failure(), any::<[u64; 4]>()).prop_map(
            |(purpose, content, reply, error, [a, b, c, d])| Event::LlmCall {
                purpose,
                images: Vec::new(),
                prompt: vec![Message::system(content.clone()), Message::user(content)],
                schema: reply.as_ref().map(|_| json!({ "type": "object" })),
                reply,
                error,
                prompt_tokens: a,
                cached_tokens: b,
                completion_tokens: c,
                reused: d % 2 == 1,
                cut_off: d % 3 == 1,
                edited: d % 5 == 1,
                ms: d,
            }
        ),
        (any_json(), text(), prop::option::of(text())).prop_map(|(plan, message, suggestion)| Event::Faults {
            plan,
            faults: vec![Fault { kind: FaultKind::UnknownTool, at: "plan".to_owned(), message, suggestion }],
        }),
        (text(), text(), any_json()).prop_map(|(id, tool, args)| Event::StepStarted { id, tool, args }),
        (text(), prop::option::of(text()), prop::collection::vec(text(), 0..3), prop::option::of(text())).prop_map(
            |(thought, missing, steps, result)| Event::Decided {
                calls: steps.iter().map(|id| json!({ "id": id })).collect(),
                round: Round { thought, missing, steps, result },
                repairs: 1,
            }
        ),
        text().prop_map(|missing| Event::NotEnough { missing }),
        prop::collection::vec(any_json(), 0..3).prop_map(|plans| Event::Joined { plans }),
        (text(), text(), any_json(), any_failure(), any::<u64>()).prop_map(|(id, tool, result, error, ms)| {
            let result = (!result.is_null()).then_some(result);
            let same_as = (ms % 2 == 0).then(|| id.clone());
            let kind = result.is_some().then(|| ValueType::list(ValueType::Any));
            Event::StepEnded { id, tool, result, kind, error, same_as, ms }
        }),
        (text(), any::<u64>()).prop_map(|(text, steps)| Event::Answered {
            error: None,
            answer: Answer {
                claims: vec![Claim { text: text.clone(), steps: vec![text.clone()] }],
                short: (steps % 2 == 0).then(|| text.clone()),
                added: (steps % 3 == 0).then(|| text.clone()),
                data: (steps % 5 == 0).then(|| Box::new(json!({ "text": text }))),
                unstyled: (steps % 7 == 0).then(|| text.clone()),
                rationale: (steps % 11 == 0).then(|| text.clone()),
                against: (steps % 13 == 0).then(|| text.clone()),
                ..Answer::new(text, Status::Budget)
            },
            usage: Usage { steps, ..Usage::default() },
        }),
    ]
}

proptest! {
    #[test]
    fn trace_entries_survive_the_file(events in prop::collection::vec((any::<u64>(), any_event()), 0..5)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let writer = TraceWriter::create(&path).unwrap();
        let entries: Vec<Entry> = events.into_iter().map(|(t_ms, event)| Entry { t_ms, event }).collect();
        let raw: Vec<RawEntry> = entries.iter().map(|e| serde_json::from_value(json!(e)).unwrap()).collect();
        let began = entries.iter().any(|entry| matches!(entry.event, Event::Started { .. }));
        prop_assert_eq!(otlp(&raw, SystemTime::now(), true).is_ok(), began);
        for entry in &entries {
            prop_assert_eq!(&json!(entry)["event"], entry.event.name());
            writer.append(entry, &[]).unwrap();
        }
        prop_assert_eq!(trace::read(&path).unwrap(), entries);
    }
}

#[test]
fn a_question_may_be_about_some_of_the_images() {
    let cases: [(&str, usize, &[usize]); 16] = [
        ("How many people are in the first picture?", 10, &[0]),
        ("What does the second photo show?", 2, &[1]),
        ("Are there more dogs in the third image than in the first?", 3, &[0, 2]),
        ("What is on the last shot?", 4, &[3]),
        ("What do the first and the second pictures show?", 5, &[0, 1]),
        ("Is the first photo brighter than the others?", 3, &[0, 1, 2]),
        ("Which of the two photos shows a dog?", 2, &[0, 1]),
        ("Who came first?", 2, &[0, 1]),
        ("What is the first line of the letter?", 2, &[0, 1]),
        ("What does the third photo show?", 2, &[0, 1]),
        ("How many pictures show the same animal as the first picture?", 3, &[0, 1, 2]),
        ("How does it change from the first image to the last?", 3, &[0, 1, 2]),
        ("Are there more dogs in the first image than in image 2?", 3, &[0, 1, 2]),
        ("Is the last photo brighter than the one before it?", 3, &[0, 1, 2]),
        ("What is on the second to last photo?", 3, &[0, 1, 2]),
        ("Apart from the first picture, where are dogs?", 3, &[0, 1, 2]),
    ];
    for (question, images, asked) in cases {
        assert_eq!(lavr::task::asked_images(question, images), asked, "{question}");
    }
}
