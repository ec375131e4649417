//! `wrk`, which makes the requests: on so many connections at once, each of which asks again when it was answered.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::Outcome;
use crate::child::KEY;
use crate::table::Times;

/// Says what is missing where there is no `wrk`.
pub(crate) async fn check() -> Outcome<()> {
    let started = Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    started.map(|_| ()).map_err(|error| {
        let how = "it is a package of that name in Debian, Ubuntu, Fedora and Homebrew: `apt-get install wrk`";
        format!("`wrk`, which makes the requests, does not start ({error}); {how}").into()
    })
}

/// What came of the requests.
pub(crate) struct Told {
    pub(crate) times: Times,
    /// Statuses other than 2xx and 3xx.
    pub(crate) refused: u64,
    /// Connections that failed, and requests that took more than a minute.
    pub(crate) failed: u64,
}

impl Told {
    /// What has to be said of requests that were not answered.
    pub(crate) fn note(&self) -> String {
        match (self.refused, self.failed) {
            (0, 0) => String::new(),
            (refused, failed) => format!("{refused} refused, {failed} failed"),
        }
    }
}

/// A script for `wrk`. Its file is removed when this is dropped.
pub(crate) struct Script(PathBuf);

impl Script {
    /// Requests with this body, or without one.
    pub(crate) fn new(name: &str, body: Option<&str>) -> Outcome<Self> {
        let ask = body.map(|body| {
            // No long bracket of this kind stands in JSON of the project's own.
            format!(
                "wrk.method = \"POST\"\nwrk.body = [==[{body}]==]\n\
                 wrk.headers[\"Content-Type\"] = \"application/json\"\n"
            )
        });
        let text = format!(
            "{}wrk.headers[\"Authorization\"] = \"Bearer {KEY}\"\n\
             done = function(summary, latency, requests)\n\
             \x20 local e = summary.errors\n\
             \x20 io.write(string.format(\"told %d %d %d %d %d %d %d\\n\", summary.requests, summary.duration,\n\
             \x20   latency:percentile(50), latency:percentile(99), latency.max, e.status,\n\
             \x20   e.connect + e.read + e.write + e.timeout))\n\
             end\n",
            ask.unwrap_or_default()
        );
        let path = std::env::temp_dir().join(format!("lavr-bench-{}-{name}.lua", std::process::id()));
        std::fs::write(&path, text)?;
        Ok(Self(path))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // A folder of the system's own for such files: a left-over is no harm.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes requests for so long.
pub(crate) async fn wrk(url: &str, Script(script): &Script, connections: usize, seconds: u64) -> Outcome<Told> {
    let threads = connections.min(2);
    let mut command = Command::new("wrk");
    command.arg(format!("-t{threads}")).arg(format!("-c{connections}")).arg(format!("-d{seconds}s"));
    command.args(["--latency", "--timeout", "60s", "-s"]).arg::<&Path>(script).arg(url).kill_on_drop(true);
    let output = command.stderr(Stdio::inherit()).output().await?;
    let text = String::from_utf8(output.stdout)?;
    let told = text.lines().find_map(|line| line.strip_prefix("told "));
    let told = told.ok_or_else(|| format!("`wrk` tells no result: {text}"))?;
    let numbers: Vec<u64> = told.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [requests, micros, p50, p99, max, refused, failed] = numbers[..] else {
        return Err(format!("`wrk` tells something else: {told}").into());
    };
    let ms = |micros: u64| micros as f64 / 1e3;
    let times = Times {
        count: usize::try_from(requests)?,
        per_second: requests as f64 / Duration::from_micros(micros).as_secs_f64(),
        p50_ms: ms(p50),
        p99_ms: ms(p99),
        max_ms: ms(max),
    };
    Ok(Told { times, refused, failed })
}
