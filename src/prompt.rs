//! Prompts: templates and demos, as files a person edits.
//!
//! They are compiled in from `prompts/`; a folder of the same layout overrides
//! them file by file, and a `demos` folder as a whole.

mod declared;
mod files;
mod library;
mod similar;
mod tools;

use std::collections::BTreeMap;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, context};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use self::files::{builtin_files, read_folder};
pub use self::library::PlanLibrary;
use self::library::{LibraryDemo, spoken_plan};
use self::similar::{Index, Shape};
use self::tools::tool_line;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::plan;
use crate::task::{asked_images, image_name};
use crate::tool::Catalog;
pub use crate::tool::PlanDemo;

/// Folders of demos: one that is given replaces the compiled-in one as a whole.
const DEMOS: [&str; 5] = ["plan/demos/", "plan/library/", "decide/demos/", "refine/demos/", "guess/demos/"];

fn one() -> usize {
    1
}

/// An in-context example for the decision maker: one round.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideDemo {
    /// What is asked.
    pub question: String,
    /// How many images there are.
    #[serde(default = "one")]
    pub images: usize,
    /// What is known, as the decision maker sees it.
    #[serde(default)]
    pub known: String,
    /// How many of the images, from the first on, some step has looked at.
    #[serde(default)]
    pub looked_at: usize,
    /// What the refiner found missing, when it did.
    #[serde(default)]
    pub missing: Option<String>,
    /// The reply, as JSON.
    pub reply: String,
}

/// An in-context example for the refiner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefineDemo {
    /// What is asked.
    pub question: String,
    /// The evidence, as the refiner sees it.
    pub evidence: String,
    /// What the decision maker ended with, when there was one.
    #[serde(default)]
    pub thought: Option<String>,
    /// The sentences of the answer; none when the evidence does not answer.
    #[serde(default)]
    pub answer: Vec<String>,
    /// What is missing when the evidence does not answer.
    #[serde(default)]
    pub missing: Option<String>,
}

/// An in-context example for guessing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuessDemo {
    /// What is asked.
    pub question: String,
    /// What is known, in sentences.
    pub findings: String,
    /// The guess.
    pub answer: String,
}

/// What a decision maker is told in one round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Situation<'a> {
    /// What is asked.
    pub question: &'a str,
    /// How many images there are.
    pub images: usize,
    /// What is known, one line a step.
    pub known: &'a str,
    /// The images that no step has looked at, from 0.
    pub unseen: Vec<usize>,
    /// What the refiner found missing.
    pub missing: Option<&'a str>,
}

/// The templates and demos of an agent.
#[derive(Debug, Clone)]
pub struct Prompts {
    templates: Environment<'static>,
    plan_demos: Vec<PlanDemo>,
    plan_library: Vec<PlanDemo>,
    decide_demos: Vec<DecideDemo>,
    refine_demos: Vec<RefineDemo>,
    guess_demos: Vec<GuessDemo>,
}

impl Prompts {
    /// The prompts that are compiled in.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty file.
    pub fn builtin() -> Result<Self> {
        Self::from_files(builtin_files()?)
    }

