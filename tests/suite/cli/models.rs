//! `lavr models`: what is needed, by what, and what a name stands for.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use lavr::store;
use regex::Regex;
use serde_json::{Value as Json, json};

use super::{json_of, lavr, stderr, stdout};

/// `lavr models` with these arguments, its store in an empty folder, and nothing to be fetched.
fn models(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    models_at(home.path(), args)
}

fn models_at(home: &Path, args: &[&str]) -> Output {
    lavr().env("LAVR_HOME", home).env("LAVR_OFFLINE", "1").arg("models").args(args).output().unwrap()
}

/// The files that a pull of these names asks for: as none can be fetched, the error names each.
fn chosen(names: &[&str]) -> BTreeSet<String> {
    let output = models(&[&["pull"][..], names].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    let missing = Regex::new(r"`([^`]+)` \([^)]*\) is missing and LAVR_OFFLINE forbids").unwrap();
    let all: Vec<String> = missing.captures_iter(&said).map(|found| found[1].to_owned()).collect();
    let once: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(all.len(), once.len(), "{said}");
    if all.len() > 1 {
        assert!(said.contains(&format!("{} files could not be fetched", all.len())), "{said}");
    }
    once
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_unknown_name_gets_a_suggestion() {
    let said = |name: &str| {
        let output = models(&["pull", name]);
        assert_ne!(output.status.code(), Some(0));
        stderr(&output)
    };
    let near = said("smollm-135m");
    assert!(near.contains("there is no artefact `smollm-135m`; did you mean `smollm2-135m`?"), "{near}");
    let far = said("zzz");
    assert!(far.contains("there is no artefact `zzz`; there are: "), "{far}");
}

#[test]
fn a_tool_stands_for_its_files() {
    let caption = names(&["vit-gpt2-encoder", "vit-gpt2-decoder", "vit-gpt2-tokenizer"]);
    assert_eq!(chosen(&["caption"]), caption);
    assert_eq!(chosen(&["detect_objects", "onnxruntime"]), names(&["onnxruntime"]));
    // Without a name it is all but the files of tools that are off.
    let usual = chosen(&[]);
    assert!(usual.is_disjoint(&caption), "{usual:?}");
    let own: BTreeSet<String> = store::builtin().unwrap().into_iter().map(|artefact| artefact.name).collect();
    assert!(own.is_subset(&usual), "{usual:?}");
}

#[test]
fn everything_needed_is_listed_once_with_its_users() {
    let listed = json_of(&models(&["list", "--json"]));
    let listed = listed.as_array().unwrap();
    assert!(listed.iter().all(|row| row["ready"] == false && row["path"].is_null()), "{listed:?}");
    let users = |name: &str| -> Vec<&Json> {
        listed.iter().filter(|row| row["name"] == name).map(|row| &row["used_by"]).collect()
    };
    assert_eq!(users("onnxruntime"), [&json!(["read_text", "detect_objects", "choosing demos"])]);
    assert_eq!(users("all-minilm-l6-v2"), [&json!(["choosing demos"])]);
    assert_eq!(users("qwen2.5-coder-1.5b"), [&json!(["--llm local"])]);
    assert_eq!(users("smollm2-135m"), [&json!(["--llm local:tiny"])]);
}

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let text = stdout(&models(&["list"]));
    let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let head = text.lines().next().unwrap();
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), ["NAME", "SIZE", "LICENCE", "STATE", "USED", "BY"]);
    assert!(rows.len() > 5 && text.contains("onnxruntime"), "{text}");
    for column in ["SIZE", "LICENCE", "STATE", "USED BY"] {
        let at = head.find(column).unwrap();
        assert!(rows.iter().all(|row| row[at] != ' ' && row[at - 2..at] == [' ', ' ']), "{column} in\n{text}");
        assert!(rows.iter().any(|row| row[at - 3] != ' '), "before {column} in\n{text}");
    }
    assert!(rows.iter().all(|row| row[0] != ' ' && row.last() != Some(&' ')), "{text}");
}
