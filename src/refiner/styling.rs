//! Styling: an answer worded anew, and dropped where its facts do not come through.

mod held;
mod json;
mod lines;
mod number;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use self::held::{Held, one_line, turned};
pub(crate) use self::held::{left_out, unlike};
use super::in_words::{texts_of, whole_text};
use crate::answer::{Answer, Claim, Status};
use crate::chat::{ChatModel, ChatRequest, layers};
use crate::cx::Cx;
use crate::error::{ErrorKind, Result};
use crate::message::Message;
use crate::prompt::{Prompts, Wish};
use crate::style::{Facts, Format, Language, Length, Style, Tone};
use crate::task::Task;
use crate::trace::Trace;
use crate::value::Value;

/// Most tokens of a reply.
const MAX_TOKENS: u32 = 600;
/// Fewest characters that a worded answer may have, and most of what is added from knowledge.
const MAX_ANSWER: usize = 600;
const MAX_KNOWLEDGE: usize = 240;
/// How often the LLM is asked.
const ATTEMPTS: usize = 2;

/// Words answers in the style and the language of a task.
///
/// The LLM sees the question and the answer's sentences, and writes them anew. What it writes is taken only when
/// every number and every quotation in it stands in those sentences, and, unless the answer is to be short, every
/// one of theirs in it. Else it is asked once more, and then the answer stays as it was.
pub struct Styler {
    chat: Arc<dyn ChatModel>,
    prompts: Arc<Prompts>,
    prefix: Vec<Message>,
}

/// What is to be worded, and how.
pub(super) struct Job<'a> {
    question: &'a str,
    style: Style,
    language: Language,
    /// The sentences that are worded anew.
    facts: Vec<String>,
    /// Text that was read from the images, which stays as it is.
    read: Vec<String>,
}

