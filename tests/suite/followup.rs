//! Questions that go on from earlier ones: rewritten to stand alone, in the words of the user's own questions.

use std::sync::Arc;

use lavr::agent::{Agent, Report, Watch};
use lavr::error::{Error, ErrorKind};
use lavr::pointed::Pointed;
use lavr::prompt::Prompts;
use lavr::task::{Mode, Task};
use lavr::trace::Event;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::agent::{dogs_plan, says, tools};
use crate::fakes::{Record, Script, picture};

const BEFORE: &str = "How many people are there?";
const ASKED: &str = "And how many dogs do they have?";
const ALONE: &str = "How many dogs do the people have?";

pub fn alone(question: &str) -> Json {
    json!({ "question": question })
}

fn task(question: &str, earlier: &[&str]) -> Task {
    Task::new(question, vec![picture()]).with_mode(Mode::Controller).with_earlier(earlier.to_vec())
}

async fn ask(chat: &Arc<Script>, task: &Task) -> (Report, Vec<Event>) {
    let agent = Agent::builder().chat(chat.clone()).catalog(tools()).build().unwrap();
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    let report = agent.ask_watched(task, watch).await.unwrap();
    (report, record.entries().into_iter().map(|entry| entry.event).collect())
}

/// What the LLM is told next when it replies so and then fails, and the events.
async fn next(task: &Task, reply: &str) -> (String, Vec<Event>) {
    let chat = Script::new([alone(reply)]);
    for _ in 0..4 {
        chat.then(Error::new(ErrorKind::Model, "it is out of order"));
    }
    let (_, events) = ask(&chat, task).await;
    (chat.requests()[1].messages.last().unwrap().content.clone(), events)
}

/// What the LLM is told when it replies so.
async fn fault_of(task: &Task, reply: &str) -> String {
    let chat = Script::new([alone(reply), alone(reply), dogs_plan(), says(&["There are 2 dogs."])]);
    let (report, events) = ask(&chat, task).await;
    assert_eq!(report.standalone, None, "{reply}: it is used all the same");
    assert!(!events.iter().any(|event| matches!(event, Event::Rewritten { .. })), "{reply}");
    let requests = chat.requests();
    assert_eq!(requests.len(), 4, "{reply}: asked for once more, and no more");
    let planned = &requests[2].messages.last().unwrap().content;
    assert!(planned.contains(&format!("Question: {}", task.question)), "{planned}");
    requests[1].messages.last().unwrap().content.clone()
}

#[tokio::test]
async fn a_question_that_goes_on_is_planned_and_answered_as_one_that_stands_alone() {
    let chat = Script::new([alone(ALONE), dogs_plan(), says(&["There are 2 dogs."])]);
    let (report, events) = ask(&chat, &task(ASKED, &[BEFORE])).await;
    assert_eq!(report.answer.text, "There are 2 dogs.");
    assert_eq!((report.standalone.as_deref(), report.to_json()["standalone"].as_str()), (Some(ALONE), Some(ALONE)));
    let rewritten = Event::Rewritten { question: ASKED.to_owned(), standalone: ALONE.to_owned() };
    assert_eq!(json!(rewritten), json!({ "event": "rewritten", "question": ASKED, "standalone": ALONE }));
    let place = events.iter().position(|event| *event == rewritten).unwrap();
    assert!(matches!(&events[0], Event::Started { question, task, .. }
        if question == ASKED && task["earlier"] == json!([BEFORE])));
    assert!(matches!(&events[place - 1], Event::LlmCall { purpose, .. } if purpose == "standalone"));
    let requests = chat.requests();
    let last = |n: usize| requests[n].messages.last().unwrap().content.clone();
    assert_eq!(last(0), format!("Earlier:\n- {BEFORE}\nQuestion: {ASKED}"));
    for later in [last(1), last(2)] {
        assert!(later.contains(ALONE) && !later.contains(ASKED) && !later.contains(BEFORE), "{later}");
    }
    let schema = requests[0].schema.as_ref().unwrap();
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["question"]), &json!(false)));
}

