//! The routes, one by one, as they are described.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Content, Ref, RefOr, Required, ResponseBuilder};

use super::refusals::{self, BODY, Codes, ENDED, QUESTION, RUN, Refusals, TAKEN_ON};
use crate::service::routes::Guard;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// How a route is described.
pub(in crate::service) struct Told {
    operation: OperationBuilder,
    refusals: Refusals,
}

impl Told {
    fn new(operation: OperationBuilder, refusals: &[&Codes]) -> Self {
        let mut told = Self { operation, refusals: Refusals::default() };
        refusals.iter().for_each(|codes| told.refusals.add(codes, refusals::ERROR));
        told
    }

    /// The whole description, with what the checks before the route refuse.
    pub(super) fn behind(mut self, guard: Guard) -> OperationBuilder {
        self.refusals.add_guard(guard);
        self.refusals.tell(self.operation)
    }
}

fn named(id: &str, tag: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().operation_id(Some(id)).tag(tag).summary(Some(summary))
}

fn schema(name: &str) -> Content {
    Content::new(Some(Ref::from_schema_name(name)))
}

fn text() -> Content {
    Content::new(Some(ObjectBuilder::new().schema_type(Type::String).build()))
}

/// Bytes that are no text: as OpenAPI has it, these have no schema.
fn bytes() -> Content {
    Content::new(None::<RefOr<Schema>>)
}

fn response(about: &str, contents: impl IntoIterator<Item = (&'static str, Content)>) -> ResponseBuilder {
    let response = ResponseBuilder::new().description(about);
    contents.into_iter().fold(response, |response, (kind, content)| response.content(kind, content))
}

fn ok(about: &str, kind: &'static str, content: Content) -> ResponseBuilder {
    response(about, [(kind, content)])
}

fn in_path(name: &str, kind: Type, about: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
    parameter.description(Some(about)).schema(Some(schema)).build()
}

fn header(name: &str, schema: ObjectBuilder, about: &str) -> Parameter {
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
    parameter.description(Some(about)).schema(Some(schema.build())).build()
}

fn of_run(id: &str, summary: &str) -> OperationBuilder {
    named(id, "runs", summary).parameter(in_path("id", Type::String, "the run"))
}

/// `POST /v1/chat/completions`
pub(in crate::service) fn complete() -> Told {
    let about = "The question is the text of the last message of the role `user`, about the images of that message, or \
                 of the last one before it that has some. The questions of the user before it say what it goes on from; \
                 answers have no say. Fields of the protocol that are not named here are not \
                 noticed.";
    let body = RequestBodyBuilder::new().required(Some(Required::True)).content(JSON, schema("ChatCompletionRequest"));
    let answers = "The answer. With `stream`, it comes in pieces, each a `chat.completion.chunk`, after chunks that tell \
                   what happens; the last one is `[DONE]`.";
    let described = named("complete", "questions", "Answers a question about images")
        .description(Some(about))
        .request_body(Some(body.build()))
        .response("200", response(answers, [(JSON, schema("ChatCompletion")), (EVENTS, text())]));
    Told::new(described, &[BODY, QUESTION, ENDED])
}

/// `GET /v1/models`
pub(in crate::service) fn models() -> Told {
    let described = named("models", "questions", "Lists the configurations by whose names clients ask");
    Told::new(described.response("200", ok("The configurations.", JSON, schema("ModelList"))), &[])
}

/// `GET /v1/models/{name}`
pub(in crate::service) fn model() -> Told {
    let described = named("model", "questions", "Shows one configuration")
        .parameter(in_path("name", Type::String, "its name"))
        .response("200", ok("The configuration.", JSON, schema("Model")));
    Told::new(described, &[&[(404, "model_not_found")]])
}

/// `POST /v1/runs`
pub(in crate::service) fn ask() -> Told {
    let about = "The answer comes when the run is kept, not when it is over. It goes on whether or not its client \
                 stays. With `from`, it goes out from a step of another run, by `plan` where that is given.";
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, schema("RunRequest"))
        .content("multipart/form-data", schema("RunForm"));
    let key = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    let place = |about: &str| {
        let schema = ObjectBuilder::new().schema_type(Type::String).build();
        let location = HeaderBuilder::new().schema(Some(schema)).description(Some("where the run is, as `runs/ID`"));
        ok(about, JSON, schema_of_run()).header("Location", location.build())
    };
    let described = named("ask", "runs", "Takes on a run")
        .description(Some(about))
        .parameter(header("Idempotency-Key", key, "the client's own name for the request, in ASCII"))
        .request_body(Some(body.build()))
        .response("202", place("The run is taken on."))
        .response("200", place("The run that was asked for by this `Idempotency-Key` before."));
    Told::new(described, &[BODY, QUESTION, TAKEN_ON])
}

