//! Which errors a route may answer with, as its description has them.

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, ResponseBuilder};

use crate::service::routes::Guard;

/// The schema of errors as the OpenAI protocol has them.
pub(super) const ERROR: &str = "Error";
/// Statuses with the codes that tell them apart.
pub(super) type Codes = [(u16, &'static str)];

/// The wrong name, or the wrong web page.
const PLACE: &Codes = &[(400, "invalid_request"), (403, "unknown_origin"), (421, "unknown_host")];
/// Of routes that take a key.
const KEY: &Codes = &[(401, "invalid_api_key"), (500, "internal")];
/// Of routes that read a body, and take a place in the queue for it.
pub(super) const BODY: &Codes = &[
    (400, "invalid_request"),
    (408, "body_timeout"),
    (413, "request_too_large"),
    (415, "not_json"),
    (429, "rate_limit_exceeded"),
];
/// Of questions about images.
pub(super) const QUESTION: &Codes =
    &[(400, "invalid_input"), (400, "image_url_not_allowed"), (400, "image_url_failed"), (404, "model_not_found")];
/// Of a run whose end is waited for.
pub(super) const ENDED: &Codes = &[
    (422, "plan"),
    (422, "tool"),
    (422, "budget"),
    (502, "network"),
    (502, "model"),
    (502, "invalid_input"),
    (503, "cancelled"),
    (504, "timeout"),
];
/// Of a run that goes out from another, or is asked for twice.
pub(super) const TAKEN_ON: &Codes = &[(404, "run_not_found"), (422, "unfit_plan"), (422, "idempotency_key_reused")];
/// Of what is named by a run.
pub(super) const RUN: &Codes = &[(404, "run_not_found")];

/// What a status means, wherever it stands.
fn about(status: u16) -> &'static str {
    match status {
        400 => "The request is wrong; the message says what, and what to do.",
        401 => "The API key is missing, or not one of this service's.",
        403 => "A web page of another origin may not call.",
        404 => "There is no such thing, or it is another caller's.",
        406 => "`Accept` does not take what this route answers with.",
        408 => "The body is too slow.",
        409 => "The run is not over.",
        413 => "The body is too large, or has too many images.",
        415 => "The body is of another type.",
        421 => "The name that is called is not one of this service's.",
        422 => "The request is well formed; the same one would fail again.",
        429 => "There is no room.",
        500 => "A defect of the service; its log says more.",
        502 => "The LLM or a model failed; the log of the service says more.",
        503 => "The service is stopping.",
        _ => "Something took too long.",
    }
}

/// What a route may be refused with: by status, the codes and the schema of the body.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<u16, (Vec<&'static str>, &'static str)>);

impl Refusals {
    /// Adds refusals. Of one status all have the same schema: the first that was named.
    pub(super) fn add(&mut self, codes: &Codes, schema: &'static str) {
        for (status, code) in codes {
            let (codes, _) = self.0.entry(*status).or_insert_with(|| (Vec::new(), schema));
            if !codes.contains(code) {
                codes.push(code);
            }
        }
    }

    /// Adds what the checks before a route refuse.
    pub(super) fn add_guard(&mut self, guard: Guard) {
        if guard != Guard::Nothing {
            self.add(PLACE, ERROR);
        }
        if guard == Guard::Key {
            self.add(KEY, ERROR);
        }
    }

    /// Tells them as answers of an operation.
    pub(super) fn tell(&self, operation: OperationBuilder) -> OperationBuilder {
        self.0.iter().fold(operation, |operation, (status, (codes, schema))| {
            let codes: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
            let body = Content::new(Some(Ref::from_schema_name(*schema)));
            let response = ResponseBuilder::new()
                .description(format!("{} Codes: {}.", about(*status), codes.join(", ")))
                .content("application/json", body);
            operation.response(status.to_string(), headers(response, *status))
        })
    }
}

fn headers(response: ResponseBuilder, status: u16) -> ResponseBuilder {
    let header = |kind: Type, about: &str| {
        let schema = ObjectBuilder::new().schema_type(kind).build();
        HeaderBuilder::new().schema(Some(schema)).description(Some(about)).build()
    };
    match status {
        401 => response.header("WWW-Authenticate", header(Type::String, "`Bearer`")),
        429 => response.header("Retry-After", header(Type::Integer, "Seconds after which there may be room.")),
        500 | 502 | 504 => {
            let about = "`false`: clients of the OpenAI protocol would run it twice more.";
            response.header("x-should-retry", header(Type::String, about))
        }
        _ => response,
    }
}
