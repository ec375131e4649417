//! Fetching: first source that answers wins, resuming, sharing, verifying.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lavr::error::ErrorKind;
use lavr::store::Silent;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::servers::{Broken, Fragile, asked, nobody, serve};
use super::{Watcher, artefact, bytes, sha256, store};

#[tokio::test]
async fn a_file_is_fetched_once_and_found_again() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(1, 300_000));
    serve(&server, "/thing", &content, true).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.uri()));
    let store = store(home.path(), &[]);
    assert_eq!(store.path_if_ready(&wanted), None);
    let watcher = Watcher::default();
    let found = store.get(&wanted, &watcher).await.unwrap();
    assert_eq!(found, home.path().join("artefacts/thing.bin"));
    assert_eq!(std::fs::read(&found).unwrap(), content);
    assert_eq!(*watcher.done.lock().unwrap(), 300_000);
    assert_eq!(*watcher.ends.lock().unwrap(), [true]);
    assert_eq!(store.get(&wanted, &Silent).await.unwrap(), found);
    assert_eq!(store.path_if_ready(&wanted), Some(found));
    assert_eq!(asked(&server, "/thing").await, 1);
    assert_eq!(std::fs::read_dir(home.path().join("artefacts/.partial")).unwrap().count(), 0, "leftovers");
}

#[tokio::test]
async fn a_fetch_can_run_as_a_task_of_its_own() {
    let (home, folder, content) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), bytes(19, 100));
    let here = folder.path().join("here");
    std::fs::write(&here, &content).unwrap();
    let (store, wanted) = (store(home.path(), &[]), artefact(&content, &format!("\"file:{}\"", here.display())));
    let progress: std::sync::Arc<dyn lavr::store::Progress> = std::sync::Arc::new(Silent);
    let fetch = move || {
        let (store, progress, wanted) = (store.clone(), progress.clone(), wanted.clone());
        Box::pin(async move { store.get(&wanted, progress.as_ref()).await })
            as std::pin::Pin<Box<dyn Future<Output = lavr::error::Result<std::path::PathBuf>> + Send>>
    };
    tokio::spawn(fetch()).await.unwrap().unwrap();
}

#[tokio::test]
async fn sources_are_tried_in_order_until_one_is_right() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(2, 50_000));
    serve(&server, "/wrong-bytes", &bytes(3, 50_000), true).await;
    serve(&server, "/wrong-size", &content[..40_000], true).await;
    serve(&server, "/right", &content, true).await;
    serve(&server, "/never", &content, true).await;
    let uri = server.uri();
    let list = ["missing", "wrong-bytes", "wrong-size", "right", "never"].map(|name| format!("\"{uri}/{name}\""));
    let wanted = artefact(&content, &list.join(", "));
    let watcher = Watcher::default();
    let found = store(home.path(), &[]).get(&wanted, &watcher).await.unwrap();
    assert_eq!(sha256(&found), wanted.sha256);
    assert_eq!(asked(&server, "/never").await, 0);
    let notes = watcher.notes();
    assert!(notes.contains("/missing: answered 404"), "{notes}");
    assert!(notes.contains("instead of"), "{notes}");
    assert!(notes.contains("has 40000 bytes instead of 50000"), "{notes}");
}

#[tokio::test]
async fn parts_are_joined_in_their_order() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(4, 90_001));
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("last");
    std::fs::write(&last, &content[60_000..]).unwrap();
    // The first part is the slowest.
    let slow = ResponseTemplate::new(200).set_body_bytes(&content[..30_000]).set_delay(Duration::from_millis(300));
    Mock::given(method("GET")).and(path("/a")).respond_with(slow).mount(&server).await;
    serve(&server, "/b", &content[30_000..60_000], true).await;
    let uri = server.uri();
    let wanted = artefact(&content, &format!("{{ parts = [\"{uri}/a\", \"{uri}/b\", \"file:{}\"] }}", last.display()));
    let watcher = Watcher::default();
    let found = store(home.path(), &[]).get(&wanted, &watcher).await.unwrap();
    assert_eq!(std::fs::read(found).unwrap(), content);
    assert_eq!(*watcher.done.lock().unwrap(), 90_001);
    assert!(last.exists(), "a file of the user's was removed");
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_again() {
    let (home, content) = (tempfile::tempdir().unwrap(), bytes(5, 100_000));
    let server = Fragile::start(content.clone(), 40_000, false).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.address));
    let found = store(home.path(), &[]).get(&wanted, &Silent).await.unwrap();
    assert_eq!(std::fs::read(found).unwrap(), content);
    let ranges = server.ranges.lock().unwrap().clone();
    assert_eq!(ranges[0], None);
    assert!(ranges[1].as_deref().is_some_and(|range| range.starts_with("bytes=")), "{ranges:?}");
}

