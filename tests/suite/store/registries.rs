//! `pypi:` and `npm:` sources against registries of our own.

use base64::Engine;
use lavr::error::ErrorKind;
use lavr::store::{Silent, Store, StoreOptions};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::archives::{tarball, wheel};
use super::servers::{FileAt, asked, nobody, serve};
use super::{Watcher, artefact, bytes, store};

const WHEEL: &str = "some_pkg-1.0-py3-none-any.whl";

/// A wheel with the member `some_pkg/data/model.bin` between two others.
fn some_wheel(content: &[u8]) -> Vec<u8> {
    wheel(&[("a", &bytes(90, 200_000)), ("b", b"b"), ("some_pkg/data/model.bin", content), ("z", &bytes(91, 100_000))])
}

const SOURCE: &str = "\"pypi:Some.Pkg==1.0#some_pkg/data/model.bin\"";

async fn json_index(server: &MockServer) {
    let page = serde_json::json!({ "name": "some-pkg", "files": [
        { "filename": "some_pkg-0.9-py3-none-any.whl", "url": "/files/old.whl", "hashes": {} },
        { "filename": WHEEL, "url": format!("/files/{WHEEL}"), "hashes": {} },
    ] });
    let answer = ResponseTemplate::new(200).set_body_raw(page.to_string(), "application/vnd.pypi.simple.v1+json");
    Mock::given(path("/simple/some-pkg/")).respond_with(answer).mount(server).await;
}

#[tokio::test]
async fn one_member_of_a_wheel_is_pulled_alone() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(20, 150_000));
    json_index(&server).await;
    let whole = some_wheel(&content);
    serve(&server, &format!("/files/{WHEEL}"), &whole, true).await;
    let wanted = artefact(&content, SOURCE);
    let index = format!("{}/simple", server.uri());
    let watcher = Watcher::default();
    let found = store(home.path(), &[("PIP_INDEX_URL", &index)]).get(&wanted, &watcher).await.unwrap();
    assert_eq!(std::fs::read(found).unwrap(), content);
    assert_eq!(*watcher.done.lock().unwrap(), 150_000);
    let requests = server.received_requests().await.unwrap();
    let ranges = requests.iter().filter(|r| r.url.path().starts_with("/files/")).map(|r| r.headers.get("range"));
    assert!(ranges.into_iter().all(|range| range.is_some()), "the whole wheel was asked for");
}

#[tokio::test]
async fn a_stored_member_is_pulled_alone_too() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(21, 150_000));
    json_index(&server).await;
    let whole = wheel(&[("a", b"a"), ("some_pkg/data/model.bin", &content)]);
    serve(&server, &format!("/files/{WHEEL}"), &whole, true).await;
    let index = format!("{}/simple/", server.uri());
    let found = store(home.path(), &[("PIP_INDEX_URL", &index)]).get(&artefact(&content, SOURCE), &Silent).await;
    assert_eq!(std::fs::read(found.unwrap()).unwrap(), content);
}

#[tokio::test]
async fn a_server_without_ranges_and_with_html_sends_the_whole_wheel() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(22, 150_000));
    let page =
        format!("<html><a href='../../files/{WHEEL}#sha256=0' data-requires-python='&gt;=3.8'>{WHEEL}</a></html>");
    let answer = ResponseTemplate::new(200).set_body_raw(page, "text/html");
    Mock::given(path("/simple/some-pkg/")).respond_with(answer).mount(&server).await;
    serve(&server, &format!("/files/{WHEEL}"), &some_wheel(&content), false).await;
    let index = format!("{}/simple", server.uri());
    let found = store(home.path(), &[("PIP_INDEX_URL", &index)]).get(&artefact(&content, SOURCE), &Silent).await;
    assert_eq!(std::fs::read(found.unwrap()).unwrap(), content);
}

#[tokio::test]
async fn a_wheel_without_the_member_or_with_another_size_is_passed_over() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(23, 50_000));
    json_index(&server).await;
    serve(&server, &format!("/files/{WHEEL}"), &some_wheel(&content[..40_000]), true).await;
    let index = format!("{}/simple", server.uri());
    let store = store(home.path(), &[("PIP_INDEX_URL", &index)]);
    let error = store.get(&artefact(&content, SOURCE), &Silent).await.unwrap_err();
    assert!(
        error.to_string().contains("no wheel of version 1.0 has a `some_pkg/data/model.bin` of 50000 bytes"),
        "{error}"
    );
    let error = store.get(&artefact(&content, "\"pypi:some-pkg==7#x\""), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("lists no wheel of version 7"), "{error}");
}

