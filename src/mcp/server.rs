//! The server: what it is, which tools it has, and whom it calls.

use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};

use super::call::{self, Call};
use super::refused::Refused;
use super::{ask, schema};
use crate::image::Image;
use crate::observation::Failure;
use crate::service::refusal::{self, Refusal};
use crate::service::{Shared, images};

/// Where clients are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// On this machine: whoever started the program.
    Machine,
    /// On the network: nothing of this machine is told or opened.
    Network,
}

/// Answers the requests of MCP. Clones are handles to the same server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(super) shared: Shared,
    pub(super) reach: Reach,
    tools: Arc<[Tool]>,
}

impl Server {
    pub(super) fn new(shared: Shared, reach: Reach) -> Self {
        let catalog = shared.agent.catalog();
        let own = catalog.iter().map(|tool| tool.spec()).filter(|spec| spec.name != ask::NAME);
        let tools = std::iter::once(ask::tool(reach)).chain(own.map(|spec| schema::tool(spec, reach))).collect();
        Self { shared, reach, tools }
    }

    async fn answer(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, Refused> {
        let arguments = request.arguments.unwrap_or_default();
        let call = Call::new(self, context);
        if request.name == ask::NAME {
            return ask::ask(call, arguments).await.map(Into::into);
        }
        let listed = self.tools.iter().any(|tool| tool.name == request.name);
        let found = self.shared.agent.catalog().find(&request.name).map_err(|e| Refused::call(e.to_string()))?;
        if !listed {
            return Err(Refused::call(format!("there is no tool `{}`", request.name)));
        }
        call::tool(call, Arc::clone(found), arguments).await.map(Into::into)
    }
}

impl Reach {
    /// What a client is told of a failure.
    pub(super) fn told(self, failure: &Failure) -> String {
        match self {
            Self::Machine => failure.message.clone(),
            Self::Network => refusal::told(failure),
        }
    }

    /// Checks what stands for images, before any is opened.
    ///
    /// # Errors
    /// When one is something that is not opened for this client.
    pub(super) fn check(self, sources: &[String]) -> Result<(), Refused> {
        for (n, source) in sources.iter().enumerate().filter(|(_, source)| !images::is_data(source)) {
            let n = n + 1;
            if self == Self::Network {
                let message = format!(
                    "image {n}: over HTTP no file is read and no address is fetched; send the image itself, as \
                     `data:image/png;base64,...`"
                );
                return Err(Refused::call(message));
            }
            if source.contains("://") {
                let message = format!(
                    "image {n}: no address is fetched; give the path of a file, or the image as \
                     `data:image/png;base64,...`"
                );
                return Err(Refused::call(message));
            }
        }
        Ok(())
    }

    /// Opens images within the service's limits. It takes its time: not for a thread that answers others.
    ///
    /// # Errors
    /// When one cannot be opened, or is beyond the limits.
    pub(super) fn open(self, sources: &[String], shared: &Shared) -> Result<Vec<Image>, Refusal> {
        images::open_each(sources, &shared.config, |n, source, limits| {
            if images::is_data(source) || self == Self::Network {
                return images::decode(n, source, limits);
            }
            Image::open(source, limits).map_err(|e| Refusal::bad(e.context(format!("image {n}")).to_string()))
        })
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let about = Implementation::new("lavr", env!("CARGO_PKG_VERSION"))
            .with_title("lavr")
            .with_description("Answers questions about images, with evidence.");
        let instructions = "Use `ask_image` for questions about images: it plans, runs expert models and answers from \
                            what they found. The other tools are those experts and operations one by one. Boxes and \
                            polygons are in pixels of the image that was sent, from its left and top.";
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = about;
        info.with_instructions(instructions)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let answer = self.answer(request, &context).await;
        answer.or_else(|refused| {
            if let Some(code) = refused.code() {
                self.shared.metrics.refused(code);
            }
            refused.into_response()
        })
    }
}