#[tokio::test]
async fn a_question_without_earlier_ones_takes_no_further_call() {
    let replies = || [dogs_plan(), says(&["There are 2 dogs."])];
    let (bare, none) = (Script::new(replies()), Script::new(replies()));
    let (report, events) = ask(&none, &task(BEFORE, &[])).await;
    assert!(report.standalone.is_none() && report.to_json().get("standalone").is_none());
    assert!(matches!(&events[0], Event::Started { task, .. } if task.get("earlier").is_none()));
    ask(&bare, &Task::new(BEFORE, vec![picture()]).with_mode(Mode::Controller)).await;
    assert_eq!(json!(bare.requests()[0].messages), json!(none.requests()[0].messages));
    assert_eq!((bare.requests().len(), none.requests().len()), (2, 2));
}

#[tokio::test]
async fn a_question_that_stands_alone_stays_as_it_is() {
    for same in ["How many dogs are there?", "  how many dogs are there", "How many dogs are there ?"] {
        let chat = Script::new([alone(same), dogs_plan(), says(&["There are 2 dogs."])]);
        let (report, events) = ask(&chat, &task("How many dogs are there?", &[BEFORE])).await;
        assert_eq!((report.standalone, report.answer.text.as_str()), (None, "There are 2 dogs."), "{same}");
        assert!(!events.iter().any(|event| matches!(event, Event::Rewritten { .. })), "{same}");
    }
}

#[tokio::test]
async fn the_last_few_questions_are_told_each_in_one_line() {
    let long = format!("Does it say \"{}\" on the first sign?", "word ".repeat(400));
    let earlier = ["One?", "Two\nlines?", "Three?", &long, "Five?"];
    let chat = Script::new([alone(ASKED), dogs_plan(), says(&["There are 2 dogs."])]);
    let (_, events) = ask(&chat, &task(ASKED, &earlier)).await;
    let told = chat.requests()[0].messages.last().unwrap().content.clone();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines.len(), lines[1], lines[2]), (6, "- Two lines?", "- Three?"), "{told}");
    assert!(lines[3].starts_with("- Does it say \"word") && lines[3].ends_with("on the first sign?"), "{told}");
    assert!(lines[3].chars().count() <= Task::MAX_EARLIER_LENGTH + 2 && lines[3].contains(" ... "), "{told}");
    // What is recorded is what is used, so that a replay asks the same.
    let Event::Started { task: told, .. } = &events[0] else { panic!("{events:?}") };
    let recorded: Vec<String> = serde_json::from_value(told["earlier"].clone()).unwrap();
    assert_eq!(recorded.iter().map(|q| format!("- {q}")).collect::<Vec<_>>(), lines[1..5]);
    // One so long needs no other to be understood.
    let chat = Script::new([dogs_plan(), says(&["There are 2 dogs."])]);
    let (report, _) = ask(&chat, &task(&long, &[BEFORE])).await;
    assert_eq!((report.standalone, chat.requests().len()), (None, 2));
}