    /// The compiled-in prompts with those of a folder laid over them.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder, `InvalidInput` naming the faulty file.
    pub fn with_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let own = read_folder(folder).map_err(|e| e.context(format!("prompts `{}`", folder.display())))?;
        let mut files = builtin_files()?;
        for demos in DEMOS {
            if own.keys().any(|name| name.starts_with(demos)) {
                files.retain(|name, _| !name.starts_with(demos));
            }
        }
        files.extend(own);
        Self::from_files(files)
    }

    fn from_files(files: BTreeMap<String, String>) -> Result<Self> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let (mut plan_demos, mut plan_library) = (Vec::new(), Vec::new());
        let (mut decide_demos, mut refine_demos, mut guess_demos) = (Vec::new(), Vec::new(), Vec::new());
        for (name, text) in files {
            let faulty = |e: &dyn std::fmt::Display| Error::invalid(format!("prompt file `{name}`: {e}"));
            if name.starts_with("plan/demos/") {
                plan_demos.push(toml::from_str(&text).map_err(|e| faulty(&e))?);
            } else if name.starts_with("plan/library/") {
                plan_library.push(toml::from_str(&text).map_err(|e| faulty(&e))?);
            } else if name.starts_with("decide/demos/") {
                decide_demos.push(toml::from_str(&text).map_err(|e| faulty(&e))?);
            } else if name.starts_with("refine/demos/") {
                refine_demos.push(toml::from_str(&text).map_err(|e| faulty(&e))?);
            } else if name.starts_with("guess/demos/") {
                guess_demos.push(toml::from_str(&text).map_err(|e| faulty(&e))?);
            } else {
                templates.add_template_owned(name.clone(), text.trim_end().to_owned()).map_err(|e| faulty(&e))?;
            }
        }
        Ok(Self { templates, plan_demos, plan_library, decide_demos, refine_demos, guess_demos })
    }

    /// The demos of the planner.
    pub fn plan_demos(&self) -> &[PlanDemo] {
        &self.plan_demos
    }

    /// The demos of the planner that are only shown with questions they resemble.
    pub fn plan_library(&self) -> &[PlanDemo] {
        &self.plan_library
    }

    /// The demos of the decision maker.
    pub fn decide_demos(&self) -> &[DecideDemo] {
        &self.decide_demos
    }

    /// The demos of the refiner.
    pub fn refine_demos(&self) -> &[RefineDemo] {
        &self.refine_demos
    }

    /// The demos of guessing.
    pub fn guess_demos(&self) -> &[GuessDemo] {
        &self.guess_demos
    }

    fn render(&self, name: &str, context: minijinja::Value) -> Result<String> {
        self.templates
            .get_template(name)
            .and_then(|template| template.render(context))
            .map_err(|e| Error::invalid(format!("prompt file `{name}`: {e}")).with_source(e))
    }

    /// The constant part of the planner's prompt: instructions, tools, demos.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template or demo.
    pub fn plan_prefix(&self, catalog: &Catalog) -> Result<Vec<Message>> {
        if catalog.is_declared() {
            return self.declared_prefix(catalog);
        }
        let mut messages = vec![self.system("plan/system.md", catalog)?];
        for demo in &self.plan_demos {
            if let Some(demo) = self.library_demo(demo, catalog)? {
                messages.extend([demo.asked, spoken_plan(&demo.plan)?]);
            }
        }
        Ok(messages)
    }

    /// Instructions and tools for planning with declared tools, and demos made of these.
    fn declared_prefix(&self, catalog: &Catalog) -> Result<Vec<Message>> {
        let (tools, says_what_to_do) = (declared::tool_lines(catalog), plan::says_what_to_do(catalog));
        let system = self.render("declared/system.md", context! { tools, says_what_to_do })?;
        let mut messages = vec![Message::system(system)];
        for demo in declared::demos(catalog) {
            messages.push(self.plan_user(&demo.request, 0, catalog)?);
            messages.push(Message::assistant(spaced_json(&demo.plan(says_what_to_do))?));
        }
        Ok(messages)
    }

    /// The constant part of the decision maker's prompt: instructions, tools, and demos of first rounds, or of
    /// those in which something `is_known`.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template or demo.
    pub fn decide_prefix(&self, catalog: &Catalog, is_known: bool) -> Result<Vec<Message>> {
        let mut messages = vec![self.system("decide/system.md", catalog)?];
        for demo in self.decide_demos.iter().filter(|demo| demo.known.trim().is_empty() != is_known) {
            let faulty = |e| Error::invalid(format!("the demo for `{}` has no JSON reply: {e}", demo.question));
            let reply: Json = serde_json::from_str(&demo.reply).map_err(faulty)?;
            let steps = reply.get("steps").and_then(Json::as_array).into_iter().flatten();
            let mut tools = steps.filter_map(|step| step.get("tool")?.as_str());
            if tools.all(|tool| catalog.get(tool).is_some()) {
                let situation = Situation {
                    question: &demo.question,
                    images: demo.images,
                    known: demo.known.trim(),
                    unseen: (demo.looked_at..demo.images).collect(),
                    missing: demo.missing.as_deref(),
                };
                messages.push(self.decide_user(&situation, catalog)?);
                messages.push(Message::assistant(spaced_json(&reply)?));
            }
        }
        Ok(messages)
    }

    fn system(&self, template: &str, catalog: &Catalog) -> Result<Message> {
        let tools: Vec<String> = catalog.iter().map(|tool| tool_line(tool.spec())).collect();
        Ok(Message::system(self.render(template, context! { tools })?))
    }

    /// The library's demos, ready to be looked up.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template or demo.
    pub fn plan_lookup(&self, catalog: &Catalog) -> Result<PlanLibrary> {
        let (mut demos, mut shapes) = (Vec::new(), Vec::new());
        // A declared tool may have the name of one of ours, and be another.
        let library = if catalog.is_declared() { &[] } else { self.plan_library.as_slice() };
        let of_tools = catalog.iter().flat_map(|tool| tool.demos());
        for demo in library.iter().chain(of_tools) {
            if let Some(ready) = self.library_demo(demo, catalog)? {
                demos.push(ready);
                shapes.push(Shape::new(&demo.question, &catalog.mentions(&demo.question)));
            }
        }
        Ok(PlanLibrary::new(demos, Index::new(shapes)))
    }

    /// A demo as the LLM sees it, unless it calls tools that are not there.
    fn library_demo(&self, demo: &PlanDemo, catalog: &Catalog) -> Result<Option<LibraryDemo>> {
        let plan = demo.parse()?;
        if plan.steps.iter().any(|step| catalog.get(&step.tool).is_none()) {
            return Ok(None);
        }
        let asked = self.plan_user(&demo.question, demo.images, catalog)?;
        let images = demo.images;
        let fresh =
            Situation { question: &demo.question, images, unseen: (0..images).collect(), ..Situation::default() };
        let asked_in_rounds = self.decide_user(&fresh, catalog)?;
        Ok(Some(LibraryDemo { question: demo.question.clone(), asked, asked_in_rounds, images, plan }))
    }

    /// The question, with the things in it that tools know by name.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn plan_user(&self, question: &str, images: usize, catalog: &Catalog) -> Result<Message> {
        if catalog.is_declared() {
            let files = plan::named_files(question);
            return Ok(Message::user(self.render("declared/user.md", context! { question, files })?));
        }
        let (images, things) = (image_refs(question, images), things(question, catalog));
        Ok(Message::user(self.render("plan/user.md", context! { question, images, things })?))
    }

    /// The varying part of the decision maker's prompt.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn decide_user(&self, situation: &Situation<'_>, catalog: &Catalog) -> Result<Message> {
        let Situation { question, known, missing, .. } = *situation;
        let (images, things) = (image_refs(question, situation.images), things(question, catalog));
        let unseen: Vec<String> = situation.unseen.iter().map(|n| image_ref(*n)).collect();
        // It may repeat text from an image, and stands in quotes.
        let missing = missing.map(|text| text.replace(['"', '\n', '\r'], "'"));
        let context = context! { question, images, things, known, unseen, missing };
        Ok(Message::user(self.render("decide/user.md", context)?))
    }

    /// What the decision maker is told when its reply is faulty.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn decide_repair(&self, faults: &str) -> Result<Message> {
        Ok(Message::user(self.render("decide/repair.md", context! { faults })?))
    }

    /// What the planner is told when its plan is faulty.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn plan_repair(&self, faults: &str) -> Result<Message> {
        Ok(Message::user(self.render("plan/repair.md", context! { faults })?))
    }

    /// The constant part of the refiner's prompt.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn refine_prefix(&self) -> Result<Vec<Message>> {
        let mut messages = vec![Message::system(self.render("refine/system.md", context! {})?)];
        for demo in &self.refine_demos {
            let reply = match &demo.missing {
                Some(missing) => json!({ "answerable": false, "missing": missing }),
                None => json!({ "answerable": true, "answer": demo.answer }),
            };
            messages.push(self.refine_user(&demo.question, demo.evidence.trim(), demo.thought.as_deref())?);
            messages.push(Message::assistant(spaced_json(&reply)?));
        }
        Ok(messages)
    }

    /// The varying part of the refiner's prompt; `thought` is what the decision maker ended with.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn refine_user(&self, question: &str, evidence: &str, thought: Option<&str>) -> Result<Message> {
        Ok(Message::user(self.render("refine/user.md", context! { question, evidence, thought })?))
    }

    /// The constant part of the prompt for guessing.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn guess_prefix(&self) -> Result<Vec<Message>> {
        let mut messages = vec![Message::system(self.render("guess/system.md", context! {})?)];
        for demo in &self.guess_demos {
            messages.push(self.guess_user(&demo.question, demo.findings.trim())?);
            messages.push(Message::assistant(spaced_json(&json!({ "guess": demo.answer }))?));
        }
        Ok(messages)
    }

    /// The varying part of the prompt for guessing.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn guess_user(&self, question: &str, findings: &str) -> Result<Message> {
        Ok(Message::user(self.render("guess/user.md", context! { question, findings })?))
    }
}

