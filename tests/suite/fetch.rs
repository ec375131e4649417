//! Images by their addresses: which are fetched, by which addresses, and what of it is told.

mod addresses;
mod answers;
mod doors;
mod server;
mod urls;

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use lavr::error::Result;
use lavr::fetch::{Fetcher, Guard, ImageUrls, Network, Resolver, is_public};

pub use answers::until;
pub use server::{Answer, Server};

/// The most bytes of an image.
const MOST: u64 = 100_000;

/// A resolver that answers as it is told, the last answer again and again, and remembers the names.
pub struct Names {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Names {
    /// Every name has these addresses.
    pub fn at(addresses: &[&str]) -> Arc<Self> {
        Self::in_turn(&[addresses])
    }

    /// One answer after the other. Names without addresses do not exist.
    pub fn in_turn(answers: &[&[&str]]) -> Arc<Self> {
        let addresses =
            |answer: &&[&str]| -> Vec<IpAddr> { answer.iter().map(|address| address.parse().unwrap()).collect() };
        let answers = Mutex::new(answers.iter().map(addresses).collect());
        Arc::new(Self { answers, asked: Mutex::default() })
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Resolver for Names {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        next.filter(|answer| !answer.is_empty()).ok_or_else(|| io::Error::other("there is no such name"))
    }
}

/// Names on the loopback, which a guard of the tests' own lets pass.
pub fn nearby(names: &Arc<Names>) -> Network {
    with_guard(names, |address| address.is_loopback())
}

/// What programs have, but for the names.
fn outside(names: &Arc<Names>) -> Network {
    with_guard(names, is_public)
}

fn with_guard(names: &Arc<Names>, guard: Guard) -> Network {
    Network { resolver: names.clone(), guard, roots: Some(server::authority()) }
}

/// A fetcher for the names of a server, all of which are on the loopback.
pub fn fetcher_of(server: &Server) -> Fetcher {
    Fetcher::on(&server.allowed(), nearby(&Names::at(&["127.0.0.1"]))).unwrap()
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Vec<u8>> {
    fetcher.fetch(fetcher.allow(url)?, MOST, Instant::now()).await
}

fn allowing(hosts: &[&str]) -> ImageUrls {
    ImageUrls { allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(), ..ImageUrls::default() }
}
