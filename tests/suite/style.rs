//! Styles: answers worded in another way or language, held against their claims.

use std::sync::Arc;

use lavr::agent::{Agent, Report, Watch};
use lavr::answer::Status;
use lavr::config::Config;
use lavr::image::Image;
use lavr::refiner::Evidence;
use lavr::style::{Format, Language, Style};
use lavr::task::{Mode, Task};
use lavr::tool::SharedTool;
use lavr::trace::Event;
use lavr::value::Value;
use serde_json::{Value as Json, json};

use crate::fakes::{Record, Script, catalog, lines, picture, quick, regions};

fn tools() -> Vec<SharedTool> {
    vec![
        quick("find_things", &["image: Image", "label?: Text"], "List<Region>", |_| {
            Ok(regions(&["person", "person", "person"]))
        }),
        quick("count", &["items: List<Any>"], "Number", |args| {
            let many = if let Some(Value::List(items)) = args.get("items") { items.len() } else { 0 };
            Ok(Value::Number(many as f64))
        }),
        quick("read_text", &["image: Image"], "List<Line>", |_| Ok(lines(&["OPEN DAILY 9-17"]))),
    ]
}

fn plan() -> Json {
    json!({ "steps": [
        { "id": "people", "tool": "find_things", "args": { "image": "$image" } },
        { "id": "n", "tool": "count", "args": { "items": "$people" } },
        { "id": "text", "tool": "read_text", "args": { "image": "$image" } },
    ], "result": "$n" })
}

fn says(sentences: &[&str]) -> Json {
    json!({ "answerable": true, "answer": sentences })
}

fn worded(text: &str) -> Json {
    json!({ "answer": text })
}

const COUNT: &str = "There are 3 people.";
const SIGN: &str = "The sign says \"OPEN DAILY 9-17\".";
const QUESTION: &str = "How many people are there, and what does the sign say?";

fn style(settings: &str) -> Style {
    Style::default().with(settings).unwrap()
}

async fn ask_of(chat: &Arc<Script>, question: &str, images: usize, style: Style) -> (Report, Vec<Event>) {
    let agent = Agent::builder().chat(chat.clone()).catalog(catalog(tools())).build().unwrap();
    let images: Vec<Image> = (0..images).map(|_| picture()).collect();
    let task = Task::new(question, images).with_mode(Mode::Controller).with_style(style);
    let record = Arc::new(Record::default());
    let watch = Watch { sinks: vec![record.clone()], ..Watch::default() };
    let report = agent.ask_watched(&task, watch).await.unwrap();
    (report, record.entries().into_iter().map(|entry| entry.event).collect())
}

async fn ask(chat: &Arc<Script>, question: &str, settings: &str) -> Report {
    ask_of(chat, question, 1, style(settings)).await.0
}

/// The question about people and sign, with these wordings.
async fn styled(settings: &str, wordings: &[Json]) -> (Report, Arc<Script>) {
    let chat = Script::new([plan(), says(&[COUNT, SIGN])].into_iter().chain(wordings.iter().cloned()));
    (ask(&chat, QUESTION, settings).await, chat)
}

#[tokio::test]
async fn the_default_style_takes_no_further_call() {
    let (report, chat) = styled("", &[]).await;
    assert_eq!(report.answer.text, format!("{COUNT} {SIGN}"));
    assert_eq!(chat.requests().len(), 2, "a plan, and an answer");
    assert!(report.answer.unstyled.is_none() && report.translated.is_none());
}

#[tokio::test]
async fn another_tone_is_another_wording_of_the_same_claims() {
    let text = "Hello! You can see 3 people here, and the sign reads \"OPEN DAILY 9-17\".";
    let (report, chat) = styled("tone=friendly,audience=children", &[worded(text)]).await;
    assert_eq!(report.answer.text, text);
    let claims: Vec<&str> = report.answer.claims.iter().map(|claim| claim.text.as_str()).collect();
    assert_eq!(claims, [COUNT, SIGN], "what the answer rests on stays");
    let asked = chat.requests().pop().unwrap();
    let said = &asked.messages[0].content;
    for part in [COUNT, SIGN, "friendly", "for children", "in English", "Keep: \"OPEN DAILY 9-17\", 3"] {
        assert!(said.contains(part), "`{part}` is missing from {said}");
    }
    assert!(asked.prefix[0].content.contains("never an instruction"), "{:?}", asked.prefix[0]);
}

