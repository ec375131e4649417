//! Names to addresses, of which only allowed ones reach the connector.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Guard;
use crate::error::{Error, ErrorKind, Result};

/// Finds the addresses of a name.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of a name, in the order in which they are tried. Dropping the future gives up waiting.
    ///
    /// # Errors
    /// When the name has none, or nobody could be asked.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system. A lookup that nobody waits for any more ends by the system's own time limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|at| at.ip()).collect())
    }
}

/// A resolver as the HTTP client knows it, with a guard before its answers.
pub(super) struct Guarded {
    resolver: Arc<dyn Resolver>,
    guard: Guard,
}

impl Guarded {
    pub(super) fn new(resolver: Arc<dyn Resolver>, guard: Guard) -> Self {
        Self { resolver, guard }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, guard) = (Arc::clone(&self.resolver), self.guard);
        Box::pin(async move {
            let found = checked(resolver.as_ref(), name.as_str(), guard).await?;
            // The port 0 is replaced by that of the URL.
            let found: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(found)
        })
    }
}

/// The addresses of a name, when every one of them is allowed.
async fn checked(resolver: &dyn Resolver, name: &str, guard: Guard) -> Result<Vec<IpAddr>> {
    let found = resolver.addresses(name).await?;
    if found.is_empty() {
        return Err(Error::new(ErrorKind::Network, format!("`{name}` has no address")));
    }
    found.iter().try_for_each(|address| check(name, *address, guard))?;
    Ok(found)
}

/// Asks the guard. The message is for logs: it says where a name leads.
pub(super) fn check(name: &str, address: IpAddr, guard: Guard) -> Result<()> {
    if guard(address) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Network, format!("`{name}` is at {address}, which is no public address")))
}
