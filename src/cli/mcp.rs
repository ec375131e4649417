//! `lavr mcp`

use clap::{ArgAction, Args};
use tokio_util::sync::CancellationToken;

use super::options::{LlmOptions, ReasonOptions, agent, start_log};
use super::{Exit, Stop, usage};
use crate::error::Error;
use crate::mcp;
use crate::otel;

#[derive(Args)]
#[command(after_help = "A client starts this program by itself. For most, this goes into their configuration:\n\n  \
    {\n    \
      \"mcpServers\": {\n      \
        \"lavr\": { \"command\": \"lavr\", \"args\": [\"mcp\"] }\n    \
      }\n  \
    }\n\n\
    With an LLM and a configuration of your own:\n\n  \
    \"lavr\": {\n    \
      \"command\": \"/usr/local/bin/lavr\",\n    \
      \"args\": [\"mcp\", \"--llm\", \"openai:gpt-4.1-mini\", \"--config\", \"/home/me/lavr.toml\"],\n    \
      \"env\": { \"OPENAI_API_KEY\": \"...\" }\n  \
    }\n\n\
    Then ask the client, e.g.: \"What does the sign in /home/me/photo.jpg say? Use lavr.\"\n\n\
    Clients do not wait long for a server to start: `lavr models pull` fetches the models before.\n\
    Images are paths, seen from the folder that the client starts this in, or `data:` URLs; the limits on them and on \
    calls at a time are those of `[service]` in the configuration. Over HTTP, `lavr serve` has the same at /mcp.\n\
    docs/SERVICE.md says more.")]
pub(super) struct McpArgs {
    #[command(flatten)]
    llm: LlmOptions,

    #[command(flatten)]
    reason: ReasonOptions,

    /// Say more on stderr (-v log lines of lavr, -vv everything)
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

pub(super) async fn run(args: McpArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    start_log(match args.verbose {
        0 => "lavr=warn",
        1 => "lavr=debug",
        _ => "debug",
    });
    let mut config = args.llm.config().map_err(usage)?;
    args.reason.set(&mut config).map_err(usage)?;
    if config.declares_tools() {
        return Err(usage(Error::invalid("tools that are only declared cannot run, so nothing could be answered")));
    }
    config.service.otlp = otel::from_env(config.service.otlp).map_err(usage)?;
    config.service.validate().map_err(usage)?;
    let agent = agent(&config, &cancel).await?;
    mcp::stdio(agent, &config, cancel).await?;
    Ok(Exit::Answered)
}