#[tokio::test]
async fn wording_that_changes_a_number_or_a_quotation_is_asked_again_and_then_dropped() {
    let good = worded("In all, 3 people; the sign: \"OPEN DAILY 9-17\".");
    let wrong = [
        ("4 people stand by the sign \"OPEN DAILY 9-17\".", "the number 4"),
        ("Three people and 2 dogs, and the sign \"OPEN DAILY 9-17\".", "the number 2"),
        ("Some people stand by the sign \"OPEN DAILY 9-17\".", "leaves out the number 3"),
        ("3 people stand by the sign \"OPEN EVERY DAY 9-17\".", "OPEN DAILY 9-17"),
        ("3 people, \"OPEN DAILY 9-17\", and \"NO ENTRY\".", "NO ENTRY"),
    ];
    for (text, fault) in wrong {
        let (report, chat) = styled("tone=formal", &[worded(text), good.clone()]).await;
        assert_eq!(report.answer.text, good["answer"].as_str().unwrap(), "{text}");
        let told = chat.requests().pop().unwrap().messages.pop().unwrap().content;
        assert!(told.contains(fault), "{text}: {told}");
        let (report, _) = styled("tone=formal", &[worded(text), worded(text)]).await;
        assert_eq!(report.answer.text, format!("{COUNT} {SIGN}"), "{text}");
        let reason = report.answer.unstyled.clone().unwrap();
        assert!(reason.contains(fault), "{reason}");
        assert_eq!(report.to_json()["unstyled"], json!(reason));
        assert_eq!(report.answer.status, Status::Answered);
    }
}

#[tokio::test]
async fn a_short_answer_may_leave_something_out_and_add_nothing() {
    let (report, _) = styled("length=short", &[worded("3 people.")]).await;
    assert_eq!(report.answer.text, "3 people.");
    let (report, _) = styled("length=short", &[worded("4."), worded("5.")]).await;
    assert!(report.answer.unstyled.is_some(), "{}", report.answer.text);
}

#[tokio::test]
async fn a_no_stays_a_no() {
    let plan = json!({ "steps": [{ "id": "dogs", "tool": "none", "args": { "image": "$image", "label": "dog" } }], "result": "$dogs" });
    let none = quick("none", &["image: Image", "label?: Text"], "List<Region>", |_| Ok(Value::List(Vec::new())));
    for (language, wrong, right) in [
        ("en", "Yes, a dog is in the picture.", "I am sorry, there is no dog."),
        ("zh-Hant", "有，圖中有狗。", "沒有，圖中沒有狗。"),
    ] {
        let chat = Script::new([plan.clone(), says(&["No, there is no dog."]), worded(wrong), worded(right)]);
        let agent = Agent::builder().chat(chat.clone()).catalog(catalog([none.clone()])).build().unwrap();
        let style = style(&format!("tone=friendly,language={language}"));
        let task = Task::new("Is there a dog?", vec![picture()]).with_style(style);
        let report = agent.ask(&task).await.unwrap();
        assert_eq!(report.answer.text, right, "{:?}", report.answer.unstyled);
        let told = chat.requests().pop().unwrap().messages.pop().unwrap().content;
        assert!(told.contains("the answer is no"), "{told}");
    }
}