fn schema_of_run() -> Content {
    schema("Run")
}

/// `GET /v1/runs/{id}`
pub(in crate::service) fn show() -> Told {
    let described = of_run("show", "Shows a run").response("200", ok("The run.", JSON, schema("Run")));
    Told::new(described, &[RUN])
}

/// `GET /v1/runs/{id}/events`
pub(in crate::service) fn follow() -> Told {
    let last = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let about = "What happened and happens, each with its number; at last an event `end`, with the run.";
    let described = of_run("follow", "Tells the events of a run as they come")
        .parameter(header("Last-Event-ID", last, "the number of the last event that the client has seen"))
        .response("200", ok(about, EVENTS, text()))
        .response("204", ResponseBuilder::new().description("The run is over, and the client has seen all of it."));
    Told::new(described, &[RUN])
}

/// `POST /v1/runs/{id}/cancel`
pub(in crate::service) fn cancel() -> Told {
    let described =
        of_run("cancel", "Cancels a run").response("200", ok("The run, as it is now.", JSON, schema("Run")));
    Told::new(described, &[RUN])
}

/// `GET /v1/runs/{id}/trace`
pub(in crate::service) fn trace() -> Told {
    let about = "The events so far, a line of JSON each, without prompts and replies.";
    let described = of_run("trace", "Shows the trace of a run").response("200", ok(about, "application/jsonl", text()));
    Told::new(described, &[RUN])
}

/// `GET /v1/runs/{id}/view`
pub(in crate::service) fn page() -> Told {
    let described =
        of_run("view", "Shows a run as a page").response("200", ok("A page that needs no other.", "text/html", text()));
    Told::new(described, &[RUN])
}

/// `GET /v1/runs/{id}/images/{n}/annotated`
pub(in crate::service) fn annotated() -> Told {
    let about = "The image, with what the answer rests on drawn into it.";
    let described = of_run("annotated", "Draws what the answer of a run rests on")
        .parameter(in_path("n", Type::Integer, "the image, from 1"))
        .response("200", ok(about, "image/png", bytes()));
    let own = &[(400, "invalid_input"), (404, "image_not_found"), (409, "run_not_over"), (409, "run_outdated")];
    Told::new(described, &[RUN, own])
}

/// `GET /v1/runs/{id}/blobs/{digest}`
pub(in crate::service) fn blob() -> Told {
    let described = of_run("blob", "Shows an image of a run, as its events name it")
        .parameter(in_path("digest", Type::String, "the SHA-256 of the image, in hexadecimal"))
        .response("200", ok("The image, as it was sent or made.", "image/*", bytes()));
    Told::new(described, &[RUN, &[(404, "image_not_found")]])
}

/// `POST /mcp`
pub(in crate::service) fn mcp() -> Told {
    let about = "The Model Context Protocol over streamable HTTP, without sessions. `Accept` names both \
                 `application/json` and `text/event-stream`.";
    let body = RequestBodyBuilder::new().required(Some(Required::True)).content(JSON, schema("Rpc"));
    let described = named("mcp", "mcp", "Takes a message of MCP")
        .description(Some(about))
        .request_body(Some(body.build()))
        .response("200", response("The reply.", [(JSON, schema("Rpc")), (EVENTS, text())]))
        .response("202", ResponseBuilder::new().description("The message wants no reply."));
    let mut told = Told::new(described, &[]);
    // These are told in the words of the protocol; those of keys, names and origins are not.
    for codes in [BODY, &[(404, "-32601"), (406, "-32000"), (500, "internal")]] {
        told.refusals.add(codes, "Rpc");
    }
    told
}

/// `GET /health/live`
pub(in crate::service) fn live() -> Told {
    let described = named("live", "health", "Says that the process lives");
    Told::new(described.response("200", ok("It lives.", JSON, schema("Health"))), &[])
}

/// `GET /health/ready`
pub(in crate::service) fn ready() -> Told {
    let described = named("ready", "health", "Says whether requests are taken")
        .response("200", ok("They are.", JSON, schema("Health")))
        .response("503", ok("The service is stopping.", JSON, schema("Health")));
    Told::new(described, &[])
}

/// `GET /openapi.json`
pub(in crate::service) fn openapi() -> Told {
    let document = Content::new(Some(ObjectBuilder::new().schema_type(Type::Object).build()));
    let described = named("openapi", "about", "Describes the routes");
    Told::new(described.response("200", ok("This document.", JSON, document)), &[])
}

/// `GET /metrics`
pub(in crate::service) fn metrics() -> Told {
    let described = named("metrics", "about", "Tells what the service has done, and how it stands");
    Told::new(described.response("200", ok("The text format of Prometheus.", "text/plain", text())), &[])
}
