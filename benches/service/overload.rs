//! More than there is room for: what is refused, and what becomes of the runs that are let in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::child::{Room, Service};
use crate::table::{Table, Times};
use crate::{Outcome, asked};

/// How many times as much is asked as can be answered.
const TIMES: f64 = 4.0;

pub(crate) async fn measure(seconds: u64, table: &mut Table) -> Outcome<()> {
    let service = Arc::new(Service::start(Room::Scant).await?);
    let config = Room::Scant.config();
    let room = config.service.max_runs + config.service.max_queue;
    let capacity = capacity(&service, room, seconds).await?;
    table.add(
        "full, and nothing refused",
        &room.to_string(),
        &capacity,
        None,
        "2 runs at a time, 2 wait; 50 ms of each run are a tool's sleep",
    );

    let rate = capacity.per_second * TIMES;
    let (ended, took) = offered(&service, rate, seconds).await?;
    let of = |status: u16| -> Vec<&Ended> { ended.iter().filter(|one| one.status == status).collect() };
    let times = |ended: &[&Ended]| Times::of(ended.iter().map(|one| one.time).collect(), took);
    let (accepted, refused) = (of(200), of(429));
    let offered = format!("{rate:.0}/s");

    let answered = accepted.iter().filter(|one| one.is_answered).count();
    let (deadline, of_accepted) = (config.budget.timeout_ms, times(&accepted));
    let note = format!(
        "accepted: {} runs, {answered} of them `answered`; the slowest took {:.0} ms, and a run may take {deadline}",
        accepted.len(),
        of_accepted.max_ms
    );
    table.add("overload, 200", &offered, &of_accepted, None, &note);
    let told = refused.iter().filter(|one| one.has_retry_after).count();
    let others = ended.len() - accepted.len() - refused.len();
    let note = format!("refused: {}, {told} of them with `Retry-After`; other statuses: {others}", refused.len());
    table.add("overload, 429", &offered, &times(&refused), None, &note);
    Ok(())
}

/// How a request ended.
struct Ended {
    status: u16,
    time: Duration,
    is_answered: bool,
    has_retry_after: bool,
}

/// Asks, and waits for the whole answer; the time runs from when it should have been asked.
async fn ask(service: &Service, since: Instant) -> Outcome<Ended> {
    let response = service.post("/v1/chat/completions", &asked::completion()).send().await?;
    let (status, has_retry_after) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
    let text = response.text().await?;
    let is_answered = text.contains(r#""status":"answered""#);
    Ok(Ended { status, time: since.elapsed(), is_answered, has_retry_after })
}

/// How much is answered when there are always as many requests as there is room for.
async fn capacity(service: &Arc<Service>, room: usize, seconds: u64) -> Outcome<Times> {
    let (since, span) = (Instant::now(), Duration::from_secs(seconds));
    let one = |_| {
        let service = Arc::clone(service);
        tokio::spawn(async move {
            let mut times = Vec::new();
            while since.elapsed() < span {
                let ended = ask(&service, Instant::now()).await?;
                if !ended.is_answered {
                    return Err(format!("a run within the room ended with {}", ended.status).into());
                }
                times.push(ended.time);
            }
            Outcome::Ok(times)
        })
    };
    let mut all = Vec::new();
    for one in (0..room).map(one).collect::<Vec<_>>() {
        all.extend(one.await??);
    }
    Ok(Times::of(all, since.elapsed()))
}

/// Asks so often a second, whether or not what was asked before is answered.
async fn offered(service: &Arc<Service>, rate: f64, seconds: u64) -> Outcome<(Vec<Ended>, Duration)> {
    let (began, runtime, service) = (Instant::now(), Handle::current(), Arc::clone(service));
    // A thread sleeps to the microsecond, where the timers of a runtime go by the millisecond.
    let pacing = tokio::task::spawn_blocking(move || {
        let ask_at = |n: u64| {
            let due = began + Duration::from_secs_f64(n as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let service = Arc::clone(&service);
            runtime.spawn(async move { ask(&service, due).await })
        };
        (0..(rate * seconds as f64) as u64).map(ask_at).collect::<Vec<_>>()
    });
    let mut ended = Vec::new();
    for one in pacing.await? {
        ended.push(one.await??);
    }
    Ok((ended, began.elapsed()))
}
