//! The schema of plans, as `llguidance` understands it.

use std::time::{Duration, Instant};

use lavr::plan::{Plan, PlanLimits, check, schema};
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::ApproximateTokEnv;
use llguidance::{Matcher, ParserFactory};
use serde_json::Value as Json;

use super::{LIMITS, REALISTIC, Tools, plan_json, tool, tools};

/// A grammar over single bytes.
struct Grammar(Matcher);

impl Grammar {
    fn new(tools: &Tools, limits: PlanLimits) -> Self {
        let env = ApproximateTokEnv::single_byte_env();
        let factory = ParserFactory::new_simple(&env).unwrap();
        let grammar = TopLevelGrammar::from_json_schema(schema(tools, &limits));
        Self(Matcher::new(factory.create_parser(grammar)))
    }

    /// Whether the grammar lets this text be written, to its end.
    fn accepts(&self, text: &str) -> bool {
        let mut matcher = self.0.deep_clone();
        let tokens: Vec<u32> = text.bytes().map(u32::from).collect();
        let read = matcher.try_consume_tokens(&tokens).unwrap();
        read == tokens.len() && matcher.is_accepting().unwrap()
    }
}

/// The text of a plan as the grammar spaces it.
fn spaced(json: &Json) -> String {
    match json {
        Json::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(k, v)| format!("{}: {}", Json::from(k.as_str()), spaced(v)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
fn plans_that_pass_the_check_can_be_written() {
    let (tools, grammar) = (tools(), Grammar::new(&tools(), LIMITS));
    assert_eq!(REALISTIC.len(), 25);
    for lines in REALISTIC {
        let json = plan_json(lines);
        assert_eq!(check(&Plan::from_json(&json).unwrap(), &tools, &LIMITS), [], "{lines:?}");
        assert!(grammar.accepts(&spaced(&json)), "{}", spaced(&json));
    }
}

/// As `segment_at` takes them.
#[test]
fn lists_of_points_and_boxes_can_be_written() {
    let outline = tool("outline", &["image: Image", "at: Region|List<Number>|List<List<Number>>"], "List<Mask>", None);
    let grammar = Grammar::new(&Tools(vec![outline]), LIMITS);
    let at = |at: &str| {
        grammar.accepts(&spaced(&plan_json(&[&format!(r#"a = outline {{"image": "$image", "at": {at}}}"#)])))
    };
    assert!(["[240, 160]", "[[240, 160], [1, 2, 30, 40]]", r#""$image""#].into_iter().all(at));
    assert!(!["[[[1, 2]]]", "240", r#"[["dog"]]"#, "[[]]"].into_iter().any(at));
}

#[test]
fn faulty_plans_cannot_be_written() {
    let grammar = Grammar::new(&tools(), LIMITS);
    let one = |call: &str| spaced(&plan_json(&[&format!("a = {call}")]));
    assert!(grammar.accepts(&one(r#"read_text {"image": "$image"}"#)));
    let faulty = [
        r#"read_txt {"image": "$image"}"#,
        r#"read_text {}"#,
        r#"read_text {"picture": "$image"}"#,
        r#"read_text {"image": "$image", "image2": "$image"}"#,
        r#"read_text {"image": "image"}"#,
        r#"read_text {"image": "$Image"}"#,
        r#"read_text {"image": "$a.b"}"#,
        r#"detect_objects {"labels": ["dog"]}"#,
        r#"detect_objects {"image": "$image", "labels": []}"#,
        r#"detect_objects {"image": "$image", "labels": "dog"}"#,
        r#"detect_objects {"image": "$image", "labels": [1]}"#,
        r#"detect_objects {"image": "$image", "min_score": "high"}"#,
        r#"find_text {"lines": "$a", "text": "x", "mode": "rigth_of"}"#,
        r#"find_text {"lines": "$a", "text": ""}"#,
        r#"find_text {"lines": "$a", "text": "$5"}"#,
        r#"find_text {"lines": "$a", "text": "$a..b"}"#,
        r#"find_text {"lines": "$a", "text": "x", "first": 1}"#,
        r#"calculate {"expression": "a", "values": {"A": 1}}"#,
        r#"calculate {"expression": "a", "values": {}}"#,
    ];
    for call in faulty {
        assert!(!grammar.accepts(&one(call)), "{call}");
    }
    assert!(!grammar.accepts(r#"{"steps": [], "result": "$a"}"#));
    assert!(!grammar.accepts(&one(r#"read_text {"image": "$image"}"#).replace("\"$a\"", "\"a\"")));
    let long = vec![r#"a = read_text {"image": "$image"}"#; LIMITS.max_steps];
    assert!(grammar.accepts(&spaced(&plan_json(&long))));
    let longer = vec![r#"a = read_text {"image": "$image"}"#; LIMITS.max_steps + 1];
    assert!(!grammar.accepts(&spaced(&plan_json(&longer))));
}

/// What the grammar lets through is at least well formed.
#[test]
fn what_can_be_written_can_be_read() {
    let mut grammar = Grammar::new(&tools(), LIMITS).0;
    let (mut state, mut written) = (7u64, 0);
    for round in 0..40 {
        grammar.reset().unwrap();
        let mut text = Vec::new();
        while !grammar.is_stopped() && text.len() < 4_000 {
            let mask = grammar.compute_mask().unwrap();
            // Letters that end things are taken at once, so that texts stay short.
            let allowed: Vec<u32> = (0..256).filter(|byte| mask.is_allowed(*byte)).collect();
            let ends = *b"\"}]";
            let end = ends.iter().map(|b| u32::from(*b)).find(|b| allowed.contains(b));
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let random = (state >> 33) as usize;
            let pick = allowed.get(random % allowed.len().max(1)).copied();
            let Some(byte) = (if random % 3 == round % 2 { end.or(pick) } else { pick }) else { break };
            grammar.consume_token(byte).unwrap();
            text.push(byte as u8);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        if grammar.is_stopped() {
            written += 1;
            assert!(Plan::parse(&text).is_ok(), "{text}: {:?}", Plan::parse(&text));
        }
    }
    assert!(written >= 10, "only {written} texts came to their end");
}

#[test]
fn images_are_named_when_no_tool_makes_any() {
    let limits = PlanLimits { images: 2, ..LIMITS };
    let grammar = Grammar::new(&tools().without("crop").without("annotate"), limits);
    let read = |image: &str| spaced(&plan_json(&[&format!(r#"a = read_text {{"image": "{image}"}}"#)]));
    assert!(grammar.accepts(&read("$image")) && grammar.accepts(&read("$image2")));
    assert!(!grammar.accepts(&read("$image3")) && !grammar.accepts(&read("$part")));
}

#[test]
fn the_grammar_compiles_fast() {
    let tools = tools();
    let fastest = (0..5)
        .map(|_| {
            let start = Instant::now();
            let _ = Grammar::new(&tools, LIMITS);
            start.elapsed()
        })
        .min()
        .unwrap();
    assert!(fastest < Duration::from_millis(30), "{fastest:?}");
}