#[tokio::test]
async fn pip_conf_with_credentials_works_and_never_shows_them() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(24, 20_000));
    let page = format!("<a href=\"/files/{WHEEL}\">x</a>");
    let login = base64::engine::general_purpose::STANDARD.encode("me:s3cr@t");
    let login = format!("Basic {login}");
    let answer = ResponseTemplate::new(200).set_body_raw(page, "text/html");
    let mock = Mock::given(path("/simple/some-pkg/")).and(header("authorization", login.as_str()));
    mock.respond_with(answer).mount(&server).await;
    let file = FileAt { content: some_wheel(&content), ranges: true };
    let mock = Mock::given(path(format!("/files/{WHEEL}"))).and(header("authorization", login.as_str()));
    mock.respond_with(file).mount(&server).await;
    let host = server.uri().replace("http://", "");
    let config = home.path().join("pip.conf");
    std::fs::write(&config, format!("[global]\nindex-url = http://me:s3cr%40t@{host}/simple\n")).unwrap();
    let config = config.display().to_string();
    let with_config = store(home.path(), &[("PIP_CONFIG_FILE", &config)]);
    with_config.get(&artefact(&content, SOURCE), &Silent).await.unwrap();

    let dead = nobody().await.replace("http://", "http://me:s3cr%40t@");
    for index in [format!("http://me:wrong-s3cr%40t@{host}/simple"), dead] {
        let empty = tempfile::tempdir().unwrap();
        let watcher = Watcher::default();
        let other = store(empty.path(), &[("PIP_INDEX_URL", &index), ("HF_TOKEN", "t0ken")]);
        let error = other.get(&artefact(&content, SOURCE), &watcher).await.unwrap_err();
        let texts = [error.to_string(), error.for_log(), watcher.notes(), format!("{other:?}")].join("\n");
        let on_disk = std::fs::read_to_string(empty.path().join("dead-hosts.json")).unwrap_or_default();
        for secret in ["s3cr", "t0ken", "//me"] {
            assert!(!texts.contains(secret) && !on_disk.contains(secret), "{secret} is in {texts}{on_disk}");
        }
    }
}

#[tokio::test]
async fn a_second_index_is_asked_when_the_first_has_nothing() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(25, 20_000));
    json_index(&server).await;
    serve(&server, &format!("/files/{WHEEL}"), &some_wheel(&content), true).await;
    let (first, second) = (format!("{}/empty", server.uri()), format!("{}/simple", server.uri()));
    let vars = [("PIP_INDEX_URL", first.as_str()), ("PIP_EXTRA_INDEX_URL", second.as_str())];
    store(home.path(), &vars).get(&artefact(&content, SOURCE), &Silent).await.unwrap();
}