#[tokio::test]
async fn what_was_asked_is_rewritten_in_its_own_words() {
    let good = [
        (
            "And the one on the right?",
            &["What colour is the car on the left?"][..],
            "What color is the car on the right?",
        ),
        ("And are they sitting?", &["How many people can you see?"], "Are the people sitting?"),
        ("Do they sit?", &["Are there two women?"], "Are the two women sitting?"),
        ("And in this one?", &["Is there a cat?"], "Is there a cat in this image?"),
        ("Is he happier?", &["Is the first man happy?", "And the second?"], "Is the second man happier?"),
        ("Does it say \"SALE 20%\"?", &["What is on the sign?"], "Does the sign say \"SALE 20%\"?"),
        ("Aren't they wet?", &["Are there dogs?"], "Aren't the dogs wet?"),
        ("And the 2 on the left?", &["What colour are the 3 cars?"], "What colour are the 2 cars on the left?"),
        (
            "And now the children?",
            &["How many of the women have an umbrella?"],
            "How many of the children have an umbrella?",
        ),
        ("那貓呢？", &["照片裡有幾隻狗？"], "照片裡有幾隻貓？"),
        ("那右邊的呢？", &["左邊的人穿什麼顏色的衣服？"], "右邊的人穿什麼顏色的衣服？"),
        // Both forms of Chinese are the same characters, where the question does not say which.
        ("那狗呢？", &["画面中有几个人？"], "画面中有几只狗？"),
        ("有沒有戴帽子？", &["左邊的人在做什麼？"], "左邊的人戴帽子嗎？"),
        ("右の人は？", &["左の人は何色の帽子をかぶっていますか？"], "右の人は何色の帽子をかぶっていますか？"),
        ("그중 몇 명이 모자를 쓰고 있나요?", &["사람이 몇 명 있나요?"], "사람들 중 몇 명이 모자를 쓰고 있나요?"),
        ("Und wie viele von ihnen tragen Hüte?", &["Wie viele Leute sind da?"], "Wie viele Leute tragen Hüte?"),
    ];
    for (question, earlier, rewritten) in good {
        let (told, events) = next(&task(question, earlier), rewritten).await;
        assert!(told.contains(rewritten), "{question} => {rewritten}: {told}");
        let known = Event::Rewritten { question: question.to_owned(), standalone: rewritten.to_owned() };
        assert!(events.contains(&known), "{question} => {rewritten}: {told}");
    }
}

#[tokio::test]
async fn what_nobody_asked_is_refused() {
    let hats = || task("And how many of them wear hats?", &[BEFORE]);
    let cases = [
        (hats(), "How many of the people wear red hats?", "\"red\" stands in none of the questions"),
        (hats(), "How many of the tourists wear hats?", "\"tourists\" stands in none"),
        (hats(), "How many of the 3 people wear hats?", "\"3\" stands in none"),
        (hats(), BEFORE, "it leaves out \"wear\""),
        (hats(), "How many of the people do not wear hats?", "nothing was denied"),
        (hats(), "How many people are there? How many wear hats?", "more than one question"),
        (hats(), "其中有幾個人戴帽子？", "it is not in English"),
        (hats(), " ?! ", "it says nothing"),
        (task("And without hats?", &[BEFORE]), "How many people are there with hats?", "it leaves out the \"not\""),
        (task("And who isn't?", &["Who is smiling?"]), "Who is smiling?", "it leaves out the \"not\""),
        (
            task("And the other 2?", &["What do the 3 men wear?"]),
            "What do the other men wear?",
            "leaves out the number 2",
        ),
        (
            task("Is \"A-7\" on it?", &["What is on the sign?"]),
            "Is A7 on the sign?",
            "it leaves out or changes \"A-7\"",
        ),
        (task("Where are they?", &[BEFORE]), BEFORE, "it leaves out \"where\""),
        (
            task("And the other one?", &["What colour is the car?"]),
            "What colour is the car?",
            "an earlier question again",
        ),
        (
            task("And the handbag?", &["What colour is the hand?"]),
            "What colour is the hand?",
            "it leaves out \"handbag\"",
        ),
        (
            task("안경 안 쓴 사람은?", &["사람이 몇 명 있나요?"]),
            "안경 쓴 사람은 몇 명 있나요?",
            "it leaves out the \"not\"",
        ),
        (task("那貓呢？", &["照片裡有幾隻狗？"]), "照片裡有幾隻狗？", "it leaves out \"猫\""),
        (task("那貓呢？", &["照片裡有幾隻狗？"]), "照片裡有幾隻白貓？", "\"白\" stands in none"),
        (task("那麼貓呢？", &["画面中有几只狗？"]), "画面中有几只猫？", "it is not in Traditional Chinese"),
        (
            task("And this?", &["What colour is the car?"]).with_region(Pointed::rect(1.0, 1.0, 4.0, 4.0)),
            "What colour is the car?",
            "it leaves out \"this\"",
        ),
    ];
    for (task, reply, fault) in cases {
        let (told, events) = next(&task, reply).await;
        assert!(told.contains("That is not right") && told.contains(fault), "{reply}: {told}");
        assert!(!events.iter().any(|event| matches!(event, Event::Rewritten { .. })), "{reply}");
    }
    fault_of(&hats(), "How many of the people wear red hats?").await;
}

