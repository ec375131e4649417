//! `lavr mcp`

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::options::{ServerOptions, agent};
use super::serve::note_spans;
use super::{Exit, Stop, output, usage};
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
    server: ServerOptions,
}

pub(super) async fn run(args: McpArgs, cancel: CancellationToken) -> Result<Exit, Stop> {
    let mut config = args.server.config().map_err(usage)?;
    // The environment is that of the client, and may mean the client alone.
    config.service.otlp = otel::from_env(config.service.otlp).unwrap_or_else(|error| {
        output::note(&format!("no spans are sent: {error}"));
        None
    });
    config.service.validate().map_err(usage)?;
    let agent = agent(&config, &cancel).await?;
    note_spans(&config);
    mcp::stdio(agent, &config, cancel).await?;
    Ok(Exit::Answered)
}
