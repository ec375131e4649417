//! What pip and npm are configured to, as the store reads it from their own files.

use std::path::Path;

use lavr::store::{Silent, Store, StoreOptions};
use proptest::prelude::*;
use wiremock::MockServer;

use super::{artefact, store};

/// Asks a store for a file that no index has, and says which paths the server was asked for.
async fn asked(server: &MockServer, store: &Store, source: &str) -> Vec<String> {
    let error = store.get(&artefact(b"content", source), &Silent).await;
    assert!(error.is_err(), "there is no such file");
    let requests = server.received_requests().await.unwrap();
    requests.iter().map(|request| request.url.path().to_owned()).collect()
}

const WHEEL: &str = "\"pypi:some-pkg==1.0#member\"";

/// What is asked for when pip has this configuration, in which `HOST` stands for the server.
async fn asked_by_pip(config: &str, vars: &[(&str, &str)]) -> Vec<String> {
    let (home, server) = (tempfile::tempdir().unwrap(), MockServer::start().await);
    let file = home.path().join("named.conf");
    std::fs::write(&file, config.replace("HOST", &server.uri())).unwrap();
    let vars: Vec<(&str, String)> =
        vars.iter().map(|(name, value)| (*name, value.replace("HOST", &server.uri()))).collect();
    let file = file.display().to_string();
    let vars: Vec<(&str, &str)> =
        [("PIP_CONFIG_FILE", file.as_str())].into_iter().chain(vars.iter().map(|(n, v)| (*n, v.as_str()))).collect();
    asked(&server, &store(home.path(), &vars), WHEEL).await
}

#[tokio::test]
async fn a_commands_section_counts_more_than_global() {
    let config = "[download]\nindex-url = HOST/b/\n[global]\nindex_url: HOST/a/\n";
    assert_eq!(asked_by_pip(config, &[]).await, ["/b/some-pkg/"]);
}

#[tokio::test]
async fn lists_go_on_over_indented_lines() {
    let config = "[global]\nextra-index-url =\n    HOST/a/simple\n    # no\n    HOST/b/simple\n";
    assert_eq!(asked_by_pip(config, &[]).await, ["/a/simple/some-pkg/", "/b/simple/some-pkg/"]);
}

#[tokio::test]
async fn later_files_and_variables_win() {
    let named = "[global]\nindex-url=HOST/a/";
    assert_eq!(asked_by_pip(named, &[]).await, ["/a/some-pkg/"]);
    assert_eq!(asked_by_pip(named, &[("PIP_INDEX_URL", "HOST/c/")]).await, ["/c/some-pkg/"]);
    // The file of an environment comes before the one that is named.
    let (home, server) = (tempfile::tempdir().unwrap(), MockServer::start().await);
    let write = |folder: &str, file: &str, index: &str| {
        let folder = home.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(file);
        std::fs::write(&path, format!("[global]\nindex-url={}/{index}/", server.uri())).unwrap();
        path.display().to_string()
    };
    write("env", if cfg!(windows) { "pip.ini" } else { "pip.conf" }, "a");
    let named = write(".", "named.conf", "b");
    let environment = home.path().join("env").display().to_string();
    let vars = [("VIRTUAL_ENV", environment.as_str()), ("PIP_CONFIG_FILE", named.as_str())];
    assert_eq!(asked(&server, &store(home.path(), &vars), WHEEL).await, ["/b/some-pkg/"]);
    server.reset().await;
    let missing = home.path().join("missing.conf").display().to_string();
    let vars = [("VIRTUAL_ENV", environment.as_str()), ("PIP_CONFIG_FILE", missing.as_str())];
    assert_eq!(asked(&server, &store(home.path(), &vars), WHEEL).await, ["/a/some-pkg/"]);
}

/// The paths that are asked for with each of many configurations, which `write` writes into the folder of the user.
fn asked_each_time<S: Strategy>(
    written: &S,
    vars: &[(&str, &str)],
    source: &str,
    write: impl Fn(&Path, &str, &S::Value),
    check: impl Fn(&S::Value, &[wiremock::Request]) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (home, server) = (tempfile::tempdir().unwrap(), runtime.block_on(MockServer::start()));
    let user = home.path().display().to_string();
    let named = home.path().join("named.conf").display().to_string();
    let own = [("HOME", user.as_str()), ("USERPROFILE", user.as_str()), ("PIP_CONFIG_FILE", named.as_str())];
    let vars: Vec<(&str, String)> =
        own.iter().chain(vars).map(|(name, value)| (*name, value.replace("HOST", &server.uri()))).collect();
    let vars = [("LAVR_PIP", "never".to_owned())].into_iter().chain(vars);
    let store = Store::open(StoreOptions::from_vars(vars).unwrap().with_home(home.path())).unwrap();
    proptest!(ProptestConfig::with_cases(64), |(text in written)| {
        write(home.path(), &server.uri(), &text);
        runtime.block_on(server.reset());
        let got = runtime.block_on(store.get(&artefact(b"content", source), &Silent));
        prop_assert!(got.is_err());
        check(&text, &runtime.block_on(server.received_requests()).unwrap())?;
    });
}