#[tokio::test]
async fn a_faulty_question_is_rewritten_once_more() {
    let replies = [alone(BEFORE), alone(ALONE), dogs_plan(), says(&["There are 2 dogs."])];
    let chat = Script::new(replies);
    let (report, _) = ask(&chat, &task(ASKED, &[BEFORE])).await;
    assert_eq!(report.standalone.as_deref(), Some(ALONE));
    let chat = Script::new([json!({ "english": ALONE }), alone(ALONE), dogs_plan(), says(&["There are 2 dogs."])]);
    let (report, _) = ask(&chat, &task(ASKED, &[BEFORE])).await;
    assert_eq!(report.standalone.as_deref(), Some(ALONE));
    assert!(chat.requests()[1].messages.last().unwrap().content.contains("it is not complete"));
}

#[tokio::test]
async fn an_llm_that_fails_leaves_the_question_as_it_was_asked() {
    let chat = Script::failing(Error::new(ErrorKind::Model, "it is out of order"));
    chat.then(Error::new(ErrorKind::Model, "it is out of order"));
    ask(&chat, &task(ASKED, &[BEFORE])).await;
    assert!(chat.requests()[1].messages.last().unwrap().content.contains(ASKED), "it is planned as it was asked");
    for kind in [ErrorKind::Cancelled, ErrorKind::Budget] {
        let chat = Script::failing(Error::new(kind, "no more"));
        let (report, _) = ask(&chat, &task(ASKED, &[BEFORE])).await;
        assert_eq!((report.error.unwrap().kind, chat.requests().len()), (kind, 1));
    }
}

#[tokio::test]
async fn a_chinese_question_stands_alone_before_it_is_translated_and_is_answered_in_its_language() {
    let (asked, chinese) = ("那狗呢？", "画面中有几只狗？");
    let replies = [
        alone(chinese),
        json!({ "english": "How many dogs are there in the picture?" }),
        dogs_plan(),
        says(&["There are 2 dogs."]),
        json!({ "answer": "画面中有 2 只狗。" }),
    ];
    let chat = Script::new(replies);
    let (report, events) = ask(&chat, &task(asked, &["画面中有几个人？"])).await;
    assert_eq!(report.answer.text, "画面中有 2 只狗。", "{:?}", report.answer.unstyled);
    let json = report.to_json();
    assert_eq!(
        (&json["standalone"], &json["translated"]),
        (&json!(chinese), &json!("How many dogs are there in the picture?"))
    );
    let calls: Vec<&str> = events
        .iter()
        .filter_map(|event| if let Event::LlmCall { purpose, .. } = event { Some(purpose.as_str()) } else { None })
        .collect();
    assert_eq!(calls, ["standalone", "translate", "plan", "refine", "style"]);
    let last = |n: usize| chat.requests()[n].messages.last().unwrap().content.clone();
    assert_eq!(last(1), chinese);
    assert!(last(4).contains(chinese) && last(4).contains("Simplified Chinese"), "{}", last(4));
}

#[tokio::test]
async fn a_plan_alone_is_of_a_question_that_stands_alone() {
    let chat = Script::new([alone(ALONE), dogs_plan()]);
    let agent = Agent::builder().chat(chat.clone()).catalog(tools()).build().unwrap();
    agent.plan(&task(ASKED, &[BEFORE]), Watch::default()).await.unwrap();
    assert!(chat.requests()[1].messages.last().unwrap().content.contains(ALONE));
}

