//! The order of the modules: each imports only from itself, its own group, or an earlier group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::experts::repository;

/// The groups, lowest first.
const GROUPS: [&[&str]; 9] = [
    &[
        "error",
        "files",
        "words",
        "image",
        "value",
        "signature",
        "budget",
        "chain",
        "style",
        "pointed",
        "task",
        "message",
        "observation",
        "answer",
    ],
    &["plan", "trace", "cx"],
    &["store", "run_store", "fetch", "keep", "chat", "runner", "embedder"],
    &["tool"],
    &["demo", "prompt", "reason", "planner", "executor", "refiner"],
    &["agent", "config", "replay"],
    &["otel"],
    &["view", "eval", "service", "mcp"],
    &["cli"],
];

pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn modules_import_only_from_their_own_or_an_earlier_group() {
    let groups: BTreeMap<&str, usize> =
        GROUPS.iter().enumerate().flat_map(|(n, names)| names.iter().map(move |name| (*name, n))).collect();
    let import = Regex::new(r"\bcrate::([a-z_]+)").unwrap();
    let mut wrong = Vec::new();
    for path in sources(&repository("src")) {
        let inside = path.strip_prefix(repository("src")).unwrap();
        let module = inside.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let own = *groups.get(module.as_str()).unwrap_or_else(|| panic!("`{module}` is in no group"));
        for found in import.captures_iter(&std::fs::read_to_string(&path).unwrap()) {
            let Some(&other) = groups.get(&found[1]) else { continue };
            if other > own {
                wrong.push(format!("{}: {}", inside.display(), &found[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where tests asked a dependency for more than the program does, a clone would build it, and this crate, twice.
#[test]
fn dependencies_are_built_alike_with_and_without_tests() {
    let with = |edges: &str| {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["tree", "--offline", "--locked", "--prefix", "none", "--format", "{p} {f}", "--edges", edges]);
        let output = cargo.current_dir(repository(".")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        said.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect::<BTreeSet<String>>()
    };
    let (program, tests) = (with("normal,build"), with("normal,build,dev"));
    let other: Vec<&String> = program.difference(&tests).collect();
    assert!(other.is_empty(), "tests ask for more than: {other:#?}");
}

#[test]
fn no_source_file_is_too_long() {
    for path in sources(&repository("src")) {
        if path.extension().is_some_and(|e| e == "rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 800, "{}: {lines} lines", path.display());
        }
    }
}

/// Tests go through the public API and the built binary, as those who use them do. One in `src` would tie what it tests
/// to the way it is written, and building the whole crate once more for it takes minutes; so `Cargo.toml` leaves the
/// crate out of what is tested, and such a test would not even run.
#[test]
fn no_test_is_in_the_sources() {
    // Also in lists, such as `cfg(all(test, unix))` and `cfg_attr(test, ..)`; `#[tokio::test]`, too.
    let test = Regex::new(r"#!?\[\s*cfg(_attr)?\s*\((.*\W)?test\W|#\[\s*(\w+::)*test\b|cfg!\((.*\W)?test\W").unwrap();
    let mut found = Vec::new();
    for path in sources(&repository("src")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().enumerate().filter(|(_, line)| test.is_match(line));
        found.extend(lines.map(|(n, line)| format!("{}:{}: {}", path.display(), n + 1, line.trim())));
    }
    assert!(found.is_empty(), "these belong in tests/suite: {found:#?}");
    for line in
        ["#[cfg(test)]", "#[cfg(all(test, unix))]", "#[cfg_attr(test, derive(Debug))]", "    #[tokio::test]", "#[test]"]
    {
        assert!(test.is_match(line), "{line}");
    }
    for line in ["#[cfg(unix)]", "#[cfg(feature = \"latest\")]", "/// A test reads the file.", "#[derive(Debug)]"] {
        assert!(!test.is_match(line), "{line}");
    }
    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(repository("Cargo.toml")).unwrap()).unwrap();
    let targets = [&manifest["lib"], &manifest["bin"][0]];
    assert!(targets.iter().all(|target| target.get("test") == Some(&toml::Value::Boolean(false))), "{targets:?}");
}