#[tokio::test]
async fn a_fetch_that_was_stopped_goes_on_in_the_next_run() {
    let (home, content) = (tempfile::tempdir().unwrap(), bytes(6, 3_000_000));
    let stalling = Fragile::start(content.clone(), 2_000_000, true).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", stalling.address));
    let first = store(home.path(), &[]);
    let stopped = tokio::time::timeout(Duration::from_millis(700), first.get(&wanted, &Silent)).await;
    assert!(stopped.is_err(), "it should still wait for bytes");
    let found = store(home.path(), &[]).get(&wanted, &Silent).await.unwrap();
    assert_eq!(std::fs::read(found).unwrap(), content);
    let ranges = stalling.ranges.lock().unwrap().clone();
    let start: u64 = ranges[1].as_deref().unwrap().trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
    assert!(start > 1_000_000 && start <= 2_000_000, "{ranges:?}");
}

#[tokio::test]
async fn an_old_start_that_does_not_fit_is_thrown_away() {
    let (home, content) = (tempfile::tempdir().unwrap(), bytes(7, 3_000_000));
    let server = Fragile::start(bytes(8, 3_000_000), 2_000_000, true).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.address));
    let stopped = tokio::time::timeout(Duration::from_millis(700), store(home.path(), &[]).get(&wanted, &Silent)).await;
    assert!(stopped.is_err());
    // The server does not say that its file has changed; only the digest can tell.
    *server.file.lock().unwrap() = Broken { content, most: usize::MAX, stall: false };
    let found = store(home.path(), &[]).get(&wanted, &Silent).await.unwrap();
    assert_eq!(sha256(&found), wanted.sha256);
    let resumed: Vec<bool> = server.ranges.lock().unwrap().iter().map(Option::is_some).collect();
    assert_eq!(resumed, [false, true, false], "the second attempt resumes, the third starts from nothing");
}

#[tokio::test]
async fn two_stores_at_once_fetch_once() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(9, 50_000));
    let slow = ResponseTemplate::new(200).set_body_bytes(content.clone()).set_delay(Duration::from_millis(400));
    Mock::given(method("GET")).and(path("/thing")).respond_with(slow).mount(&server).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.uri()));
    let (a, b) = (store(home.path(), &[]), store(home.path(), &[]));
    let (first, second) = (Watcher::default(), Watcher::default());
    let (left, right) = tokio::join!(a.get(&wanted, &first), b.get(&wanted, &second));
    assert_eq!(left.unwrap(), right.unwrap());
    assert_eq!(asked(&server, "/thing").await, 1);
    assert!((first.notes() + &second.notes()).contains("waiting for another process"));
}

#[tokio::test]
async fn a_damaged_file_is_noticed_and_fetched_again() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(10, 50_000));
    serve(&server, "/thing", &content, true).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.uri()));
    let online = store(home.path(), &[]);
    let found = online.get(&wanted, &Silent).await.unwrap();
    for damage in [bytes(11, 50_000), bytes(11, 100), Vec::new()] {
        std::fs::write(&found, damage).unwrap();
        assert_eq!(online.path_if_ready(&wanted), None);
        let offline = store(home.path(), &[("LAVR_OFFLINE", "1")]);
        let error = offline.get(&wanted, &Silent).await.unwrap_err();
        assert!(error.to_string().contains("is damaged"), "{error}");
        online.get(&wanted, &Silent).await.unwrap();
        assert_eq!(sha256(&found), wanted.sha256);
    }
    assert_eq!(asked(&server, "/thing").await, 4);
}

#[tokio::test]
async fn a_file_placed_by_hand_is_verified_and_used() {
    let (home, content) = (tempfile::tempdir().unwrap(), bytes(12, 5_000));
    let wanted = artefact(&content, "\"https://nowhere.invalid/thing\"");
    let offline = store(home.path(), &[("LAVR_OFFLINE", "1")]);
    let error = offline.get(&wanted, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offline);
    let place = offline.path(&wanted).unwrap();
    for needed in ["`thing`", "5.0 kB", "lavr models pull thing", &place.display().to_string(), &wanted.sha256] {
        assert!(error.to_string().contains(needed), "{needed} is not in: {error}");
    }
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, &content).unwrap();
    assert_eq!(offline.get(&wanted, &Silent).await.unwrap(), place);
}