/// References to the images that a question is about.
fn image_refs(question: &str, images: usize) -> Vec<String> {
    asked_images(question, images).into_iter().map(image_ref).collect()
}

fn image_ref(n: usize) -> String {
    format!("${}", image_name(n))
}

/// The things in a question that tools know by name, each once.
fn things(question: &str, catalog: &Catalog) -> Vec<String> {
    let mut things: Vec<String> = Vec::new();
    for mention in catalog.mentions(question) {
        if !things.contains(&mention.name) {
            things.push(mention.name);
        }
    }
    things
}

/// JSON on one line with a space after `:` and `,`: the form that constrained replies have.
///
/// # Errors
/// `Internal` when the value has no JSON form.
pub fn spaced_json(json: &Json) -> Result<String> {
    struct Spaced;
    impl serde_json::ser::Formatter for Spaced {
        fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
            if first { Ok(()) } else { out.write_all(b", ") }
        }
        fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, out: &mut W, first: bool) -> std::io::Result<()> {
            if first { Ok(()) } else { out.write_all(b", ") }
        }
        fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, out: &mut W) -> std::io::Result<()> {
            out.write_all(b": ")
        }
    }
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    serde::Serialize::serialize(json, &mut serializer)
        .map_err(|e| Error::internal("a value has no JSON form").with_source(e))?;
    String::from_utf8(out).map_err(|e| Error::internal("JSON is not UTF-8").with_source(e))
}
