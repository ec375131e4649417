//! What is said when nothing works.

use lavr::error::ErrorKind;
use lavr::store::{Silent, Store, StoreOptions};
use wiremock::MockServer;

use super::servers::{nobody, serve};
use super::{Watcher, artefact, bytes, store};

#[tokio::test]
async fn the_error_names_every_source_and_why_it_failed() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(40, 1_000));
    serve(&server, "/wrong", &bytes(41, 1_000), true).await;
    let (uri, silent) = (server.uri(), nobody().await);
    let wanted =
        artefact(&content, &format!("\"{silent}/a?key=s3cret\", \"{uri}/b\", \"{uri}/wrong\", \"file:/no/such\""));
    let watcher = Watcher::default();
    let store = store(home.path(), &[]);
    let error = store.get(&wanted, &watcher).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    let text = error.to_string();
    let place = store.path(&wanted).unwrap().display().to_string();
    for needed in [&format!("{silent}/a: "), "cannot connect", "answered 404", "sha256", "file:/no/such", &place] {
        assert!(text.contains(needed), "{needed} is not in: {text}");
    }
    assert!(!text.contains("s3cret") && !watcher.notes().contains("s3cret"), "{text}");
    assert_eq!(*watcher.ends.lock().unwrap(), [false]);
    assert_eq!(store.path_if_ready(&wanted), None);
}

#[tokio::test]
async fn only_wrong_bytes_are_a_matter_of_integrity() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(42, 1_000));
    serve(&server, "/wrong", &bytes(43, 1_000), true).await;
    let wanted = artefact(&content, &format!("\"{}/wrong\"", server.uri()));
    let error = store(home.path(), &[]).get(&wanted, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    let left = std::fs::read_dir(home.path().join("artefacts/.partial").join(&wanted.sha256)).unwrap();
    let left: Vec<_> =
        left.map(|entry| entry.unwrap().file_name()).filter(|n| !n.to_string_lossy().ends_with("tag")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_home_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = store(&file, &[]).get(&artefact(b"x", "\"https://x.invalid/x\""), &Silent).await.unwrap_err();
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

#[test]
fn the_home_comes_from_the_environment() {
    let home = |vars: &[(&str, &str)]| {
        let store = Store::open(StoreOptions::from_vars(vars.iter().copied()).unwrap());
        store.map(|store| store.home().to_owned())
    };
    if cfg!(unix) {
        assert_eq!(home(&[("HOME", "/h")]).unwrap().to_str(), Some("/h/.cache/lavr"));
        assert_eq!(home(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]).unwrap().to_str(), Some("/c/lavr"));
        assert_eq!(home(&[("HOME", "/h"), ("LAVR_HOME", "/l")]).unwrap().to_str(), Some("/l"));
    }
    assert!(home(&[]).unwrap_err().to_string().contains("LAVR_HOME"));
    assert!(StoreOptions::from_vars([("LAVR_PIP", "maybe")]).is_err());
    assert!(StoreOptions::from_vars([("LAVR_OFFLINE", "1")]).unwrap().offline);
    assert!(!StoreOptions::from_vars([("LAVR_OFFLINE", "0")]).unwrap().offline);
}