/// A reply that stands the check.
struct Worded {
    lines: Vec<String>,
    added: Option<String>,
    data: Option<Json>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Lines {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Reply {
    answer: Lines,
    #[serde(default)]
    knowledge: Option<String>,
}

/// Begins the reason of an answer that is not in its style because the LLM failed; what it failed of follows.
pub(crate) const FAILED: &str = "the LLM failed";

impl Styler {
    /// A styler that asks this LLM.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty prompt file.
    pub fn new(chat: Arc<dyn ChatModel>, prompts: Arc<Prompts>) -> Result<Self> {
        let prefix = prompts.style_prefix()?;
        Ok(Self { chat, prompts, prefix })
    }

    /// The answer in the style of the task, and in its language: that of the question, as it was asked.
    ///
    /// An answer that is in that style as it is stays so without a call of the LLM. One that cannot be worded is
    /// returned as it was, with the reason in [`Answer::unstyled`].
    ///
    /// # Errors
    /// `Cancelled` when the run is cancelled meanwhile.
    pub async fn style(&self, cx: &Cx, task: &Task, known: &Trace, answer: Answer) -> Result<Answer> {
        let Some(job) = Job::new(task, known, &answer) else { return Ok(answer) };
        if answer.status == Status::Budget {
            return Ok(Answer { unstyled: Some("a limit ended the run before".to_owned()), ..answer });
        }
        if let Some(lines) = job.plain_lines() {
            let text = lines::laid_out(job.style.format, &lines);
            return Ok(Answer { text, ..answer });
        }
        match self.worded(cx, &job).await {
            Ok(Ok(worded)) => Ok(job.put(worded, answer)),
            Ok(Err(faults)) => Ok(Answer { unstyled: Some(faults), ..answer }),
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            Err(error) => Ok(Answer { unstyled: Some(format!("{FAILED}: {error}")), ..answer }),
        }
    }

    /// Asks, and once more with what is wrong; then the faults are what is left.
    async fn worded(&self, cx: &Cx, job: &Job<'_>) -> Result<std::result::Result<Worded, String>> {
        let (wishes, keep) = (job.wishes(), job.held().in_words());
        let wish = Wish { question: job.question, facts: job.told(), wishes: &wishes, keep: &keep };
        let mut request = ChatRequest {
            schema: Some(job.schema()),
            max_tokens: MAX_TOKENS,
            ..ChatRequest::new(self.prefix.clone(), vec![self.prompts.style_user(&wish)?])
        };
        let mut faults = String::new();
        for _ in 0..ATTEMPTS {
            let reply = layers::call(cx, self.chat.as_ref(), "style", &request).await?.text;
            match job.judge(&reply)? {
                Ok(worded) => return Ok(Ok(worded)),
                Err(found) => faults = found,
            }
            request.messages.extend([Message::assistant(reply), self.prompts.style_repair(&faults)?]);
        }
        Ok(Err(faults))
    }
}

impl<'a> Job<'a> {
    /// What there is to do; nothing where the answer is in the style as it is.
    fn new(task: &'a Task, known: &Trace, answer: &Answer) -> Option<Self> {
        let language = task.style.language.or_of(&task.question);
        let asked = Style { language: language.clone(), ..task.style.clone() };
        let style = match answer.status {
            Status::Answered | Status::Guessed | Status::Budget => asked,
            // Only its language can be changed.
            Status::Unanswerable => Style { language: language.clone(), ..Style::default() },
            Status::Failed => return None,
        };
        if style == (Style { language: Language::English, ..Style::default() }) {
            return None;
        }
        let is_read = |claim: &&Claim| claim.steps.iter().any(|id| is_text_of(known, id, &claim.text));
        let (read, own): (Vec<_>, Vec<_>) = answer.claims.iter().partition(is_read);
        let mut facts: Vec<String> = own.iter().map(|claim| one_line(&claim.text)).collect();
        let said = answer.claims.iter().map(|claim| claim.text.as_str()).collect::<Vec<_>>().join(" ");
        // What is no claim, such as a guess, is said as well.
        let more = answer.text.strip_prefix(&said).unwrap_or(&answer.text).trim();
        facts.extend(Some(one_line(more)).filter(|more| !more.is_empty()));
        let read = read.into_iter().map(|claim| claim.text.trim().to_owned()).collect();
        Some(Self { question: task.question.trim(), style, language, facts, read })
    }

    fn held(&self) -> Held {
        Held::of(&self.told().join(" "))
    }

    /// The sentences as the LLM sees them. For JSON, what was read is among them.
    fn told(&self) -> Vec<String> {
        let read = self.read.iter().filter(|_| self.style.format == Format::Json);
        let read = read.map(|text| format!("The text is \"{}\".", one_line(text).replace('"', "'")));
        self.facts.iter().cloned().chain(read).collect()
    }

    /// The lines of an answer that needs no other words: it is only text that was read, or only its form is asked for.
    fn plain_lines(&self) -> Option<Vec<String>> {
        let form = self.style.format;
        let only_form = Style { format: form, language: Language::English, ..Style::default() };
        if form == Format::Json || (!self.facts.is_empty() && self.style != only_form) {
            return None;
        }
        if self.style.facts == Facts::Knowledge {
            return None;
        }
        let read = self.read.iter().flat_map(|text| match form {
            Format::Sentence => vec![text.clone()],
            _ => text.lines().map(str::to_owned).collect(),
        });
        Some(self.facts.iter().cloned().chain(read).collect())
    }

    /// How the answer is to be worded, in words.
    fn wishes(&self) -> String {
        let Style { length, tone, audience, facts, format, .. } = &self.style;
        let mut wishes = vec![format!("in {}", self.language.name())];
        let mut wish = |text: &str| wishes.push(text.to_owned());
        match length {
            Length::Normal => {}
            Length::Short => wish("as short as possible"),
            Length::Detailed => wish("in full sentences, with every detail of the facts"),
        }
        match tone {
            Tone::Neutral => {}
            Tone::Friendly => wish("friendly and warm"),
            Tone::Formal => wish("formal and polite"),
            Tone::Lively => wish("cheerful and lively"),
        }
        if let Some(audience) = audience {
            wish(&format!("for {}", one_line(audience)));
        }
        match format {
            Format::Sentence => {}
            Format::List | Format::Markdown => wish("one line for each fact"),
            Format::Json => wish("as JSON, with the values that stand in the facts"),
        }
        if *facts == Facts::Knowledge {
            wish("then, as knowledge, one sentence that is generally true of what the facts name");
        }
        wishes.join("; ")
    }

    /// What the reply has to be.
    fn schema(&self) -> Json {
        if let (Format::Json, Some(schema)) = (self.style.format, &self.style.schema) {
            return schema.clone();
        }
        let long = self.facts.iter().map(|fact| fact.chars().count() * 2).sum::<usize>().max(MAX_ANSWER);
        let text = json!({ "type": "string", "minLength": 1, "maxLength": long });
        let answer = match self.style.format {
            Format::Sentence | Format::Json => text,
            Format::List | Format::Markdown => json!({ "type": "array", "items": text, "minItems": 1, "maxItems": 8 }),
        };
        let (mut properties, mut required) = (json!({ "answer": answer }), vec!["answer"]);
        if self.style.facts == Facts::Knowledge {
            required.push("knowledge");
            properties["knowledge"] = json!({ "type": "string", "minLength": 1, "maxLength": MAX_KNOWLEDGE });
        }
        json!({
            "x-guidance": { "whitespace_flexible": false, "key_separator": ": ", "item_separator": ", " },
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        })
    }

    /// The reply as far as the facts bear it out, or what is wrong with it.
    fn judge(&self, reply: &str) -> Result<std::result::Result<Worded, String>> {
        if self.style.format == Format::Json {
            let data = json::judge(self, reply)?;
            return Ok(data.map(|data| Worded { lines: vec![reply.trim().to_owned()], added: None, data: Some(data) }));
        }
        let Ok(reply) = serde_json::from_str::<Reply>(reply) else { return Ok(Err("it is not complete".to_owned())) };
        let lines = match reply.answer {
            Lines::One(text) => vec![text],
            Lines::Many(lines) => lines,
        };
        Ok(self.judge_lines(&lines, reply.knowledge))
    }

    fn judge_lines(&self, lines: &[String], knowledge: Option<String>) -> std::result::Result<Worded, String> {
        let held = self.held();
        let spell = |text: &str| self.language.spell(text);
        let lines: Vec<String> =
            lines.iter().map(|line| held.outside(lines::without_bullet(&one_line(line)), spell)).collect();
        let said = lines.join(" ");
        if said.trim().is_empty() {
            return Err("it says nothing".to_owned());
        }
        let faults = [
            held.faults(&said, self.style.length != Length::Short),
            turned(&self.facts, &said),
            self.foreign(&said, &held.without(&said)),
        ];
        if let Some(fault) = faults.into_iter().flatten().next() {
            return Err(fault);
        }
        let added = knowledge.filter(|_| self.style.facts == Facts::Knowledge).map(|text| spell(&one_line(&text)));
        let added = added.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if let Some(fault) = added.as_deref().and_then(|added| self.foreign(added, added)) {
            return Err(fault);
        }
        Ok(Worded { lines, added, data: None })
    }

    /// How a text is not in the language; `own` is what of it is not quoted.
    fn foreign(&self, said: &str, own: &str) -> Option<String> {
        let in_words = own.chars().filter(|c| c.is_alphabetic()).count() > 2;
        let missing = in_words && self.language.is_missing_from(said);
        self.strange_characters(own).or_else(|| missing.then(|| format!("it is not in {}", self.language.name())))
    }

    /// The characters of a text that its language writes otherwise.
    fn strange_characters(&self, text: &str) -> Option<String> {
        let (language, strange) = (self.language.name(), self.language.strange_characters(text));
        (!strange.is_empty()).then(|| format!("`{strange}` is not written so in {language}"))
    }

    /// The answer with its new text.
    fn put(&self, worded: Worded, answer: Answer) -> Answer {
        let Worded { mut lines, added, data } = worded;
        if data.is_none() {
            lines.extend(self.read.iter().cloned());
        }
        lines.extend(added.as_ref().map(|added| format!("{}{added}", mark(&self.language))));
        let form = if data.is_some() { Format::Sentence } else { self.style.format };
        Answer { text: lines::laid_out(form, &lines), added, data: data.map(Box::new), ..answer }
    }
}

/// What stands before something that is not from the images.
fn mark(language: &Language) -> &'static str {
    match language {
        Language::Traditional => "（非圖中所見）",
        Language::Simplified => "（非图中所见）",
        _ => "(not from the image) ",
    }
}

/// Whether a claim is nothing but the text that a step read.
fn is_text_of(known: &Trace, id: &str, claim: &str) -> bool {
    let Some(value) = known.observation(id).and_then(|observation| observation.value()) else { return false };
    let is_text = match value {
        Value::Text(_) | Value::Line(_) => true,
        Value::List(items) => !texts_of(items).is_empty(),
        _ => false,
    };
    let whole = whole_text(value);
    let before = claim.trim().strip_suffix(whole.trim());
    // It may say of which image it is.
    is_text && before.is_some_and(|before| before.is_empty() || (before.starts_with("In ") && before.ends_with(": ")))
}