fn paths(requests: &[wiremock::Request]) -> Vec<&str> {
    requests.iter().map(|request| request.url.path()).collect()
}

#[test]
fn any_configuration_of_pip_is_read_without_panic() {
    let write = |folder: &Path, _: &str, text: &String| std::fs::write(folder.join("named.conf"), text).unwrap();
    let vars = [("PIP_INDEX_URL", "HOST/simple")];
    asked_each_time(&"(?s).{0,200}", &vars, WHEEL, write, |_, requests| {
        prop_assert!(paths(requests).first() == Some(&"/simple/some-pkg/"), "{:?}", paths(requests));
        Ok(())
    });
}

#[test]
fn an_index_is_found_whatever_surrounds_it() {
    let around = ("[a-z#; \n]{0,40}", "[a-z#;\n]{0,40}");
    let write = |folder: &Path, host: &str, (before, after): &(String, String)| {
        let text = format!("{before}\n[global]\nindex-url = {host}/simple\n{after}");
        std::fs::write(folder.join("named.conf"), text).unwrap();
    };
    asked_each_time(&around, &[], WHEEL, write, |_, requests| {
        prop_assert!(paths(requests).first() == Some(&"/simple/some-pkg/"), "{:?}", paths(requests));
        Ok(())
    });
}

const NODE: &str = "\"npm:plain@1.0.0#member\"";

#[test]
fn any_npmrc_is_read_without_panic() {
    let write = |folder: &Path, host: &str, (text, path): &(String, String)| {
        std::fs::write(folder.join(".npmrc"), format!("{text}\nregistry={host}/{path}\n")).unwrap();
    };
    asked_each_time(&("(?s).{0,200}", "[a-z/]{0,20}"), &[], NODE, write, |_, requests| {
        prop_assert!(paths(requests).first().is_some_and(|path| path.ends_with("/plain/1.0.0")));
        Ok(())
    });
}

/// A variable that is not known stays as it is written.
#[test]
fn any_value_is_expanded_without_panic() {
    let write = |folder: &Path, host: &str, value: &String| {
        let place = host.trim_start_matches("http:");
        std::fs::write(folder.join(".npmrc"), format!("registry={host}/\n{place}/:_authToken={value}\n")).unwrap();
    };
    asked_each_time(&"[${}a-zé]{0,40}", &[], NODE, write, |value, requests| {
        let sent = requests.first().and_then(|request| request.headers.get("authorization"));
        let sent = sent.map(|header| String::from_utf8_lossy(header.as_bytes()).into_owned());
        prop_assert_eq!(sent, (!value.is_empty()).then(|| format!("Bearer {value}")));
        Ok(())
    });
}

#[tokio::test]
async fn tokens_belong_to_the_longest_fitting_address() {
    let home = tempfile::tempdir().unwrap();
    let [host, encoded, password, other] =
        [MockServer::start().await, MockServer::start().await, MockServer::start().await, MockServer::start().await];
    let place = |server: &MockServer| server.uri().trim_start_matches("http:").to_owned();
    let (h, x, p) = (place(&host), place(&encoded), place(&password));
    let rc = format!(
        "# c\n{h}/:_authToken=one\n{h}/team/:_authToken = \"${{TOKEN}}\"\n{x}/:_auth=dTpw\n\
         {p}/:username=u\n{p}/:_password=cHc=\n"
    );
    std::fs::write(home.path().join(".npmrc"), rc).unwrap();
    let user = home.path().display().to_string();
    for (server, path, sent) in [
        (&host, "/team/pkg/-/", Some("Bearer secret")),
        (&host, "/other", Some("Bearer one")),
        (&encoded, "/", Some("Basic dTpw")),
        // The user `u` with the password `pw`.
        (&password, "/", Some("Basic dTpwdw==")),
        // The same host at another port.
        (&other, "/team/pkg", None),
    ] {
        server.reset().await;
        let registry = format!("{}{path}", server.uri());
        let vars = [("HOME", user.as_str()), ("TOKEN", "secret"), ("npm_config_registry", registry.as_str())];
        assert!(store(home.path(), &vars).get(&artefact(b"content", NODE), &Silent).await.is_err());
        let requests = server.received_requests().await.unwrap();
        assert!(!requests.is_empty(), "{registry}");
        for request in requests {
            let header = request.headers.get("authorization").map(|header| header.to_str().unwrap());
            assert_eq!(header, sent, "{registry}{}", request.url.path());
        }
    }
}
