//! Which addresses are connected to.

use std::time::Instant;

use lavr::error::ErrorKind;
use lavr::fetch::{Fetcher, ImageUrls, Network, is_public};

use super::{Answer, MOST, Names, Server, allowing, fetch, fetcher_of, nearby, outside};
use crate::fakes::picture;

/// Addresses at the edges of all that is not public.
const CLOSED: &[&str] = &[
    // Unspecified and this network.
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    // Private.
    "10.0.0.0",
    "10.255.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.168.0.0",
    "192.168.255.255",
    // Shared by the customers of a carrier.
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    // Loopback, link-local and what clouds answer from.
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "168.63.129.16",
    // For protocols, documents and benchmarks.
    "192.0.0.0",
    "192.0.0.192",
    "192.88.99.1",
    "192.0.2.0",
    "192.0.2.255",
    "198.51.100.7",
    "203.0.113.255",
    "198.18.0.0",
    "198.19.255.255",
    // Multicast, reserved, broadcast.
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.254",
    "255.255.255.255",
    // Unspecified, loopback and IPv4-compatible.
    "::",
    "::1",
    "::10.0.0.1",
    "::93.184.216.34",
    // Mapped and translated.
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:93.184.216.34",
    "64:ff9b::127.0.0.1",
    "64:ff9b::192.168.1.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::93.184.216.34",
    // 6to4 and Teredo, whatever is in them.
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:5db8:d822::1",
    "2001::7f00:1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    // Benchmarks, identifiers, documents.
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::1",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff::1",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    // Discarded, unique local, link-local, site-local, multicast, and what is given to nobody.
    "100::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "5f00::1",
    "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "4000::1",
];

/// Their neighbours.
const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "93.184.216.34",
    "::ffff:93.184.216.34",
    "64:ff9b::93.184.216.34",
    "2001:200::1",
    "2001:db7::1",
    "2001:db9::1",
    "2003::1",
    "2606:2800:220:1:248:1893:25c8:1946",
    "3fff:1000::1",
    "3ffe::1",
    "2000::1",
];

#[test]
fn public_addresses_are_those_of_the_internet() {
    for (addresses, expected) in [(CLOSED, false), (PUBLIC, true)] {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_leads_nowhere() {
    for &address in CLOSED {
        // Alone, and behind or before one that would do.
        for answer in [&[address][..], &["93.184.216.34", address], &[address, "93.184.216.34"]] {
            let fetcher = Fetcher::on(&allowing(&["images.example.com"]), outside(&Names::at(answer))).unwrap();
            let error = fetch(&fetcher, "https://images.example.com/cat.png").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Network, "{answer:?}: {error}");
            assert!(error.for_log().contains("which is no public address"), "{answer:?}: {error:?}");
            let said = "`images.example.com` could not be reached: it has to answer at public addresses, with a valid \
                        certificate, within 10000 ms";
            assert_eq!(error.to_string(), said, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn nobody_inside_is_even_connected_to() {
    let server = Server::start([("/cat.png", Answer::picture())]);
    let closed = Fetcher::on(&server.allowed(), outside(&Names::at(&["127.0.0.1"]))).unwrap();
    fetch(&closed, &server.url("/cat.png")).await.unwrap_err();
    let mixed = Fetcher::on(&server.allowed(), nearby(&Names::at(&["127.0.0.1", "10.0.0.1"]))).unwrap();
    fetch(&mixed, &server.url("/cat.png")).await.unwrap_err();
    assert_eq!(server.connections(), 0);
    // It is there, for whoever may go there.
    assert_eq!(fetch(&fetcher_of(&server), &server.url("/cat.png")).await.unwrap(), picture().encoded());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_name_that_changes_is_checked_each_time_and_looked_up_no_second_time() {
    let server = Server::start([("/cat.png", Answer::picture()), ("/old.png", Answer::to(301, "/cat.png"))]);
    let names = Names::in_turn(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let fetcher = Fetcher::on(&server.allowed(), nearby(&names)).unwrap();
    assert_eq!(fetch(&fetcher, &server.url("/cat.png")).await.unwrap(), picture().encoded());
    assert_eq!(names.asked(), ["images.example.com"]);
    let error = fetch(&fetcher, &server.url("/cat.png")).await.unwrap_err();
    assert!(error.for_log().contains("at 10.0.0.1"), "{error:?}");
    // So it is between a redirect and where it leads.
    let names = Names::in_turn(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let fetcher = Fetcher::on(&server.allowed(), nearby(&names)).unwrap();
    let error = fetch(&fetcher, &server.url("/old.png")).await.unwrap_err();
    assert!(error.for_log().contains("at 10.0.0.1") && !error.to_string().contains("10.0.0.1"), "{error:?}");
    assert_eq!((names.asked().len(), server.connections()), (2, 2));
}

#[tokio::test]
async fn addresses_in_place_of_names_have_to_be_allowed_and_public() {
    let server = Server::start([("/cat.png", Answer::picture())]);
    let url = format!("https://127.0.0.1:{}/cat.png", server.port);
    let error = fetcher_of(&server).allow(&url).unwrap_err();
    assert!(error.to_string().contains("`127.0.0.1` is none of the hosts"), "{error}");
    let names = Names::at(&[]);
    let allowed = ImageUrls { allowed_hosts: vec!["127.0.0.1".to_owned()], ..server.allowed() };
    let error = fetch(&Fetcher::on(&allowed, outside(&names)).unwrap(), &url).await.unwrap_err();
    assert!(error.for_log().contains("which is no public address"), "{error:?}");
    let allowed_six = allowing(&["[::1]", "[::ffff:7f00:1]"]);
    let fetcher = Fetcher::on(&allowed_six, outside(&names)).unwrap();
    for url in ["https://[::1]/cat.png", "https://[::ffff:127.0.0.1]/cat.png"] {
        let error = fetch(&fetcher, url).await.unwrap_err();
        assert!(error.for_log().contains("which is no public address"), "{error:?}");
    }
    assert_eq!(server.connections(), 0);
    assert_eq!(fetch(&Fetcher::on(&allowed, nearby(&names)).unwrap(), &url).await.unwrap(), picture().encoded());
    assert!(names.asked().is_empty(), "an address is no name");
}

#[tokio::test]
async fn whatever_keeps_a_host_from_answering_is_told_alike() {
    let server = Server::start([("/cat.png", Answer::picture()), ("/silence.png", Answer::silence())]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let allowed = ImageUrls { timeout_ms: 1500, ports: vec![server.port, nobody], ..server.allowed() };
    let here = Names::at(&["127.0.0.1"]);
    let untrusted = Network { roots: None, ..nearby(&here) };
    let closed = format!("https://images.example.com:{nobody}/cat.png");
    let mut told = Vec::new();
    for (network, url, why) in [
        (nearby(&Names::at(&[])), server.url("/cat.png"), "there is no such name"),
        (outside(&here), server.url("/cat.png"), "which is no public address"),
        (nearby(&here), closed, ""),
        (untrusted, server.url("/cat.png"), ""),
        (nearby(&here), server.url("/silence.png"), ""),
    ] {
        let fetcher = Fetcher::on(&allowed, network).unwrap();
        let error = fetcher.fetch(fetcher.allow(&url).unwrap(), MOST, Instant::now()).await.unwrap_err();
        assert!(error.for_log().contains(why), "{error:?}");
        told.push((error.kind(), error.to_string()));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}
