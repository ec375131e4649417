//! Requests a second, beside the floor that HTTP sets and the library that is asked without it.

use crate::child::{Asked, Room, Service, cpu_each, library};
use crate::table::{Table, Times};
use crate::wrk::{Script, wrk};
use crate::{Outcome, asked};

const CONNECTIONS: [usize; 4] = [1, 16, 64, 256];

pub(crate) async fn measure(seconds: u64, table: &mut Table) -> Outcome<()> {
    let service = Service::start(Room::Ample).await?;
    let (get, post) = (Script::new("get", None)?, Script::new("post", Some(&asked::completion().to_string()))?);
    for connections in CONNECTIONS {
        row(&service, ("GET", "/health/live", &get), connections, seconds, table).await?;
    }
    let mut served = Vec::new();
    for connections in CONNECTIONS {
        let asking = ("POST", "/v1/chat/completions", &post);
        served.push((connections, row(&service, asking, connections, seconds, table).await?));
    }
    drop(service);
    for at_once in [1, 16] {
        let Asked { times, cpu_ms } = library(at_once, seconds).await?;
        let beside = served.iter().find(|(connections, _)| *connections == at_once);
        let note = beside.map(|(_, served)| compared(served, &Asked { times, cpu_ms })).unwrap_or_default();
        table.add("the library, `Agent::ask`", &at_once.to_string(), &times, cpu_ms, &note);
    }
    Ok(())
}

/// Measures one row.
async fn row(
    service: &Service,
    (method, path, script): (&str, &str, &Script),
    connections: usize,
    seconds: u64,
    table: &mut Table,
) -> Outcome<Asked> {
    let before = service.cpu_seconds();
    let told = wrk(&service.url(path), script, connections, seconds).await?;
    let cpu_ms = cpu_each(before, service.cpu_seconds(), told.times.count);
    table.add(&format!("`{method} {path}`"), &connections.to_string(), &told.times, cpu_ms, &told.note());
    Ok(Asked { times: told.times, cpu_ms })
}

/// What the service costs on top of the library.
fn compared(served: &Asked, asked: &Asked) -> String {
    let Times { p50_ms, per_second, .. } = served.times;
    let time = format!("time {:.2} times ({:+.2} ms)", p50_ms / asked.times.p50_ms, p50_ms - asked.times.p50_ms);
    let cpu = served.cpu_ms.zip(asked.cpu_ms).map(|(served, asked)| format!(", CPU {:.2} times", served / asked));
    let rate = per_second / asked.times.per_second;
    format!("the service: {time}, {rate:.2} times as many a second{}", cpu.unwrap_or_default())
}
