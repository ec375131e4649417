//! The checker.

use lavr::plan::{ArgValue, Fault, FaultKind, Plan, PlanLimits, Reference, Step, check, repair_text, types};
use serde_json::{Value as Json, json};

use super::{LIMITS, plan_json, tools};

const READ: &str = r#"text = read_text {"image": "$image"}"#;
const PEOPLE: &str = r#"people = detect_objects {"image": "$image", "labels": ["person"]}"#;

fn faults_of(json: &Json) -> Vec<Fault> {
    check(&Plan::from_json(json).unwrap(), &tools(), &LIMITS)
}

fn faults(lines: &[&str]) -> Vec<Fault> {
    faults_of(&plan_json(lines))
}

/// Checks that a plan has exactly one fault, of this kind, at this place, with these words in its lines.
#[track_caller]
fn one(lines: &[&str], kind: FaultKind, at: &str, words: &str) {
    let found = faults(lines);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].kind, found[0].at.as_str()), (kind, at), "{found:#?}");
    assert!(found[0].to_string().contains(words), "{}", found[0]);
}

#[test]
fn tools_and_arguments_are_known() {
    one(&[r#"a = read_txt {"image": "$image"}"#], FaultKind::UnknownTool, "steps[0].tool", "did you mean `read_text`?");
    one(&[r#"a = qqq {}"#], FaultKind::UnknownTool, "steps[0].tool", "the tools are read_text, detect_objects");
    one(
        &[r#"a = detect_objects {"image": "$image", "label": ["dog"]}"#],
        FaultKind::UnknownArgument,
        "steps[0].args.label",
        "did you mean `labels`?",
    );
    one(
        &[r#"a = read_text {"image": "$image", "q": 1}"#],
        FaultKind::UnknownArgument,
        "steps[0].args.q",
        "leave it out",
    );
    one(
        &[READ, r#"a = find_text {"lines": "$text"}"#],
        FaultKind::MissingArgument,
        "steps[1].args",
        "`find_text` needs `text`: Text; write a text",
    );
    one(&[r#"a = read_text {}"#], FaultKind::MissingArgument, "steps[0].args", "Image here: `$image`");
    one(
        &[r#"a = count {"items": null}"#],
        FaultKind::MissingArgument,
        "steps[0].args",
        "first add a step that returns it",
    );
}

#[test]
fn a_null_stands_for_an_optional_argument() {
    assert_eq!(faults(&[r#"a = detect_objects {"image": "$image", "labels": null}"#]), []);
}

#[test]
fn literals_are_typed() {
    let kind = FaultKind::MistypedArgument;
    let detect = |rest: &str| format!(r#"a = detect_objects {{"image": "$image", {rest}}}"#);
    one(&[&detect(r#""labels": "person""#)], kind, "steps[0].args.labels", r#"write ["person"]"#);
    one(&[&detect(r#""labels": ["dog", 3]"#)], kind, "steps[0].args.labels[1]", "`3` is a number");
    one(&[&detect(r#""min_score": "0.5""#)], kind, "steps[0].args.min_score", "write 0.5 without quotes");
    one(&[&detect(r#""min_score": true"#)], kind, "steps[0].args.min_score", "`true` is a boolean; write a number");
    one(&[r#"a = read_text {"image": "image"}"#], kind, "steps[0].args.image", "did you mean `$image`?");
    one(&[PEOPLE, r#"n = count {"items": "people"}"#], kind, "steps[1].args.items", "did you mean `$people`?");
    one(&[READ, r#"a = find_text {"lines": "$text", "text": 5}"#], kind, "steps[1].args.text", r#"write "5""#);
    one(
        &[READ, r#"a = find_text {"lines": "$text", "text": "x", "first": "true"}"#],
        kind,
        "steps[1].args.first",
        "write true without quotes",
    );
}

#[test]
fn choices_are_kept() {
    let find = |mode: &str| format!(r#"a = find_text {{"lines": "$text", "text": "x", "mode": "{mode}"}}"#);
    one(&[READ, &find("rigth_of")], FaultKind::NotAChoice, "steps[1].args.mode", "did you mean `right_of`?");
    one(&[READ, &find("zzz")], FaultKind::NotAChoice, "steps[1].args.mode", "it is one of exact, regex");
}

#[test]
fn regions_may_be_written_as_objects_of_the_exact_form() {
    let crop = |region: &str| format!(r#"a = crop {{"image": "$image", "region": {region}}}"#);
    assert_eq!(faults(&[&crop(r#"{"box": [0, 0, 10, 20.5]}"#)]), []);
    assert_eq!(faults(&[&crop(r#"{"label": "sign", "score": 1, "box": [0, 0, 10, 20]}"#)]), []);
    assert_eq!(faults(&[&crop(r#"[{"box": [0, 0, 1, 2]}, {"box": [0, 0, 3, 4]}]"#)]), []);
    for bad in
        [r#"{"box": [0, 0, 1]}"#, r#"{"box": [0, 0, 1, "2"]}"#, r#"{"label": "x"}"#, r#"{"box": [0,0,1,1], "x": 1}"#]
    {
        one(&[&crop(bad)], FaultKind::MistypedArgument, "steps[0].args.region", "Region or Line; this is an object");
    }
    one(&[&crop("[0, 0, 1, 1]")], FaultKind::MistypedArgument, "steps[0].args.region[0]", "`0` is a number");
}

#[test]
fn references_name_earlier_steps_and_images() {
    let count = |r: &str| format!(r#"n = count {{"items": "{r}"}}"#);
    one(&[PEOPLE, &count("$poeple")], FaultKind::UnknownReference, "steps[1].args.items", "did you mean `$people`?");
    one(&[PEOPLE, &count("$zzz")], FaultKind::UnknownReference, "steps[1].args.items", "List<Any> here: `$people`");
    one(&[r#"a = read_text {"image": "$image2"}"#], FaultKind::UnknownImage, "steps[0].args.image", "use `$image`");
    one(&[r#"a = read_text {"image": "$imag"}"#], FaultKind::UnknownReference, "steps[0].args.image", "`$image`?");
    one(
        &[&count("$people"), PEOPLE],
        FaultKind::LaterReference,
        "steps[0].args.items",
        "move steps[1] before steps[0]",
    );
    one(&[&count("$n")], FaultKind::Cycle, "steps[0].args.items", "`$n` is the step itself");
    let result =
        json!({ "steps": [{ "id": "a", "tool": "read_text", "args": { "image": "$image" } }], "result": "$b" });
    let found = faults_of(&result);
    assert_eq!((found.len(), found[0].kind, found[0].at.as_str()), (1, FaultKind::UnknownReference, "result"));
    let two = PlanLimits { images: 2, ..LIMITS };
    let plan = Plan::from_json(&plan_json(&[r#"a = read_text {"image": "$image2"}"#])).unwrap();
    assert_eq!(check(&plan, &tools(), &two), []);
    assert_eq!(check(&plan, &tools(), &PlanLimits { images: 0, ..LIMITS })[0].kind, FaultKind::UnknownImage);
}

#[test]
fn a_cycle_is_told_from_a_later_reference() {
    let lines = [
        r#"a = filter {"items": "$c"}"#,
        r#"b = filter {"items": "$a"}"#,
        r#"c = filter {"items": "$b"}"#,
        r#"d = count {"items": "$e"}"#,
        r#"e = detect_objects {"image": "$image"}"#,
    ];
    let found = faults(&lines);
    let kinds: Vec<_> = found.iter().map(|f| (f.kind, f.at.as_str())).collect();
    assert_eq!(kinds, [(FaultKind::Cycle, "steps[0].args.items"), (FaultKind::LaterReference, "steps[3].args.items")]);
    assert!(found[0].message.contains("`a` needs `c` needs `b` needs `a`"), "{}", found[0]);
}

#[test]
fn ids_are_unique_and_no_images() {
    one(&[READ, READ], FaultKind::DuplicateId, "steps[1].id", "another step is called `text`; use another id");
    for id in ["image", "image2", "image1"] {
        let read = READ.replace("text =", &format!("{id} ="));
        let found = faults(&[&read]);
        assert_eq!(found[0].kind, FaultKind::ShadowsImage, "{found:#?}");
    }
    assert_eq!(faults(&[&READ.replace("text =", "image_text =")]), []);
}

#[test]
fn plans_have_steps_but_not_too_many() {
    let found = faults_of(&json!({ "steps": [], "result": "$a" }));
    assert_eq!((found.len(), found[0].kind, found[0].at.as_str()), (1, FaultKind::EmptyPlan, "steps"));
    let lines: Vec<String> = (0..9).map(|n| READ.replace("text =", &format!("s{n} ="))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    one(&lines, FaultKind::TooManySteps, "steps", "the plan has 9 steps, more than 8; leave out 1 or more");
}

#[test]
fn referenced_types_fit() {
    let kind = FaultKind::TypeMismatch;
    one(
        &[r#"n = count {"items": "$image"}"#],
        kind,
        "steps[0].args.items",
        "`count` takes `items`: List<Any>; `$image` is Image; first add a step that returns it: `read_text` returns List<Line>",
    );
    one(
        &[PEOPLE, r#"a = find_text {"lines": "$people", "text": "x"}"#],
        kind,
        "steps[1].args.lines",
        "`$people` is List<Region>; first add a step that returns it: `read_text` returns List<Line>",
    );
    one(
        &[READ, PEOPLE, r#"a = find_text {"lines": "$people", "text": "x"}"#],
        kind,
        "steps[2].args.lines",
        "List<Line> here: `$text`",
    );
    one(
        &[READ, r#"a = find_text {"lines": "$text", "text": "$text"}"#],
        kind,
        "steps[1].args.text",
        "`$text[0].text` is Text",
    );
    one(
        &[READ, r#"a = find_text {"lines": "$text[0]", "text": "x"}"#],
        kind,
        "steps[1].args.lines",
        r#"write ["$text[0]"]"#,
    );
    one(&[READ, r#"a = read_text {"image": "$text"}"#], kind, "steps[1].args.image", "Image here: `$image`");
}

#[test]
fn paths_follow_the_types() {
    let kind = FaultKind::UnknownField;
    let compare = |r: &str| format!(r#"c = compare {{"a": "{r}", "b": 1}}"#);
    for good in ["$people[0].label", "$people[3].box[0]", "$text[0].polygon[0][1]", "$text[0]"] {
        assert_eq!(faults(&[PEOPLE, READ, &compare(good)]), [], "{good}");
    }
    one(&[PEOPLE, &compare("$people.label")], kind, "steps[1].args.a", "`$people[0].label`, `$people[0].score`");
    one(&[PEOPLE, &compare("$people[0].name")], kind, "steps[1].args.a", "its fields are label, score, box");
    one(&[&compare("$image.width")], kind, "steps[0].args.a", "`$image` is Image; it has no fields; use `$image`");
    one(&[PEOPLE, &compare("$people[0][0]")], kind, "steps[1].args.a", "`$people[0]` is Region");
}

#[test]
fn references_inside_json_are_checked() {
    let sum = |values: &str| format!(r#"s = calculate {{"expression": "a", "values": {values}}}"#);
    assert_eq!(faults(&[PEOPLE, &sum(r#"{"a": "$people", "b": ["$people[0].score"], "c": {"d": null}}"#)]), []);
    one(&[&sum(r#"{"a": "$n"}"#)], FaultKind::UnknownReference, "steps[0].args.values.a", "refers to no step");
    one(&[&sum(r#"{"a": "$image"}"#)], FaultKind::TypeMismatch, "steps[0].args.values.a", "`$image` is Image");
    one(&[&sum(r#"{"a": ["$image"]}"#)], FaultKind::TypeMismatch, "steps[0].args.values.a", "List<Image>");
}

#[test]
fn a_region_in_place_of_the_image_is_shown_its_argument() {
    let color = r#"c = crop {"image": "$people"}"#;
    let hint = r#"write "region": "$people", and for `image`: Image here: `$image`"#;
    let found = faults(&[PEOPLE, color]);
    let fault = found.iter().find(|fault| fault.kind == FaultKind::TypeMismatch).unwrap();
    assert_eq!((fault.at.as_str(), fault.suggestion.as_deref()), ("steps[1].args.image", Some(hint)));
}

#[test]
fn lists_map_over_what_takes_one() {
    let lines = [
        PEOPLE,
        r#"parts = crop {"image": "$image", "region": "$people"}"#,
        r#"part = crop {"image": "$image", "region": "$people[0]"}"#,
        r#"both = crop {"image": "$image", "region": ["$people[0]", "$people[1]"]}"#,
        r#"texts = read_text {"image": "$parts"}"#,
        r#"sure = filter {"items": "$texts", "min_score": 0.5}"#,
        r#"score = filter {"items": "$people"}"#,
    ];
    assert_eq!(faults(&lines), []);
    let plan = Plan::from_json(&plan_json(&lines)).unwrap();
    let found: Vec<String> = types(&plan, &tools(), 1).iter().map(|(id, of)| format!("{id}: {of}")).collect();
    assert_eq!(
        found,
        [
            "people: List<Region>",
            "parts: List<Image>",
            "part: Image",
            "both: List<Image>",
            "texts: List<Line>",
            "sure: List<Line>",
            "score: List<Region>",
        ]
    );
    // `annotate` does not map.
    let annotate = r#"a = annotate {"image": "$parts", "items": "$people"}"#;
    one(&[lines[0], lines[1], annotate], FaultKind::TypeMismatch, "steps[2].args.image", "`$parts[0]` is Image");
    let mixed = r#"x = read_text {"image": ["$image", "$people"]}"#;
    one(&[PEOPLE, mixed], FaultKind::TypeMismatch, "steps[1].args.image[1]", "`$people` is List<Region>");
}

#[test]
fn one_fault_does_not_bring_others() {
    let lines = [
        r#"a = nothing {"image": "$image"}"#,
        r#"b = filter {"items": "$image"}"#,
        r#"c = find_text {"lines": "$a", "text": "$a.name"}"#,
        r#"n = count {"items": "$b"}"#,
    ];
    let kinds: Vec<_> = faults(&lines).iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [FaultKind::UnknownTool, FaultKind::TypeMismatch]);
}

#[test]
fn all_faults_are_found_at_once_and_fit_in_a_prompt() {
    let lines = [
        r#"image = read_txt {"image": "$image3"}"#,
        r#"b = count {"item": "$nothing", "items": 3}"#,
        r#"b = find_text {"lines": "$image", "text": "x", "mode": "no"}"#,
        r#"d = crop {}"#,
    ];
    let found = faults(&lines);
    let kinds: Vec<_> = found.iter().map(|f| f.kind).collect();
    use FaultKind::{
        DuplicateId, MissingArgument, MistypedArgument, NotAChoice, ShadowsImage, TypeMismatch, UnknownArgument,
        UnknownImage, UnknownReference, UnknownTool,
    };
    let expected = [
        ShadowsImage,
        UnknownTool,
        UnknownImage,
        UnknownArgument,
        UnknownReference,
        MistypedArgument,
        DuplicateId,
        TypeMismatch,
        NotAChoice,
        MissingArgument,
        MissingArgument,
    ];
    assert_eq!(kinds, expected);
    let text = repair_text(&found);
    assert_eq!(text.lines().count(), 7);
    assert!(text.ends_with("- and 5 more"), "{text}");
    assert!(text.starts_with("- steps[0].id: `image` is the name of an image; "), "{text}");
    assert_eq!(repair_text(&[]), "");
    for fault in &found {
        let json = serde_json::to_value(fault).unwrap();
        assert_eq!(serde_json::from_value::<Fault>(json).unwrap(), *fault);
    }
}

#[test]
fn plans_built_by_hand_are_checked_too() {
    let twice = ("image".to_owned(), ArgValue::Ref(Reference::to("image")));
    let step = Step { id: "A b".to_owned(), tool: "read_text".to_owned(), args: vec![twice.clone(), twice] };
    let plan = Plan { steps: vec![step], result: Reference::to("A b") };
    let kinds: Vec<_> = check(&plan, &tools(), &LIMITS).iter().map(|f| f.kind).collect();
    assert_eq!(kinds, [FaultKind::Malformed, FaultKind::DuplicateArgument]);
}

#[test]
fn a_huge_plan_is_checked_in_reasonable_time() {
    let steps: Vec<Json> = (0..1_500)
        .map(|n| json!({ "id": format!("s{n}"), "tool": "count", "args": { "items": format!("$s{}", (n + 1) % 1_500) } }))
        .collect();
    let start = std::time::Instant::now();
    let found = faults_of(&json!({ "steps": steps, "result": "$s0" }));
    assert!(found.iter().filter(|f| f.kind == FaultKind::Cycle).count() > 1_000);
    assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
}
