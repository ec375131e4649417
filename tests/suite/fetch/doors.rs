//! Where the program reaches out to other hosts: in these files, and nowhere else.

use std::collections::BTreeSet;

use regex::Regex;

use crate::experts::repository;
use crate::layout::sources;

/// Files of `src` that match, as paths in it.
fn files_with(pattern: &str) -> BTreeSet<String> {
    let (pattern, root) = (Regex::new(pattern).unwrap(), repository("src"));
    let mut found = BTreeSet::new();
    for path in sources(&root) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if pattern.is_match(&text) {
            let parts: Vec<_> = path.strip_prefix(&root).unwrap().iter().map(|part| part.to_string_lossy()).collect();
            found.insert(parts.join("/"));
        }
    }
    found
}

#[test]
fn connections_are_made_by_these_files_alone() {
    let ways = [
        r"\bClient(Builder)?::(new|builder|default)\b",
        r"\breqwest::(get|blocking)\b",
        r"\bhttp::builder\b",
        r"\bhyper(_util)?::client\b",
        r"\b(lookup_host|to_socket_addrs)\b",
        r"\b(Tcp|Unix)Stream::connect",
        r"\b((Tcp|Udp|Unix)Socket|UnixDatagram)\b",
    ];
    let allowed = [
        // Sets up TLS for all clients.
        "store/http.rs",
        // Model files and packages, from sources that the program and its configuration name.
        "store/web.rs",
        // Spans, to the collector that the configuration or OpenTelemetry's variables name.
        "otel/exporter.rs",
        // The LLM, at the address that the configuration names.
        "chat/openai.rs",
        // Images, from hosts that the configuration allows, at the addresses that the resolver lets pass.
        "fetch.rs",
        "fetch/resolve.rs",
    ];
    assert_eq!(files_with(&ways.join("|")), allowed.map(str::to_owned).into());
}

#[test]
fn image_urls_come_in_by_the_service_alone() {
    let uses = files_with(r"\bcrate::fetch\b");
    assert_eq!(uses, ["config/service.rs", "service.rs", "service/images.rs"].map(str::to_owned).into());
}
