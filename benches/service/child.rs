//! Processes of their own: the service, and a program that asks the library. Both are this program, started anew.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lavr::answer::Status;
use lavr::budget::Budget;
use lavr::config::Config;
use lavr::image::Image;
use lavr::service::{self, ApiKeys};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::table::Times;
use crate::{Outcome, asked};

/// The key that the service is called with.
pub(crate) const KEY: &str = "a-key-for-the-measurement";

/// How much the service takes on.
#[derive(Clone, Copy)]
pub(crate) enum Room {
    /// For all that is asked.
    Ample,
    /// For two runs, and two that wait. Its detector takes 50 ms.
    Scant,
}

impl Room {
    const SCANT: &str = "--serve-scant";
    const AMPLE: &str = "--serve-ample";

    pub(crate) fn config(self) -> Config {
        let mut config = Config::default();
        let service = &mut config.service;
        (service.max_connections, service.max_runs_per_key) = (1024, 4096);
        match self {
            Self::Ample => (service.max_runs, service.max_queue) = (16, 4096),
            Self::Scant => {
                (service.max_runs, service.max_queue) = (2, 2);
                config.budget = Budget { timeout_ms: 1000, ..config.budget };
            }
        }
        config
    }

    fn wait(self) -> Duration {
        match self {
            Self::Ample => Duration::ZERO,
            Self::Scant => Duration::from_millis(50),
        }
    }
}

const LIBRARY: &str = "--ask-library";

/// Whether this program was started as a child.
pub(crate) fn is_one(args: &[String]) -> bool {
    args.first().is_some_and(|first| [Room::AMPLE, Room::SCANT, LIBRARY].contains(&first.as_str()))
}

/// What a child does.
pub(crate) async fn run(args: &[String]) -> Outcome<()> {
    match args {
        [library, at_once, seconds] if library == LIBRARY => ask(at_once.parse()?, seconds.parse()?).await,
        [room] if room == Room::SCANT => serve(Room::Scant).await,
        _ => serve(Room::Ample).await,
    }
}

/// Serves until the standard input ends; prints the address.
async fn serve(room: Room) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let ends = stop.clone();
    tokio::spawn(async move {
        // However it ends, who started this is gone.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
        ends.cancel();
    });
    let agent = asked::agent(room.wait())?;
    Ok(service::serve(listener, agent, &room.config(), ApiKeys::parse(KEY)?, stop).await?)
}

/// What asking the library came to.
#[derive(Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) times: Times,
    pub(crate) cpu_ms: Option<f64>,
}

/// Asks the library, so many at once, and prints how long that took: from the bytes of the image to the report.
async fn ask(at_once: usize, seconds: u64) -> Outcome<()> {
    let (agent, config) = (asked::agent(Duration::ZERO)?, Arc::new(Room::Ample.config()));
    let (bytes, all) = (Arc::new(asked::picture()), Arc::new(Mutex::new(Vec::new())));
    let (since, cpu) = (Instant::now(), cpu_seconds(std::process::id()));
    let one = |_| {
        let (agent, config, bytes, all) = (agent.clone(), Arc::clone(&config), Arc::clone(&bytes), Arc::clone(&all));
        tokio::spawn(async move {
            let mut times = Vec::new();
            while since.elapsed() < Duration::from_secs(seconds) {
                let began = Instant::now();
                let image = Image::decode(bytes.to_vec(), &config.images)?;
                let report = agent.ask(&config.task(asked::QUESTION, vec![image])).await?;
                if report.answer.status != Status::Answered {
                    return Err(format!("the library did not answer: {}", report.answer.text).into());
                }
                times.push(began.elapsed());
            }
            all.lock().await.append(&mut times);
            Outcome::Ok(())
        })
    };
    for one in (0..at_once).map(one).collect::<Vec<_>>() {
        one.await??;
    }
    let times = std::mem::take(&mut *all.lock().await);
    let cpu_ms = cpu_each(cpu, cpu_seconds(std::process::id()), times.len());
    println!("{}", serde_json::to_string(&Asked { times: Times::of(times, since.elapsed()), cpu_ms })?);
    Ok(())
}

/// Asks the library in a process of its own.
pub(crate) async fn library(at_once: usize, seconds: u64) -> Outcome<Asked> {
    let args = [LIBRARY.to_owned(), at_once.to_string(), seconds.to_string()];
    let output = Command::new(std::env::current_exe()?).args(args).stderr(Stdio::inherit()).output().await?;
    if !output.status.success() {
        return Err("the program that asks the library failed".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A service in a process of its own. It ends when this is dropped.
pub(crate) struct Service {
    address: String,
    process: Child,
    _input: ChildStdin,
    client: reqwest::Client,
}

impl Service {
    pub(crate) async fn start(room: Room) -> Outcome<Self> {
        let role = match room {
            Room::Ample => Room::AMPLE,
            Room::Scant => Room::SCANT,
        };
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the service has no pipes".into());
        };
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address).await?;
        // Only the first service sets it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let service = Self { address: address.trim().to_owned(), process, _input: input, client };
        service.warm_up().await?;
        Ok(service)
    }

    /// Asks once, which has to be answered.
    async fn warm_up(&self) -> Outcome<()> {
        let response = self.post("/v1/chat/completions", &asked::completion()).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        if !status.is_success() || !text.contains(r#""status":"answered""#) {
            return Err(format!("the service does not answer: {status} {text}").into());
        }
        Ok(())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(KEY)
    }

    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> reqwest::RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(KEY).json(body)
    }

    /// The memory of its process, in MiB.
    pub(crate) async fn resident(&self) -> Outcome<f64> {
        let metrics = self.get("/metrics").send().await?.text().await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        let bytes: f64 = line.ok_or("the service does not tell its memory, as on Linux it does")?.parse()?;
        Ok(bytes / f64::from(1 << 20))
    }

    /// The seconds of CPU that it has used; known on Linux alone.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        self.process.id().and_then(cpu_seconds)
    }
}

/// Milliseconds of CPU for each of so many.
pub(crate) fn cpu_each(before: Option<f64>, after: Option<f64>, count: usize) -> Option<f64> {
    Some((after? - before?) * 1e3 / count.max(1) as f64)
}

fn cpu_seconds(process: u32) -> Option<f64> {
    /// A second in the kernel's unit of such times (USER_HZ), the same on all machines that Linux runs on today.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name in brackets may hold anything; what follows it begins with the third field.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n - 3)?.parse::<f64>().ok();
    Some((ticks(14)? + ticks(15)?) / TICKS)
}