#[cfg(unix)]
mod with_a_pip {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// A Python that only knows what the store asks of it.
    fn python(folder: &Path, index: &str, wheel: Option<&Path>) {
        let copy = wheel.map_or("exit 1".to_owned(), |wheel| format!("cp '{}' \"$to\"", wheel.display()));
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = -c ]; then echo '{index}'; exit 0; fi\n\
             echo \"$@\" >> '{0}/asked'\n\
             while [ $# -gt 0 ]; do if [ \"$1\" = --dest ]; then to=\"$2\"; fi; shift; done\n\
             echo 'ERROR: no luck at http://me:s3cret@host/simple' >&2\n{copy}\n",
            folder.display()
        );
        let program = folder.join("python3");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn open(home: &Path, bin: &Path, use_pip: &str) -> Store {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let vars = [("PATH", path.as_str()), ("PIP_CONFIG_FILE", "/dev/null"), ("LAVR_PIP", use_pip)];
        Store::open(StoreOptions::from_vars(vars).unwrap().with_home(home)).unwrap()
    }

    #[tokio::test]
    async fn the_installed_pip_says_where_its_index_is() {
        let (home, bin, server) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), MockServer::start().await);
        let content = bytes(26, 20_000);
        json_index(&server).await;
        serve(&server, &format!("/files/{WHEEL}"), &some_wheel(&content), true).await;
        python(bin.path(), &format!("{}/simple", server.uri()), None);
        open(home.path(), bin.path(), "fallback").get(&artefact(&content, SOURCE), &Silent).await.unwrap();
        assert!(!bin.path().join("asked").exists(), "pip download was run");
    }

    #[tokio::test]
    async fn pip_downloads_when_the_store_cannot() {
        let (home, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (content, dead) = (bytes(27, 20_000), nobody().await);
        let made = bin.path().join(WHEEL);
        std::fs::write(&made, some_wheel(&content)).unwrap();
        python(bin.path(), &format!("{dead}/simple"), Some(&made));
        let watcher = Watcher::default();
        let wanted = artefact(&content, SOURCE);
        let found = open(home.path(), bin.path(), "fallback").get(&wanted, &watcher).await.unwrap();
        assert_eq!(std::fs::read(&found).unwrap(), content);
        assert!(watcher.notes().contains("trying pip"), "{}", watcher.notes());
        let asked = std::fs::read_to_string(bin.path().join("asked")).unwrap();
        assert!(asked.contains("-m pip download --no-deps") && asked.contains("-- Some.Pkg==1.0"), "{asked}");
        std::fs::remove_file(found).unwrap();
        open(home.path(), bin.path(), "only").get(&wanted, &Silent).await.unwrap();
    }

    #[tokio::test]
    async fn when_both_fail_the_error_tells_of_both_and_of_no_password() {
        let (home, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        python(bin.path(), &format!("{}/simple", nobody().await), None);
        let wanted = artefact(b"content", SOURCE);
        let error = open(home.path(), bin.path(), "fallback").get(&wanted, &Silent).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("cannot connect") && text.contains("pip download: ERROR: no luck at http://host/"),
            "{text}"
        );
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn without_index_and_pip_the_error_says_what_to_set() {
    let home = tempfile::tempdir().unwrap();
    let error = store(home.path(), &[]).get(&artefact(b"content", SOURCE), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("set PIP_INDEX_URL"), "{error}");
    let error = store(home.path(), &[]).get(&artefact(b"content", "\"npm:a@1#x\""), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("set npm_config_registry"), "{error}");
}

#[tokio::test]
async fn a_file_of_a_node_package_comes_with_the_token_of_npmrc() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(28, 20_000));
    let host = server.uri().replace("http://", "");
    std::fs::write(
        home.path().join(".npmrc"),
        format!("@team:registry=http://{host}/npm\n//{host}/npm/:_authToken=${{SESAME}}\n"),
    )
    .unwrap();
    let described = serde_json::json!({ "dist": { "tarball": format!("http://{host}/npm/-/models-3.0.4.tgz") } });
    let token = "Bearer open";
    Mock::given(path("/npm/@team%2fmodels/3.0.4"))
        .and(header("authorization", token))
        .respond_with(ResponseTemplate::new(200).set_body_json(described))
        .mount(&server)
        .await;
    let packed = tarball(&[("package/other.bin", b"no"), ("package/models/net.bin", &content)]);
    Mock::given(method("GET"))
        .and(path("/npm/-/models-3.0.4.tgz"))
        .and(header("authorization", token))
        .respond_with(FileAt { content: packed, ranges: true })
        .mount(&server)
        .await;
    let user = home.path().display().to_string();
    let vars = [("HOME", user.as_str()), ("SESAME", "open")];
    let wanted = artefact(&content, "\"npm:@team/models@3.0.4#models/net.bin\"");
    let found = store(home.path(), &vars).get(&wanted, &Silent).await.unwrap();
    assert_eq!(std::fs::read(found).unwrap(), content);
}

#[tokio::test]
async fn a_registry_that_describes_whole_packages_only_will_do() {
    let (home, server, content) = (tempfile::tempdir().unwrap(), MockServer::start().await, bytes(29, 20_000));
    let described = serde_json::json!({ "versions": { "1.0.0": { "dist": { "tarball": "/t.tgz" } } } });
    let answer = ResponseTemplate::new(200).set_body_json(described);
    Mock::given(path("/plain")).respond_with(answer).mount(&server).await;
    serve(&server, "/t.tgz", &tarball(&[("package/x", &content)]), false).await;
    let uri = server.uri();
    let online = store(home.path(), &[("NPM_CONFIG_REGISTRY", &uri)]);
    online.get(&artefact(&content, "\"npm:plain@1.0.0#package/x\""), &Silent).await.unwrap();
    let other = bytes(30, 20_000);
    let error = online.get(&artefact(&other, "\"npm:plain@1.0.0#y\""), &Silent).await.unwrap_err();
    assert!(error.to_string().contains("has no `y`"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(asked(&server, "/plain").await, 2);
}