#[tokio::test]
async fn a_demo_that_is_learned_has_the_question_that_stands_alone() {
    let chat = Script::new([alone(ALONE), dogs_plan(), says(&["There are 2 dogs."])]);
    let agent = Agent::builder().chat(chat).catalog(tools()).build().unwrap();
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    agent.ask_watched(&task(ASKED, &[BEFORE]), watch).await.unwrap();
    let demo = lavr::demo::learn(&record.entries(), &tools(), None).unwrap();
    assert_eq!(demo.question, ALONE);
}

#[tokio::test]
async fn what_the_user_points_at_stays_this() {
    let region = Pointed::rect(1.0, 1.0, 4.0, 4.0);
    let chat = Script::new([alone("What colour is this car?"), dogs_plan(), says(&["There are 2 dogs."])]);
    ask(&chat, &task("And this?", &["What colour is the car?"]).with_region(region)).await;
    let told = chat.requests()[0].messages.last().unwrap().content.clone();
    assert!(told.ends_with("that the user points at, and stays \"this\"."), "{told}");
}

/// The demos show what is taken: their questions stand the check, and those that stand alone stay as they are.
#[tokio::test]
async fn the_demos_stand_the_check() {
    let prompts = Prompts::builtin().unwrap();
    let demos = prompts.standalone_demos();
    assert!(demos.iter().any(|demo| demo.question == demo.standalone) && demos.len() >= 4);
    for demo in demos {
        let earlier: Vec<&str> = demo.earlier.iter().map(String::as_str).collect();
        let (next, _) = next(&task(&demo.question, &earlier), &demo.standalone).await;
        assert!(next.contains(&demo.standalone) && !next.contains("That is not right"), "{next}");
    }
}

#[test]
fn earlier_questions_are_checked_as_the_question_is() {
    let said = |earlier: &str| task(ASKED, &["One?", earlier]).validate().unwrap_err().to_string();
    assert_eq!(said(" "), "earlier question 2 is empty; leave it out");
    assert!(
        said(&"x".repeat(Task::MAX_QUESTION + 1)).contains("earlier question 2 has 4001 characters, more than 4000")
    );
    assert!(task(ASKED, &[&"x".repeat(Task::MAX_QUESTION)]).validate().is_ok());
}

fn sentence() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "how",
            "many",
            "people",
            "hats",
            "wear",
            "not",
            "2",
            "\"A 1\"",
            "狗",
            "有沒有",
            "?",
            "？",
            "이",
            "n't"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,8}",
    ];
    prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is asked and replied, a run comes to its answer; and a question that is used has no number and no
    /// longer word that nobody asked.
    #[test]
    fn no_reply_brings_anything_of_its_own(question in sentence(), earlier in sentence(), reply in sentence()) {
        prop_assume!(!question.trim().is_empty() && !earlier.trim().is_empty());
        let task = task(&question, &[&earlier]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_, events) = runtime.block_on(next(&task, &reply));
        let rewritten = events.iter().find_map(|event| match event {
            Event::Rewritten { standalone, .. } => Some(standalone.to_lowercase()),
            _ => None,
        });
        if let Some(rewritten) = rewritten {
            let all = format!("{earlier} {question}").to_lowercase();
            let strange = |word: &&str| word.chars().count() > 9 || word.chars().all(|c| c.is_ascii_digit());
            let words = rewritten.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            for word in words.filter(strange) {
                let stem: String = word.chars().take(4).collect();
                prop_assert!(all.contains(&stem), "{word} in {rewritten}");
            }
        }
    }

    /// A word from nowhere is refused, wherever it stands.
    #[test]
    fn a_word_from_nowhere_is_refused(word in "[b-df-hj-np-tv-z]{3}[aou]zq[a-z]{1,6}", at in 0_usize..7) {
        let mut words: Vec<&str> = "How many of the people wear hats".split(' ').collect();
        words.insert(at.min(words.len()), &word);
        let reply = format!("{}?", words.join(" "));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = runtime.block_on(fault_of(&task("And how many of them wear hats?", &[BEFORE]), &reply));
        prop_assert!(told.contains(&format!("\"{word}\" stands in none of the questions")), "{}", told);
    }
}