#[tokio::test]
async fn an_english_question_is_answered_in_traditional_chinese_with_quotations_as_they_were_read() {
    let text = "圖中有三個人，牌子上寫著「OPEN DAILY 9-17」。";
    let (report, chat) = styled("language=zh-Hant", &[worded(text)]).await;
    assert_eq!(report.answer.text, text, "{:?}", report.answer.unstyled);
    assert_eq!(chat.requests().len(), 3, "nothing is translated");
    // Numerals count as numbers where they count something; 三明治 is no 3.
    let four = worded("圖中有四個人，牌子上寫著「OPEN DAILY 9-17」。");
    let (report, _) = styled("language=zh-Hant", &[four.clone(), four]).await;
    assert!(report.answer.unstyled.unwrap().contains("the number 4"));
    let sandwich = worded("圖中有 3 個人和三明治，第二個牌子寫「OPEN DAILY 9-17」。");
    assert!(styled("language=zh-Hant", &[sandwich]).await.0.answer.unstyled.is_none());
    let english = worded("There are 3 people at \"OPEN DAILY 9-17\".");
    let (report, _) = styled("language=zh-Hant", &[english.clone(), english]).await;
    assert!(report.answer.unstyled.unwrap().contains("not in Traditional Chinese"));
}

#[tokio::test]
async fn simplified_characters_do_not_slip_into_traditional_chinese() {
    // Those with one traditional form are written so, the others are asked for again; quotations stay.
    let simplified = worded("图片里有 3 个人，牌子写着「OPEN DAILY 9-17」。");
    let (report, _) = styled("language=zh-Hant", &[simplified]).await;
    assert_eq!(report.answer.text, "圖片裡有 3 個人，牌子寫着「OPEN DAILY 9-17」。");
    let left = worded("3 個人出发了，「OPEN DAILY 9-17」。");
    let right = worded("3 個人出發了，「OPEN DAILY 9-17」。");
    let (report, chat) = styled("language=zh-Hant", &[left.clone(), right.clone()]).await;
    assert_eq!(report.answer.text, right["answer"].as_str().unwrap());
    assert!(chat.requests().pop().unwrap().messages.pop().unwrap().content.contains('发'));
    let (report, _) = styled("language=zh-Hant", &[left.clone(), left]).await;
    assert!(report.answer.unstyled.unwrap().contains('发'));
    let (report, _) = styled("language=zh-Hans", &[worded("圖中有 3 個人，「OPEN DAILY 9-17」。")]).await;
    assert_eq!(report.answer.text, "图中有 3 个人，「OPEN DAILY 9-17」。");
}

#[tokio::test]
async fn a_question_in_traditional_chinese_goes_through_in_english_and_is_answered_as_it_was_asked() {
    let asked = "畫面中有幾個人？牌子寫什麼？";
    let english = json!({ "english": QUESTION });
    let text = "畫面中有 3 個人，牌子寫著「OPEN DAILY 9-17」。";
    let chat = Script::new([english, plan(), says(&[COUNT, SIGN]), worded(text)]);
    let (report, events) = ask_of(&chat, asked, 1, Style::default()).await;
    assert_eq!(report.answer.text, text, "{:?}", report.answer.unstyled);
    assert_eq!(report.answer.claims.len(), 2);
    assert_eq!(report.to_json()["translated"], json!(QUESTION));
    assert!(matches!(&events[0], Event::Started { question, .. } if question == asked));
    let calls: Vec<&str> = events
        .iter()
        .filter_map(|event| if let Event::LlmCall { purpose, .. } = event { Some(purpose.as_str()) } else { None })
        .collect();
    assert_eq!(calls, ["translate", "plan", "refine", "style"]);
    let requests = chat.requests();
    let last = |n: usize| requests[n].messages.last().unwrap().content.clone();
    assert!(last(1).contains(QUESTION) && last(2).contains(QUESTION), "planned and judged in English");
    assert!(last(3).contains(asked) && last(3).contains("Traditional Chinese"), "{}", last(3));
}

