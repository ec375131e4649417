//! The names in spans: OpenTelemetry's semantic conventions for generative AI, in the one version that is spoken here.
//!
//! Source: OpenTelemetry semantic conventions 1.41.0, `gen-ai-spans.md` and `gen-ai-agent-spans.md` (status:
//! development), and `error.type` and `server.*` of the stable ones. What no convention names begins with `lavr.`.

/// The version of the conventions.
pub const VERSION: &str = "1.41.0";

/// Their schema, as spans name it.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";

/// What is done: one of [`INVOKE_AGENT`], [`CHAT`] and [`EXECUTE_TOOL`].
pub const OPERATION: &str = "gen_ai.operation.name";
/// A run.
pub const INVOKE_AGENT: &str = "invoke_agent";
/// A call of the LLM.
pub const CHAT: &str = "chat";
/// A step.
pub const EXECUTE_TOOL: &str = "execute_tool";

/// Whose protocol the LLM speaks.
pub const PROVIDER: &str = "gen_ai.provider.name";
/// The LLM's name.
pub const MODEL: &str = "gen_ai.request.model";
/// Where the LLM is.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port there.
pub const SERVER_PORT: &str = "server.port";

/// Who runs.
pub const AGENT_NAME: &str = "gen_ai.agent.name";
/// Its version.
pub const AGENT_VERSION: &str = "gen_ai.agent.version";

/// Tokens of prompts, those included whose state was there.
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Of these, tokens whose state was there.
pub const CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Tokens written.
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Why the LLM stopped writing: `stop` or `length`.
pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// What was asked for: `text` or `json`.
pub const OUTPUT_TYPE: &str = "gen_ai.output.type";

/// The tool of a step.
pub const TOOL_NAME: &str = "gen_ai.tool.name";
/// The step's id; without contents its number, `step-1` ...
pub const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
/// What kind of tool it is: always `function`.
pub const TOOL_TYPE: &str = "gen_ai.tool.type";

/// An event of a run: a step did not run, as what it needs is not there.
pub const STEP_LEFT_OUT: &str = "step_left_out";

/// Content: what was asked, as messages.
pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
/// Content: what was answered, as messages.
pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
/// Content: a step's arguments.
pub const TOOL_CALL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
/// Content: what a step returned.
pub const TOOL_CALL_RESULT: &str = "gen_ai.tool.call.result";

/// How something failed: the kind of the error, as in traces and replies.
pub const ERROR_TYPE: &str = "error.type";

/// What the LLM was called for: `plan`, `refine` ...
pub const PURPOSE: &str = "lavr.llm.purpose";
/// The reply is that to an earlier call.
pub const REUSED: &str = "lavr.llm.reused";
/// The earlier step that was the same call.
pub const SAME_AS: &str = "lavr.step.same_as";
/// The run's id, where it has one.
pub const RUN_ID: &str = "lavr.run.id";
/// What the run came to: `answered`, `unanswerable` ...
pub const STATUS: &str = "lavr.run.status";
/// Steps executed.
pub const STEPS: &str = "lavr.run.steps";
/// Rounds of planning.
pub const ROUNDS: &str = "lavr.run.rounds";
/// LLM calls.
pub const LLM_CALLS: &str = "lavr.run.llm_calls";
/// How many images the question is about.
pub const IMAGES: &str = "lavr.run.images";
/// The run began elsewhere, in another process or as a step of another run, and goes on in this span.
pub const RESUMED: &str = "lavr.run.resumed";
