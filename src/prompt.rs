//! Prompts: templates and demos, as files a person edits.
//!
//! They are compiled in from `prompts/`; a folder of the same layout overrides
//! them file by file, and a `demos` folder as a whole.

mod declared;
mod demos;
mod files;
mod library;
mod likeness;
mod pool;
mod ready;
mod similar;
mod standalone;
mod styling;
mod tools;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::{Value as Json, json};

pub use self::demos::{DecideDemo, GuessDemo, RefineDemo};
use self::demos::{FOLDERS, OwnDemos};
use self::files::{builtin_files, read_folder};
pub use self::library::{Asked, Chosen, Listed, PlanLibrary};
use self::pool::Pool;
pub use self::standalone::StandaloneDemo;
pub use self::styling::{StyleDemo, TranslateDemo, Wish};
use self::tools::tool_line;
use crate::demo::{DemoFor, FileDemo};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::plan;
use crate::task::{asked_images, image_name};
use crate::tool::Catalog;
pub use crate::tool::PlanDemo;

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
    /// Which round of how many this is, where that is fixed.
    pub round: Option<(usize, usize)>,
    /// The image, from 0, that the user points into.
    pub region: Option<usize>,
    /// The steps whose images the LLM is shown after those of the task.
    pub drawn: Vec<String>,
}

/// What a planner is told besides a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// The image, from 0, that the user points into.
    pub region: Option<usize>,
    /// What makes the LLM think before it plans.
    pub cue: Option<&'a str>,
}

/// The templates and demos of an agent.
#[derive(Debug, Clone)]
pub struct Prompts {
    templates: Environment<'static>,
    own: OwnDemos,
    demos: Vec<FileDemo>,
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
        for demos in FOLDERS {
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
        let mut own = OwnDemos::default();
        for (name, text) in files {
            let faulty = |e: &dyn std::fmt::Display| Error::invalid(format!("prompt file `{name}`: {e}"));
            if !own.take(&name, &text).map_err(|e| faulty(&e))? {
                templates.add_template_owned(name.clone(), text.trim_end().to_owned()).map_err(|e| faulty(&e))?;
            }
        }
        Ok(Self { templates, own, demos: Vec::new() })
    }

    /// Adds demos of files to those that go along with questions.
    #[must_use]
    pub fn with_demos(mut self, demos: Vec<FileDemo>) -> Self {
        self.demos.extend(demos);
        self
    }

    /// The demos of the planner.
    pub fn plan_demos(&self) -> &[PlanDemo] {
        &self.own.plan
    }

    /// The demos of the planner that are only shown with questions they resemble.
    pub fn plan_library(&self) -> &[PlanDemo] {
        &self.own.library
    }

    /// The demos of the decision maker.
    pub fn decide_demos(&self) -> &[DecideDemo] {
        &self.own.decide
    }

    /// The demos of the refiner.
    pub fn refine_demos(&self) -> &[RefineDemo] {
        &self.own.refine
    }

    /// The demos of guessing.
    pub fn guess_demos(&self) -> &[GuessDemo] {
        &self.own.guess
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
        let mut messages = self.plan_bare(catalog)?;
        if catalog.is_declared() {
            let says_what_to_do = plan::says_what_to_do(catalog);
            for demo in declared::demos(catalog) {
                messages.push(self.plan_user(&demo.request, 0, catalog, &Said::default())?);
                messages.push(Message::assistant(spaced_json(&demo.plan(says_what_to_do))?));
            }
            return Ok(messages);
        }
        for demo in &self.own.plan {
            let ready = self.ready_plan(demo, catalog, "")?;
            messages.extend(ready.iter().filter_map(|ready| ready.shown(DemoFor::Planner)).flatten().cloned());
        }
        Ok(messages)
    }