#[tokio::test]
async fn files_of_this_machine_need_no_network() {
    let (home, folder, content) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), bytes(13, 5_000));
    let here = folder.path().join("here.bin");
    std::fs::write(&here, &content).unwrap();
    let wanted = artefact(&content, &format!("\"file:/no/such/file\", \"file:{}\"", here.display()));
    let found = store(home.path(), &[("LAVR_OFFLINE", "1")]).get(&wanted, &Silent).await.unwrap();
    assert_eq!(std::fs::read(found).unwrap(), content);
    assert!(here.exists());
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(14, 5_000));
    let busy = Mock::given(method("GET")).and(path("/thing")).respond_with(ResponseTemplate::new(503));
    busy.up_to_n_times(1).mount(&server).await;
    serve(&server, "/thing", &content, true).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.uri()));
    store(home.path(), &[]).get(&wanted, &Silent).await.unwrap();
}

#[tokio::test]
async fn a_silent_host_is_remembered_by_the_next_run() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(15, 5_000));
    serve(&server, "/thing", &content, true).await;
    let silent = nobody().await;
    let wanted = artefact(&content, &format!("\"{silent}/thing\", \"{}/thing\"", server.uri()));
    let watcher = Watcher::default();
    let found = store(home.path(), &[]).get(&wanted, &watcher).await.unwrap();
    assert!(watcher.notes().contains("cannot connect"), "{}", watcher.notes());
    std::fs::remove_file(found).unwrap();
    // Something listens there now, but the next run does not even try.
    let listener = std::net::TcpListener::bind(silent.trim_start_matches("http://")).unwrap();
    listener.set_nonblocking(true).unwrap();
    let watcher = Watcher::default();
    store(home.path(), &[]).get(&wanted, &watcher).await.unwrap();
    assert!(watcher.notes().contains("not asked again yet"), "{}", watcher.notes());
    assert!(listener.accept().is_err(), "it was asked");
}

#[tokio::test]
async fn a_silent_host_gets_a_second_chance_when_nothing_else_is_left() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(16, 5_000));
    serve(&server, "/thing", &content, true).await;
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let host = server.uri().replace("http://", "");
    let memory = format!("{{\"{host}\":{{\"since\":{since},\"why\":\"cannot connect\"}}}}");
    std::fs::write(home.path().join("dead-hosts.json"), memory).unwrap();
    let wanted = artefact(&content, &format!("\"{}/thing\"", server.uri()));
    store(home.path(), &[]).get(&wanted, &Silent).await.unwrap();
}

#[tokio::test]
async fn the_hub_is_asked_with_revision_and_token() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(17, 5_000));
    let answer = ResponseTemplate::new(200).set_body_bytes(content.clone());
    Mock::given(path("/owner/repo/resolve/v1/dir/file.bin"))
        .and(header("authorization", "Bearer sesame"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let wanted = artefact(&content, "\"hf:owner/repo/dir/file.bin@v1\"");
    let vars = [("HF_ENDPOINT", server.uri()), ("HF_TOKEN", "sesame".to_owned())];
    let vars = vars.each_ref().map(|(key, value)| (*key, value.as_str()));
    store(home.path(), &vars).get(&wanted, &Silent).await.unwrap();
}

#[tokio::test]
async fn a_dead_end_costs_no_more_than_its_time_limit() {
    let (home, content) = (tempfile::tempdir().unwrap(), bytes(18, 100_000));
    let stalling = Fragile::start(content.clone(), 10, true).await;
    let wanted = artefact(&content, &format!("\"{}/thing\"", stalling.address));
    let mut options = lavr::store::StoreOptions::from_vars([("LAVR_PIP", "never")]).unwrap().with_home(home.path());
    options.read_timeout = Duration::from_millis(100);
    let store = lavr::store::Store::open(options).unwrap();
    let begun = std::time::Instant::now();
    let error = store.get(&wanted, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(stalling.connections.load(Ordering::SeqCst) >= 3);
}

/// A file whose manifest states no digest: the first fetch writes down what it is, and from then on nothing else is it.
#[tokio::test]
async fn a_file_of_unknown_digest_is_pinned_when_it_is_first_fetched() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(19, 5_000));
    let answer = ResponseTemplate::new(200).set_body_bytes(content.clone());
    Mock::given(path("/owner/repo/resolve/main/onnx/model.onnx")).respond_with(answer).expect(1).mount(&server).await;
    let open = "[[artefacts]]\nname = \"thing\"\nfile = \"thing.onnx\"\nlicence = \"MIT\"\n\
                sources = [\"hf:owner/repo/onnx/model.onnx\"]\n";
    let wanted = lavr::store::parse_artefacts(open).unwrap().remove(0);
    let address = server.uri();
    let vars = [("HF_ENDPOINT", address.as_str())];
    let first = store(home.path(), &vars);
    assert!(wanted.is_open() && first.path_if_ready(&wanted).is_none());
    let file = first.get(&wanted, &Silent).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), content);
    let pins = std::fs::read_to_string(home.path().join("lavr.lock")).unwrap();
    let pinned = first.pinned(&wanted).unwrap().unwrap();
    assert!(pins.contains("hf:owner/repo/onnx/model.onnx") && pins.contains(&pinned.sha256), "{pins}");
    assert_eq!((pinned.size, first.path_if_ready(&wanted)), (5_000, Some(file.clone())));
    // A second store takes it from there; only one answer is expected of the server.
    store(home.path(), &vars).get(&wanted, &Silent).await.unwrap();
    server.verify().await;
    server.reset().await;
    // Another file under the same address is not taken for it.
    std::fs::remove_file(&file).unwrap();
    let other = ResponseTemplate::new(200).set_body_bytes(bytes(20, 5_000));
    Mock::given(path("/owner/repo/resolve/main/onnx/model.onnx")).respond_with(other).mount(&server).await;
    let error = store(home.path(), &vars).get(&wanted, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity, "{error}");
    // Another manifest's file of the same name is not taken for it, nor it for that; damaged pins say so.
    let moved = lavr::store::parse_artefacts(&open.replace("owner/repo", "owner/other")).unwrap().remove(0);
    let error = first.get(&moved, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains("pinned") && error.to_string().contains("remove the entry"), "{error}");
    std::fs::write(home.path().join("lavr.lock"), "thing = 3").unwrap();
    let error = store(home.path(), &vars).get(&wanted, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("lavr.lock") && error.contains("damaged"), "{error}");
}

