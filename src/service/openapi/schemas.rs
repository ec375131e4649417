//! The shapes of bodies. Those of requests are the types that read them; those of answers are written here.

use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{ComponentsBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::service::request::Completion;
use crate::service::runs::Asked;

/// Adds all shapes that routes name.
pub(super) fn add_all(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut read = Vec::new();
    read.push((Completion::name().into_owned(), Completion::schema()));
    Completion::schemas(&mut read);
    read.push((Asked::name().into_owned(), Asked::schema()));
    Asked::schemas(&mut read);
    components
        .schemas_from_iter(read)
        .schema("Error", error())
        .schema("Model", model())
        .schema("ModelList", model_list())
        .schema("ChatCompletion", completion())
        .schema("Usage", usage())
        .schema("Report", free("What `lavr ask --json` prints: status, claims with their steps, and evidence."))
        .schema("RunForm", form())
        .schema("Run", run())
        .schema("Rpc", rpc())
        .schema("Health", health())
}

type Field = (&'static str, RefOr<Schema>);

/// An object that has all of these fields.
fn object<const N: usize>(about: &str, fields: [Field; N]) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object).description(Some(about));
    fields.into_iter().fold(object, |object, (name, schema)| object.property(name, schema).required(name))
}

/// An object of which nothing is said here.
fn free(about: &str) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object).description(Some(about));
    object.additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

fn one(kind: impl Into<SchemaType>, about: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(kind).description(Some(about)).into()
}

fn text(about: &str) -> RefOr<Schema> {
    one(Type::String, about)
}

fn or_null(kind: Type, about: &str) -> RefOr<Schema> {
    one(SchemaType::from_iter([kind, Type::Null]), about)
}

fn count(about: &str) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some(about)).into()
}

fn choice<const N: usize>(about: &str, values: [&str; N]) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).description(Some(about)).into()
}

fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn list(items: RefOr<Schema>) -> RefOr<Schema> {
    ArrayBuilder::new().items(items).into()
}

fn error() -> ObjectBuilder {
    let families =
        ["invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"];
    let inside = object(
        "What went wrong.",
        [
            ("message", text("in words, with what to do")),
            ("type", choice("the family of the OpenAI protocol", families)),
            ("param", or_null(Type::String, "always null")),
            ("code", text("which error it is")),
        ],
    );
    object("An error, as the OpenAI protocol has it.", [("error", inside.into())])
}

fn model() -> ObjectBuilder {
    object(
        "A configuration by whose name clients ask.",
        [
            ("id", text("its name")),
            ("object", choice("", ["model"])),
            ("created", count("always 0")),
            ("owned_by", text("always `lavr`")),
        ],
    )
}

fn model_list() -> ObjectBuilder {
    object("All configurations.", [("object", choice("", ["list"])), ("data", list(reference("Model")))])
}

fn completion() -> ObjectBuilder {
    let message = object(
        "The answer.",
        [
            ("role", choice("", ["assistant"])),
            ("content", or_null(Type::String, "the answer; null where JSON was asked for and there is none")),
            ("refusal", or_null(Type::String, "words in the place of JSON")),
        ],
    );
    let finish = choice("`length` when a limit ended the run with what was known", ["stop", "length"]);
    let choice_ = object(
        "The one answer.",
        [
            ("index", count("always 0")),
            ("message", message.into()),
            ("logprobs", or_null(Type::Object, "always null")),
            ("finish_reason", finish),
        ],
    );
    object(
        "An answer, as the OpenAI protocol has it.",
        [
            ("id", text("the name of the answer")),
            ("object", choice("", ["chat.completion"])),
            ("created", count("seconds since 1970")),
            ("model", text("the configuration that was asked for")),
            ("choices", list(choice_.into())),
            ("usage", reference("Usage")),
            ("lavr", reference("Report")),
        ],
    )
}

fn usage() -> ObjectBuilder {
    let details = object("Of the prompts.", [("cached_tokens", count("tokens that a cache held"))]);
    object(
        "What the LLM read and wrote in the run.",
        [
            ("prompt_tokens", count("tokens of prompts, those that a cache held among them")),
            ("completion_tokens", count("tokens of replies")),
            ("total_tokens", count("both")),
            ("prompt_tokens_details", details.into()),
        ],
    )
}

fn form() -> ObjectBuilder {
    let file = ObjectBuilder::new().schema_type(Type::String).content_media_type("application/octet-stream");
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("A question about files. `guess`, `box` and `schema` are JSON."))
        .property("question", text("the question"))
        .property("earlier", list(text("what the user asked before it, oldest first")))
        .property("image", list(file.into()))
        .property("model", text("the configuration; by default `lavr`"))
        .property("mode", text("as in `Settings`"))
        .property("guess", text("as in `Settings`"))
        .property("chain", text("as in `Settings`"))
        .property("style", text("as in `Settings`"))
        .property("box", text("as in `Settings`"))
        .property("schema", text("a JSON Schema that the answer has to fit"))
        .required("question")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn run() -> ObjectBuilder {
    let statuses = ["queued", "running", "answered", "guessed", "unanswerable", "budget", "cancelled", "failed"];
    let failure = object("Why a run failed.", [("kind", text("which error it is")), ("message", text("in words"))]);
    let run = object(
        "A run.",
        [
            ("id", text("its name")),
            ("object", choice("", ["run"])),
            ("created_at", count("seconds since 1970")),
            ("model", text("the configuration that was asked for")),
            ("question", text("what was asked")),
            ("images", count("how many images it is about")),
            ("status", choice("how far it is, or what it came to", statuses)),
        ],
    );
    // Only what is over has these.
    run.property("answer", or_null(Type::String, "the answer in words, once it is over"))
        .property("error", nullable(failure.into()))
        .property("report", nullable(reference("Report")))
}

fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    utoipa::openapi::OneOfBuilder::new().item(schema).item(null).into()
}

fn rpc() -> ObjectBuilder {
    object("A message of JSON-RPC 2.0, as MCP has it.", [("jsonrpc", choice("", ["2.0"]))])
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

fn health() -> ObjectBuilder {
    object("How it stands.", [("status", choice("", ["live", "ready", "stopping"]))])
        .examples([json!({ "status": "ready" })])
}