    /// The constant part of the planner's prompt without demos.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn plan_bare(&self, catalog: &Catalog) -> Result<Vec<Message>> {
        if !catalog.is_declared() {
            return Ok(vec![self.system("plan/system.md", catalog)?]);
        }
        let (tools, says_what_to_do) = (declared::tool_lines(catalog), plan::says_what_to_do(catalog));
        Ok(vec![Message::system(self.render("declared/system.md", context! { tools, says_what_to_do })?)])
    }

    /// The constant part of the decision maker's prompt: instructions, tools, and demos of first rounds, or of
    /// those in which something `is_known`.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template or demo.
    pub fn decide_prefix(&self, catalog: &Catalog, is_known: bool) -> Result<Vec<Message>> {
        let mut messages = self.decide_bare(catalog)?;
        for demo in self.own.decide.iter().filter(|demo| demo.known.trim().is_empty() != is_known) {
            messages.extend(self.shown_round(demo, catalog)?.into_iter().flatten());
        }
        Ok(messages)
    }

    /// The constant part of the decision maker's prompt without demos.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn decide_bare(&self, catalog: &Catalog) -> Result<Vec<Message>> {
        Ok(vec![self.system("decide/system.md", catalog)?])
    }

    fn system(&self, template: &str, catalog: &Catalog) -> Result<Message> {
        let tools: Vec<String> = catalog.iter().map(|tool| tool_line(tool.spec())).collect();
        Ok(Message::system(self.render(template, context! { tools })?))
    }

    /// The demos that go along with questions, ready to be looked up.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template or demo.
    pub fn plan_lookup(&self, catalog: &Catalog) -> Result<PlanLibrary> {
        self.lookup(catalog, false)
    }

    /// The library's demos of questions with a place that the user points at.
    ///
    /// # Errors
    /// As [`Prompts::plan_lookup`].
    pub fn pointed_lookup(&self, catalog: &Catalog) -> Result<PlanLibrary> {
        self.lookup(catalog, true)
    }

    fn lookup(&self, catalog: &Catalog, region: bool) -> Result<PlanLibrary> {
        let (mut files, mut library, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        // Those of files say nothing of a place.
        for demo in self.demos.iter().filter(|_| !region) {
            match self.ready_file(demo, catalog)? {
                Some(ready) => files.push(Arc::new(ready)),
                None => left_out.push(demo.place()),
            }
        }
        // A declared tool may have the name of one of ours, and be another.
        let of_prompts = if catalog.is_declared() { &[] } else { self.own.library.as_slice() };
        let of_prompts = of_prompts.iter().map(|demo| (demo, "prompts/plan/library"));
        let of_tools = catalog.iter().flat_map(|tool| tool.demos()).map(|demo| (demo, "tools"));
        for (demo, place) in of_prompts.chain(of_tools).filter(|(demo, _)| demo.region == region) {
            library.extend(self.ready_plan(demo, catalog, place)?.map(Arc::new));
        }
        let some = files.iter().chain(&library).cloned().collect();
        let all = files.into_iter().chain(self.ready_fixed(catalog)?).chain(library).collect();
        Ok(PlanLibrary::new(Pool::new(some, catalog), Pool::new(all, catalog), left_out))
    }

    /// The question, with the things in it that tools know by name, and what is `said` besides.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn plan_user(&self, question: &str, images: usize, catalog: &Catalog, said: &Said<'_>) -> Result<Message> {
        let Said { region, cue } = *said;
        if catalog.is_declared() {
            let files = plan::named_files(question);
            return Ok(Message::user(self.render("declared/user.md", context! { question, files, cue })?));
        }
        let (images, things) = (image_refs(question, images), things(question, catalog));
        let region = region.map(image_ref);
        Ok(Message::user(self.render("plan/user.md", context! { question, images, things, region, cue })?))
    }

    /// The varying part of the decision maker's prompt.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn decide_user(&self, situation: &Situation<'_>, catalog: &Catalog) -> Result<Message> {
        let Situation { question, known, missing, round, .. } = *situation;
        let (images, things) = (image_refs(question, situation.images), things(question, catalog));
        let unseen: Vec<String> = situation.unseen.iter().map(|n| image_ref(*n)).collect();
        // It may repeat text from an image, and stands in quotes.
        let missing = missing.map(|text| text.replace(['"', '\n', '\r'], "'"));
        let region = situation.region.map(image_ref);
        let drawn = &situation.drawn;
        let context = context! { question, images, things, known, unseen, missing, round, region, drawn };
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
        let mut messages = self.refine_bare()?;
        for demo in &self.own.refine {
            messages.extend(self.shown_answer(demo)?);
        }
        Ok(messages)
    }

    /// The constant part of the refiner's prompt without demos.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub fn refine_bare(&self) -> Result<Vec<Message>> {
        Ok(vec![Message::system(self.render("refine/system.md", context! {})?)])
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
        for demo in &self.own.guess {
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

impl Prompts {
    /// The instructions of one kind of call, which never vary: `NAME/system.md`.
    ///
    /// # Errors
    /// `InvalidInput` naming the faulty template.
    pub(crate) fn instructions(&self, name: &str) -> Result<Message> {
        Ok(Message::system(self.render(&format!("{name}/system.md"), context! {})?))
    }

    /// What varies between calls of one kind: `NAME/user.md`.
    ///
    /// # Errors
    /// As [`Prompts::instructions`].
    pub(crate) fn told(&self, name: &str, context: minijinja::Value) -> Result<Message> {
        Ok(Message::user(self.render(&format!("{name}/user.md"), context)?))
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