#[tokio::test]
async fn a_file_of_unknown_digest_that_cannot_be_had_says_so() {
    let (home, server) = (tempfile::tempdir().unwrap(), MockServer::start().await);
    Mock::given(path("/owner/repo/resolve/main/model.onnx"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    let open = "[[artefacts]]\nname = \"thing\"\nfile = \"thing.onnx\"\nlicence = \"MIT\"\n\
                sources = [\"hf:owner/repo/model.onnx\"]\n";
    let wanted = lavr::store::parse_artefacts(open).unwrap().remove(0);
    let address = server.uri();
    let error = store(home.path(), &[("HF_ENDPOINT", &address)]).get(&wanted, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("neither size nor digest") && error.contains("404"), "{error}");
    let offline = [("HF_ENDPOINT", address.as_str()), ("LAVR_OFFLINE", "1")];
    let error = store(home.path(), &offline).get(&wanted, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offline, "{error}");
    assert!(!home.path().join("lavr.lock").exists());
    let parts = open.replace("[\"hf:owner/repo/model.onnx\"]", "[{ parts = [\"file:/a\", \"file:/b\"] }]");
    let error = lavr::store::parse_artefacts(&parts).unwrap_err().to_string();
    assert!(error.contains("needs `size` and `sha256`"), "{error}");
}

#[tokio::test]
async fn files_that_are_pinned_at_the_same_time_are_all_pinned() {
    let (home, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let artefacts: Vec<_> = (0..12)
        .map(|n| {
            let path = files.path().join(format!("{n}.bin"));
            std::fs::write(&path, bytes(n, 3_000)).unwrap();
            let toml = format!(
                "[[artefacts]]\nname = \"thing-{n}\"\nfile = \"thing-{n}.bin\"\nlicence = \"MIT\"\nsources = [\"file:{}\"]\n",
                path.display()
            );
            lavr::store::parse_artefacts(&toml).unwrap().remove(0)
        })
        .collect();
    let one = store(home.path(), &[]);
    for result in futures::future::join_all(artefacts.iter().map(|artefact| one.get(artefact, &Silent))).await {
        result.unwrap();
    }
    assert!(artefacts.iter().all(|artefact| one.pinned(artefact).unwrap().is_some()));
}

/// Where the hub cannot be reached, a file that is put in its place is taken, and pinned.
#[tokio::test]
async fn a_file_of_unknown_digest_may_be_placed_by_hand() {
    let home = tempfile::tempdir().unwrap();
    let open = "[[artefacts]]\nname = \"thing\"\nfile = \"thing.onnx\"\nlicence = \"MIT\"\n\
                sources = [\"hf:owner/repo/model.onnx\"]\n";
    let wanted = lavr::store::parse_artefacts(open).unwrap().remove(0);
    let offline = store(home.path(), &[("LAVR_OFFLINE", "1")]);
    let place = offline.path(&wanted).unwrap();
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, bytes(30, 2_000)).unwrap();
    assert_eq!(offline.get(&wanted, &Silent).await.unwrap(), place);
    assert_eq!(offline.path_if_ready(&wanted), Some(place.clone()));
    // From then on it is what it was.
    std::fs::write(&place, bytes(31, 2_000)).unwrap();
    assert!(offline.get(&wanted, &Silent).await.is_err());
}