#[tokio::test]
async fn a_translation_keeps_numbers_and_quotations_or_is_not_used() {
    let asked = "有沒有三個人在「出口 5」旁邊？";
    let right = json!({ "english": "Are there three people beside \"出口 5\"?" });
    let wrong = [
        ("Are there two people beside \"出口 5\"?", "2"),
        ("Are there people beside \"出口 5\"?", "3"),
        ("Are there three people beside \"Exit 5\"?", "出口 5"),
        ("有三個人「出口 5」", "not in English"),
    ];
    for (text, fault) in wrong {
        let again = [json!({ "english": text }), right.clone(), plan(), says(&[COUNT]), worded("有 3 個人。")];
        let chat = Script::new(again);
        let report = ask(&chat, asked, "").await;
        assert_eq!(report.translated.as_deref(), right["english"].as_str(), "{text}");
        let told = chat.requests()[1].messages.last().unwrap().content.clone();
        assert!(told.contains(fault), "{text}: {told}");
    }
    let bad = json!({ "english": "Are there people?" });
    let chat = Script::new([bad.clone(), bad, plan(), says(&[COUNT]), worded("有 3 個人。")]);
    let report = ask(&chat, asked, "").await;
    assert!(report.translated.is_none());
    assert_eq!(report.answer.text, "有 3 個人。", "it goes on with the question as it was asked");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_language_of_the_question() {
    let missing = json!({ "answerable": false, "missing": "it does not show the time" });
    let chat = Script::new([json!({ "english": "What time is it?" }), plan(), missing, worded("從圖中看不出時間。")]);
    let report = ask(&chat, "現在時間是什麼？", "").await;
    assert_eq!((report.answer.status, report.answer.text.as_str()), (Status::Unanswerable, "從圖中看不出時間。"));
}

#[tokio::test]
async fn what_is_known_besides_is_marked_as_not_from_the_image() {
    let reply = |text: &str, knowledge: &str| json!({ "answer": text, "knowledge": knowledge });
    let same = format!("{COUNT} {SIGN}");
    let (report, chat) = styled("facts=knowledge", &[reply(&same, "Shops open in the morning.")]).await;
    assert_eq!(report.answer.text, format!("{same} (not from the image) Shops open in the morning."));
    assert_eq!(report.answer.added.as_deref(), Some("Shops open in the morning."));
    assert_eq!(report.to_json()["added"], "Shops open in the morning.");
    assert_eq!(report.answer.claims.len(), 2);
    assert!(chat.requests().pop().unwrap().schema.unwrap()["properties"].get("knowledge").is_some());
    let chinese = reply("有 3 個人，「OPEN DAILY 9-17」。", "商店多半在早上開門。");
    let (report, _) = styled("facts=knowledge,language=zh-Hant", &[chinese]).await;
    assert!(report.answer.text.ends_with("（非圖中所見）商店多半在早上開門。"), "{}", report.answer.text);
    // Without the wish there is no place for it.
    let (report, chat) = styled("tone=formal", &[reply(&same, "Shops open in the morning.")]).await;
    assert_eq!((report.answer.text, report.answer.added), (same, None));
    assert!(chat.requests().pop().unwrap().schema.unwrap()["properties"].get("knowledge").is_none());
}

#[tokio::test]
async fn lists_have_a_line_for_each_claim() {
    let (report, chat) = styled("format=list", &[]).await;
    assert_eq!(report.answer.text, format!("• {COUNT}\n• {SIGN}"));
    assert_eq!(chat.requests().len(), 2, "no other words, no other call");
    let lines = json!({ "answer": ["3 個人", "「OPEN DAILY 9-17」"] });
    let (report, _) = styled("format=markdown,language=zh-Hant", &[lines]).await;
    assert_eq!(report.answer.text, "- 3 個人\n- 「OPEN DAILY 9-17」");
}

#[tokio::test]
async fn nothing_that_was_read_acts_as_markdown() {
    let read = quick("read_text", &["image: Image"], "List<Line>", |_| Ok(lines(&["[x](http://a.b) <b>", "*2*"])));
    let plan =
        json!({ "steps": [{ "id": "text", "tool": "read_text", "args": { "image": "$image" } }], "result": "$text" });
    let chat = Script::new([plan, says(&["{text}"])]);
    let agent = Agent::builder().chat(chat.clone()).catalog(catalog([read])).build().unwrap();
    let task = Task::new("Read the page.", vec![picture()]).with_style(style("format=markdown"));
    let report = agent.ask(&task).await.unwrap();
    assert_eq!(report.answer.text, "- \\[x\\](http://a.b) \\<b\\>\n- \\*2\\*");
}

#[tokio::test]
async fn text_that_is_only_read_is_neither_translated_nor_worded() {
    let plan =
        json!({ "steps": [{ "id": "text", "tool": "read_text", "args": { "image": "$image" } }], "result": "$text" });
    let chat = Script::new([plan, says(&["{text}"])]);
    let report = ask(&chat, "What does the sign say?", "language=zh-Hant,tone=friendly").await;
    assert!(report.answer.text.contains("OPEN DAILY 9-17"), "{}", report.answer.text);
    assert!(report.answer.unstyled.is_none());
}

fn schema() -> Json {
    json!({ "type": "object", "properties": {
        "people": { "type": "integer" },
        "sign": { "type": "string" },
        "crowded": { "enum": ["crowded", "quiet"] },
    }, "required": ["people"], "additionalProperties": false })
}

async fn as_json(replies: &[&str]) -> (Report, Arc<Script>) {
    let start = [plan(), says(&[COUNT, SIGN])].map(|reply| reply.to_string());
    let chat = Script::new(start.into_iter().chain(replies.iter().map(|reply| (*reply).to_owned())));
    let (report, _) = ask_of(&chat, QUESTION, 1, Style::default().with_schema(schema())).await;
    (report, chat)
}

#[tokio::test]
async fn json_fits_the_schema_and_its_values_stand_in_the_claims() {
    let reply = r#"{"people": 3, "sign": "OPEN DAILY 9-17", "crowded": "quiet"}"#;
    let (report, chat) = as_json(&[reply]).await;
    assert_eq!(report.answer.text, reply, "{:?}", report.answer.unstyled);
    assert_eq!(report.answer.data.as_deref(), Some(&serde_json::from_str::<Json>(reply).unwrap()));
    assert_eq!(report.to_json()["data"]["people"], 3);
    assert_eq!(chat.requests().pop().unwrap().schema, Some(schema()));
    let wrong = [
        (r#"{"people": 4}"#, "the number 4"),
        (r#"{"people": 3, "sign": "CLOSED"}"#, "`closed`"),
        (r#"{"people": "3"}"#, "JSON Schema"),
        (r#"{"people": 3"#, "JSON"),
    ];
    for (reply, fault) in wrong {
        let (report, _) = as_json(&[reply, reply]).await;
        assert!(report.answer.unstyled.clone().unwrap().contains(fault), "{reply}: {:?}", report.answer.unstyled);
        assert_eq!((report.answer.text, report.answer.data), (format!("{COUNT} {SIGN}"), None));
        let (report, _) = as_json(&[reply, r#"{"people": 3}"#]).await;
        assert_eq!(report.answer.text, r#"{"people": 3}"#);
    }
}

#[tokio::test]
async fn an_llm_that_fails_leaves_the_answer_as_it_was() {
    use lavr::error::{Error, ErrorKind};
    let chat = Script::new([plan(), says(&[COUNT])]);
    chat.then(Error::new(ErrorKind::Network, "gone"));
    let report = ask(&chat, QUESTION, "tone=formal").await;
    assert!(report.answer.text.starts_with(COUNT) && report.error.is_none(), "{:?}", report.answer);
    assert!(report.answer.unstyled.unwrap().contains("gone"));
}

#[test]
fn styles_are_read_and_shown_as_settings() {
    let all = "length=short,tone=formal,language=zh-Hant,audience=a doctor,facts=knowledge,format=list";
    assert_eq!(style(all).to_string(), all);
    assert_eq!(Style::default().to_string(), "");
    assert_eq!(style("format=list,format=sentence"), Style::default());
    for (given, language) in [
        ("zh-TW", Language::Traditional),
        ("繁體中文", Language::Traditional),
        ("zh_cn", Language::Simplified),
        ("English", Language::English),
        ("pt-BR", Language::Other("pt-BR".to_owned())),
    ] {
        assert_eq!(style(&format!("language={given}")).language, language);
    }
    assert_eq!(Language::Other("pt-BR".to_owned()).name(), "Portuguese");
    for (wrong, part) in [
        ("length=long", "normal, short, detailed"),
        ("tone", "KEY=VALUE"),
        ("colour=red", "length, tone, language, audience, facts, format"),
        ("language=!", "zh-Hant"),
    ] {
        let error = Style::default().with(wrong).unwrap_err().to_string();
        assert!(error.contains(part), "{wrong}: {error}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let refused = |style: Style, part: &str| {
        let error = Task::new("What?", Vec::new()).with_style(style).validate().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(style("format=json"), "--schema");
    refused(style("facts=knowledge").with_schema(schema()), "facts=knowledge");
    refused(Style { format: Format::List, ..Style::default().with_schema(schema()) }, "format=json");
    refused(Style::default().with_schema(json!([1])), "no JSON object");
    refused(Style::default().with_schema(json!({ "type": "colour" })), "cannot be used");
    refused(style(&format!("audience={}", "x".repeat(99))), "audience");
    assert!(Style::default().with_schema(schema()).validate().is_ok());
}

#[test]
fn a_configuration_file_has_a_style() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lavr.toml");
    std::fs::write(&file, "[style]\ntone = \"formal\"\nlanguage = \"zh-Hant\"\n").unwrap();
    let config = Config::open(&file).unwrap();
    assert_eq!(config.style, style("tone=formal,language=zh-Hant"));
    assert_eq!(config.task("What?", Vec::new()).style, config.style);
    std::fs::write(&file, "[style]\nformat = \"json\"\n").unwrap();
    assert!(Config::open(&file).unwrap_err().to_string().contains("schema"));
}

#[test]
fn the_language_of_a_question_follows_from_its_script() {
    for (question, language) in [
        ("How many people are there?", Language::English),
        ("What does \"出口在那邊\" mean?", Language::English),
        ("Wie viele Leute?", Language::English),
        ("畫面中有幾個人？", Language::Traditional),
        ("有人在那里？", Language::Traditional),
        ("画面中有几个人？", Language::Simplified),
        ("標誌寫著「STOP HERE NOW」嗎？", Language::Traditional),
        ("写真に何人いますか？", Language::Other("Japanese".to_owned())),
        ("사람이 몇 명 있습니까?", Language::Other("Korean".to_owned())),
    ] {
        assert_eq!(Language::of(question), language, "{question}");
    }
}

// ------------------------------------------------------------------ several images

fn of_two() -> Json {
    json!({ "steps": [
        { "id": "people", "tool": "find_things", "args": { "image": "$image", "label": "person" } },
        { "id": "people_2", "tool": "find_things", "args": { "image": "$image2", "label": "person" } },
        { "id": "n", "tool": "count", "args": { "items": "$people" } },
        { "id": "n_2", "tool": "count", "args": { "items": "$people_2" } },
    ], "result": "$n_2" })
}

#[tokio::test]
async fn evidence_of_several_images_says_of_which_each_line_is() {
    let chat = Script::new([of_two(), says(&["The first image has 3 people.", "There are 3 people."])]);
    let (report, _) = ask_of(&chat, "How many people are in each picture?", 2, Style::default()).await;
    let prompt = chat.requests().pop().unwrap().messages.pop().unwrap().content;
    for line in [
        "people: find_things(\"person\") in the first image = ",
        "people_2: find_things(\"person\") in the second image = ",
        "n: count(people) in the first image = 3",
        "n_2: count(people_2) in the second image = 3",
    ] {
        assert!(prompt.contains(line), "`{line}` is missing from {prompt}");
    }
    assert_eq!(report.answer.status, Status::Answered);
    // With one image nothing is said of it.
    let known = Evidence::gather("?", &report.trace).text();
    assert!(known.contains("second image"), "{known}");
    let chat = Script::new([plan(), says(&[COUNT])]);
    ask_of(&chat, QUESTION, 1, Style::default()).await;
    let prompt = chat.requests().pop().unwrap().messages.pop().unwrap().content;
    assert!(!prompt.contains("first image"), "{prompt}");
}

#[tokio::test]
async fn claims_of_several_images_say_of_which_they_are() {
    let tools = vec![quick("read_text", &["image: Image"], "List<Line>", |args| {
        let bright = args.image("image").unwrap().pixels().get_pixel(0, 0).0[0] > 100;
        Ok(lines(&[if bright { "EXIT" } else { "OPEN" }]))
    })];
    let plan = json!({ "steps": [
        { "id": "one", "tool": "read_text", "args": { "image": "$image" } },
        { "id": "two", "tool": "read_text", "args": { "image": "$image2" } },
    ], "result": "$two" });
    let dark = Image::from_pixels(image::RgbImage::new(8, 6), lavr::image::Frame::ROOT);
    for (said, text) in [
        (
            ["It says \"EXIT\".", "It says \"OPEN\"."],
            "In the first image: It says \"EXIT\". In the second image: It says \"OPEN\".",
        ),
        (
            ["The first sign says \"EXIT\".", "The second sign says \"OPEN\"."],
            "The first sign says \"EXIT\". The second sign says \"OPEN\".",
        ),
    ] {
        let chat = Script::new([plan.clone(), says(&said)]);
        let agent = Agent::builder().chat(chat).catalog(catalog(tools.clone())).build().unwrap();
        let task = Task::new("What do the signs say?", vec![picture(), dark.clone()]);
        assert_eq!(agent.ask(&task).await.unwrap().answer.text, text);
    }
}

// ------------------------------------------------------------------ the embedded LLM

mod with_the_embedded_llm {
    use super::{Language, Report, Status, Style, Task, json, style};
    use crate::real;

    fn ask(question: &str, picture: &str, style: Style) -> Report {
        let limits = lavr::config::Config::default().images;
        let image = lavr::image::Image::open(real::picture(picture), &limits).unwrap();
        real::block_on(real::agent().ask(&Task::new(question, vec![image]).with_style(style))).unwrap()
    }

    /// In traditional Chinese: its characters, and none of those of simplified Chinese.
    #[track_caller]
    fn is_traditional(report: &Report) {
        let text = &report.answer.text;
        assert!(report.answer.unstyled.is_none(), "{text}: {:?}", report.answer.unstyled);
        assert_eq!(Language::of(text), Language::Traditional, "{text}");
        assert!(!text.chars().any(|c| "个们图张没这画里写".contains(c) && c != '里'), "{text}");
    }

    #[test]
    fn a_question_in_traditional_chinese_is_answered_in_it() {
        let _turn = real::turn();
        let report = ask("畫面中有幾個人？", "gallery.jpg", Style::default());
        println!("{:?} -> {}", report.translated, report.answer.text);
        assert_eq!(report.answer.status, Status::Answered);
        is_traditional(&report);
        assert!(report.answer.text.contains(['3', '三']), "{}", report.answer.text);
        assert!(!report.answer.claims.is_empty());
    }

    #[test]
    fn an_english_question_is_answered_in_traditional_chinese() {
        let _turn = real::turn();
        let question = "What does the sign say, and how many people are there?";
        let report = ask(question, "gallery.jpg", style("language=zh-Hant"));
        println!("{}", report.answer.text);
        is_traditional(&report);
        assert!(report.answer.text.contains("OPEN DAILY 9-17"), "{}", report.answer.text);
        assert!(report.answer.text.contains(['3', '三']), "{}", report.answer.text);
    }

    #[test]
    fn an_answer_fits_a_json_schema() {
        let _turn = real::turn();
        let properties = json!({ "people": { "type": "integer" }, "sign": { "type": "string" } });
        let schema = json!({ "type": "object", "properties": properties, "required": ["people", "sign"],
            "additionalProperties": false });
        let question = "What does the sign say, and how many people are there?";
        let report = ask(question, "gallery.jpg", Style::default().with_schema(schema));
        println!("{}", report.answer.text);
        assert_eq!(
            report.answer.data.as_deref(),
            Some(&json!({ "people": 3, "sign": "OPEN DAILY 9-17" })),
            "{:?}",
            report.answer
        );
    }
}
