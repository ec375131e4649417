//! Built-in tools that are off until they are switched on.

use serde_json::Value as Json;

use super::binary::{lavr, text};
use super::folder;
use crate::experts::repository;
use lavr::tool::{Catalog, builtin};

fn listed(args: &[&str]) -> Vec<Json> {
    let output = lavr(&[&["tools", "list", "--json"], args].concat());
    let list: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output.stderr)));
    list["tools"].as_array().unwrap().clone()
}

fn find<'a>(tools: &'a [Json], name: &str) -> &'a Json {
    tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("no `{name}`"))
}

#[test]
fn tools_that_are_off_are_listed_as_such_and_switched_on_by_name() {
    let tools = listed(&[]);
    assert_eq!(find(&tools, "read_codes")["available"], "off");
    assert!(find(&tools, "crop").get("available").is_none());
    let tools = listed(&["--tools", "read_codes"]);
    assert!(find(&tools, "read_codes").get("available").is_none());
    assert_eq!(tools.iter().filter(|tool| tool["name"] == "read_codes").count(), 1);
    let plain = text(&lavr(&["tools", "list"]).stdout);
    assert!(plain.lines().any(|line| line.starts_with("read_codes") && line.contains(" (off) ")), "{plain}");
    let plain = text(&lavr(&["tools", "list", "--tools", "read_codes"]).stdout);
    assert!(plain.lines().any(|line| line.starts_with("read_codes") && !line.contains("(off)")), "{plain}");
}

#[test]
fn tools_that_are_off_are_shown_and_run_without_being_switched_on() {
    let show = lavr(&["tools", "show", "read_codes"]);
    assert!(text(&show.stdout).contains("Returns: List<Line>"), "{}", text(&show.stderr));
    let image = repository("tests/images/nothing.png");
    let run = lavr(&["tools", "run", "read_codes", "--image", image.to_str().unwrap()]);
    assert_eq!(text(&run.stdout).trim(), "nothing found", "{}", text(&run.stderr));
    let near = lavr(&["tools", "show", "read_code"]);
    assert!(text(&near.stderr).contains("did you mean `read_codes`?"), "{}", text(&near.stderr));
}

#[test]
fn a_name_that_is_unknown_is_an_error_with_those_that_are_known() {
    let cat = repository("tests/images/cat.jpg");
    let cat = cat.to_str().unwrap();
    for command in [&["tools", "list"][..], &["ask", cat, "What?"], &["plan", "What?", "--image", cat]] {
        let output = lavr(&[command, &["--tools", "read-code"]].concat());
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains("did you mean `read_codes`?"), "{command:?}: {said}");
    }
    let said = text(&lavr(&["tools", "list", "--tools", "frobnicate"]).stderr);
    assert!(said.contains("no file `frobnicate`") && said.contains("read_codes"), "{said}");
    // What is on already stays as it is.
    assert!(lavr(&["tools", "list", "--tools", "crop", "--tools", "crop"]).status.success());
}

/// What a manifest needs is named with the manifest, and is not switched on where the manifest itself is left out.
#[test]
fn what_a_manifest_needs_is_there_with_it_or_not_at_all() {
    let progress: std::sync::Arc<dyn lavr::store::Progress> = std::sync::Arc::new(lavr::store::Silent);
    let store = lavr::store::Store::open(lavr::store::StoreOptions::from_env().unwrap()).unwrap();
    let before = lavr::config::Config::default().catalog(&progress).unwrap();
    let names = |catalog: &Catalog| catalog.iter().map(|tool| tool.spec().name.clone()).collect::<Vec<_>>();
    let (folder, path) = folder("identity.onnx", "[head]\ntype = \"raw\"\n");
    let whole = std::fs::read_to_string(&path).unwrap();
    let needing = |name: &str, needs: &str| {
        let text = whole.replace("name = \"my_tool\"", &format!("name = \"{name}\"\nneeds = [{needs}]"));
        std::fs::write(&path, text).unwrap();
    };
    let added = |path: &std::path::Path| {
        let mut catalog = before.clone();
        builtin::add(&mut catalog, path, &store, &progress).map(|()| names(&catalog))
    };
    needing("my_tool", "\"detect_faces\"");
    let both = added(&path).unwrap();
    assert!(both.ends_with(&["detect_faces".to_owned(), "my_tool".to_owned()]), "{both:?}");
    needing("my_tool", "\"read_codes\", \"detect_face\"");
    let said = added(&path).unwrap_err().to_string();
    assert!(said.contains("my_tool.toml`: `needs`: no tool `detect_face` is on"), "{said}");
    assert!(said.contains("did you mean `detect_faces`?") && !said.contains("no file"), "{said}");
    assert_eq!(added(folder.path()).unwrap(), names(&before), "nor is `read_codes` switched on");
    // There is a `crop` already.
    needing("crop", "\"read_codes\"");
    assert!(added(&path).unwrap_err().to_string().contains("already a tool `crop`"));
    assert_eq!(added(folder.path()).unwrap(), names(&before));
}

#[test]
fn a_file_or_folder_goes_before_a_tool_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("read_codes")).unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("lavr"));
    let output = command.current_dir(&folder).args(["tools", "list", "--tools", "read_codes"]).output().unwrap();
    assert!(text(&output.stderr).contains("has no manifest"), "{}", text(&output.stderr));
}

#[test]
fn what_is_off_needs_no_more_than_the_tools_that_are_on() {
    let progress: std::sync::Arc<dyn lavr::store::Progress> = std::sync::Arc::new(lavr::store::Silent);
    let mut catalog = lavr::config::Config::default().catalog(&progress).unwrap();
    let store = lavr::store::Store::open(lavr::store::StoreOptions::from_env().unwrap()).unwrap();
    let off = builtin::off(&catalog, &store, &progress).unwrap();
    assert!(off.iter().any(|off| off.name == "segment_subject"));
    for builtin::Off { name, tool, .. } in &off {
        assert!(catalog.get(name).is_none(), "`{name}` is on and off");
        builtin::switch_on(&mut catalog, name, &store, &progress).unwrap();
        builtin::switch_on(&mut catalog, name, &store, &progress).unwrap();
        let there = catalog.get(&tool.spec().name).unwrap();
        assert_eq!(there.spec().description, tool.spec().description, "{name}");
    }
    assert!(builtin::switch_on(&mut Catalog::new(), "nonsense", &store, &progress).is_err());
}

/// What is switched on brings demos of its own, whose plans fit the tools that are there.
#[test]
fn the_demos_of_what_is_off_are_sound() {
    let progress: std::sync::Arc<dyn lavr::store::Progress> = std::sync::Arc::new(lavr::store::Silent);
    let store = lavr::store::Store::open(lavr::store::StoreOptions::from_env().unwrap()).unwrap();
    let mut catalog = lavr::config::Config::default().catalog(&progress).unwrap();
    assert_eq!(
        catalog.iter().map(|tool| tool.demos().len()).sum::<usize>(),
        0,
        "those that are on have theirs in prompts/"
    );
    for builtin::Off { name, .. } in builtin::off(&catalog, &store, &progress).unwrap() {
        builtin::add(&mut catalog, std::path::Path::new(&name), &store, &progress).unwrap();
    }
    let demos: Vec<_> = catalog.iter().flat_map(|tool| tool.demos().to_vec()).collect();
    assert!(demos.len() >= 18, "{}", demos.len());
    for demo in demos {
        let plan = demo.parse().unwrap();
        assert!(plan.steps.iter().all(|step| catalog.get(&step.tool).is_some()), "{}", demo.question);
        demo.check(&catalog).unwrap();
    }
}
