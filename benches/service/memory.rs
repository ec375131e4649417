//! Whether the memory of the service stays as it is.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::child::{Room, Service, cpu_each};
use crate::table::{Table, Times};
use crate::wrk::{Script, wrk};
use crate::{Outcome, asked};

const AT_ONCE: usize = 16;

/// Chat completions without a pause.
pub(crate) async fn of_completions(seconds: u64, table: &mut Table) -> Outcome<()> {
    let service = Service::start(Room::Ample).await?;
    let script = Script::new("memory", Some(&asked::completion().to_string()))?;
    let url = service.url("/v1/chat/completions");
    let before = service.cpu_seconds();
    let (told, samples) =
        tokio::try_join!(wrk(&url, &script, AT_ONCE, seconds), samples(&service, Duration::from_secs(seconds)))?;
    let cpu_ms = cpu_each(before, service.cpu_seconds(), told.times.count);
    let note = [told.note(), note(&samples)].iter().filter(|note| !note.is_empty()).cloned().collect::<Vec<_>>();
    let what = format!("`POST /v1/chat/completions`, {seconds} s");
    table.add(&what, &AT_ONCE.to_string(), &told.times, cpu_ms, &note.join("; "));
    Ok(())
}

/// Runs that are taken on and followed to their end. They are kept in memory, the newest 200.
pub(crate) async fn of_runs(seconds: u64, table: &mut Table) -> Outcome<()> {
    let service = Arc::new(Service::start(Room::Ample).await?);
    let (span, since, before) = (Duration::from_secs(seconds), Instant::now(), service.cpu_seconds());
    let all = Arc::new(Mutex::new(Vec::new()));
    let follow = |_| {
        let (service, all) = (Arc::clone(&service), Arc::clone(&all));
        tokio::spawn(async move {
            while since.elapsed() < span {
                let time = followed(&service).await?;
                all.lock().map_err(|_| "another one failed")?.push(time);
            }
            Outcome::Ok(())
        })
    };
    let following: Vec<_> = (0..AT_ONCE).map(follow).collect();
    let samples = samples(&service, span).await?;
    for one in following {
        one.await??;
    }
    let times = Times::of(std::mem::take(&mut *all.lock().map_err(|_| "one failed")?), since.elapsed());
    let cpu_ms = cpu_each(before, service.cpu_seconds(), times.count);
    let what = format!("`POST /v1/runs` and its events, {seconds} s");
    table.add(&what, &AT_ONCE.to_string(), &times, cpu_ms, &note(&samples));
    Ok(())
}

/// Takes a run to its end.
async fn followed(service: &Service) -> Outcome<Duration> {
    let began = Instant::now();
    let response = service.post("/v1/runs", &asked::run()).send().await?.error_for_status()?;
    let run: serde_json::Value = response.json().await?;
    let id = run["id"].as_str().ok_or("a run has no id")?;
    let events = service.get(&format!("/v1/runs/{id}/events")).send().await?.error_for_status()?.text().await?;
    if !events.contains("event: end") || !events.contains(r#""status":"answered""#) {
        return Err(format!("a run has no answer: {events}").into());
    }
    Ok(began.elapsed())
}

/// The memory at some time after the beginning.
struct Sample {
    minutes: f64,
    mib: f64,
}

/// The service's memory over this span, looked at 60 times.
async fn samples(service: &Service, span: Duration) -> Outcome<Vec<Sample>> {
    let (since, mut samples) = (Instant::now(), Vec::new());
    let mut ticks = tokio::time::interval(span / 60);
    ticks.tick().await;
    for _ in 0..60 {
        ticks.tick().await;
        samples.push(Sample { minutes: since.elapsed().as_secs_f64() / 60.0, mib: service.resident().await? });
    }
    Ok(samples)
}

fn note(samples: &[Sample]) -> String {
    let at = |n: usize| samples.get(n - 1).map(|s| format!("{:.1} after {:.0} s", s.mib, s.minutes * 60.0));
    let told: Vec<String> = [6, 30, 60].into_iter().filter_map(at).collect();
    let late = samples.get(samples.len() / 5..).unwrap_or_default();
    let most = samples.iter().map(|s| s.mib).fold(0.0, f64::max);
    format!(
        "resident MiB: {}; at most {most:.1}; slope of the last {:.0} %: {:+.3} a minute",
        told.join(", "),
        late.len() as f64 * 100.0 / samples.len() as f64,
        slope(late)
    )
}

/// How much the memory grows in a minute, by least squares.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|s| s.minutes), mean(|s| s.mib));
    let both: f64 = samples.iter().map(|s| (s.minutes - x) * (s.mib - y)).sum();
    let own: f64 = samples.iter().map(|s| (s.minutes - x).powi(2)).sum();
    both / own
}
