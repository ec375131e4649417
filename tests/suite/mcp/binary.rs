//! `lavr mcp`, as a client starts it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};

use super::{begin, call, images, quiet, text};
use crate::experts::repository;
use crate::real::turn;

/// The program, whose LLM replies what was recorded.
struct Started {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Started {
    fn new(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lavr"));
        command
            .arg("mcp")
            .args(arguments)
            .env_remove("LAVR_LLM")
            .env_remove("LAVR_CONFIG")
            .current_dir(repository("."));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    fn send(&mut self, message: &Json) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The next line, which has to be a message of the protocol.
    fn next(&mut self) -> Json {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let message: Json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: {line:?}"));
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_client_lists_calls_and_asks_over_standard_input_and_output() {
    let _turn = turn();
    let mut lavr = Started::new(&["--llm", "replay:tests/cassettes/people", "-vv"]);
    lavr.send(&begin());
    let reply = lavr.next();
    assert_eq!(reply["result"]["protocolVersion"], "2025-06-18", "{reply}");
    lavr.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    lavr.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }));
    let reply = lavr.next();
    let names: Vec<&str> =
        reply["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names[0] == "ask_image" && names.contains(&"read_text") && names.contains(&"crop"), "{names:?}");
    let region = json!({ "box": [10, 20, 110, 70] });
    lavr.send(&quiet(2, "crop", &json!({ "image": "tests/images/gallery.jpg", "region": region })));
    let reply = lavr.next();
    assert_eq!((images(&reply)[0].width(), images(&reply)[0].height()), (100, 50));
    let asked = json!({ "images": ["tests/images/gallery.jpg"], "question": "How many people are there?" });
    lavr.send(&call(3, "ask_image", &asked));
    let reply = loop {
        let message = lavr.next();
        if message["method"] != "notifications/progress" {
            break message;
        }
    };
    assert_eq!(text(&reply), "There are 3 people.");
    // Closing its input ends it.
    drop(lavr.input.take());
    assert_eq!(lavr.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_be_started_says_why_on_stderr_alone() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lavr"));
    let output = command.args(["mcp", "--llm", "nonsense:"]).env_remove("LAVR_CONFIG").output().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    let output = Command::new(env!("CARGO_BIN_EXE_lavr")).args(["mcp", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("\"mcpServers\"") && help.contains("\"args\": [\"mcp\"]"), "{help}");
}
