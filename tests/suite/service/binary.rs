//! `lavr serve`, as it is started from a command line.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::client;
use crate::experts::repository;
use crate::real::{replies, turn};

fn lavr(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lavr"));
    command.arg("serve").args(args).env_remove("LAVR_LLM").env_remove("LAVR_CONFIG").env_remove("LAVR_API_KEY");
    command
}

/// Ends the process, whatever becomes of the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_embedded_llm_answers_over_http_and_a_signal_stops_the_service() {
    let _turn = turn();
    let replies = replies().to_str().unwrap();
    let mut command = lavr(&["--listen", "127.0.0.1:0", "--llm-cache", replies]);
    let mut service = Served(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(service.0.stderr.take().unwrap()).lines();
    let said =
        lines.find_map(|line| line.unwrap().split_once("listening on ").map(|(_, rest)| rest.to_owned())).unwrap();
    assert!(said.contains("without a key, for this machine alone"), "{said}");
    let base = said.split(' ').next().unwrap();
    let image = std::fs::read(repository("tests/images/gallery.jpg")).unwrap();
    let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(image));
    let content = json!([
        { "type": "image_url", "image_url": { "url": url, "detail": "high" } },
        { "type": "text", "text": "How many people are there?" },
    ]);
    let asked = json!({ "model": "lavr", "temperature": 0.2, "messages": [{ "role": "user", "content": content }] });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reply: Json = runtime.block_on(async {
        let response = client().post(format!("{base}/v1/chat/completions")).json(&asked).send().await.unwrap();
        response.json().await.unwrap()
    });
    assert_eq!(reply["choices"][0]["message"]["content"], "There are 3 people.", "{reply}");
    let process = service.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    assert!(lines.any(|line| line.unwrap() == "stopped"));
    assert_eq!(service.0.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_listened_on_is_refused_before_anything_is_loaded() {
    let output = lavr(&["--listen", "0.0.0.0:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("without an API key") && said.contains("LAVR_API_KEY"), "{said}");
    let output = lavr(&["--listen", "0.0.0.0:0"]).env("LAVR_API_KEY", "short").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("LAVR_API_KEY: an API key has fewer than 16"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = lavr(&["--listen", &address]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
}
