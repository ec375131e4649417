//! The names of LLMs, and the keys that go with them.

use lavr::chat::named::Named;
use lavr::chat::openai::{OpenAiOptions, Secret};
use lavr::error::ErrorKind;

/// An environment with every key set.
fn full(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("sk-openai".to_owned()),
        "LAVR_LLM_KEY" => Some("sk-lavr".to_owned()),
        _ => None,
    }
}

fn empty(_: &str) -> Option<String> {
    None
}

fn served(name: &str, env: impl Fn(&str) -> Option<String>) -> OpenAiOptions {
    match Named::parse(name, env).unwrap() {
        Named::Served(options) => *options,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn openai_goes_to_openai_or_where_the_environment_says() {
    let options = served("openai:gpt-4.1-mini", full);
    assert_eq!(options.base_url, "https://api.openai.com/v1");
    assert_eq!((options.model.as_str(), options.name.as_deref()), ("gpt-4.1-mini", Some("openai:gpt-4.1-mini")));
    assert_eq!(options.key, Some(Secret::new("sk-openai")));
    let elsewhere = |name: &str| (name == "OPENAI_BASE_URL").then(|| "http://10.0.0.1/v1".to_owned());
    let options = served("openai:a/b:c", elsewhere);
    assert_eq!((options.base_url.as_str(), options.model.as_str()), ("http://10.0.0.1/v1", "a/b:c"));
    assert_eq!(options.key, None);
}

#[test]
fn an_address_never_gets_the_key_of_openai() {
    for address in ["http://127.0.0.1:11434/v1", "https://api.openai.com/v1"] {
        let options = served(&format!("{address}#qwen2.5:7b"), full);
        assert_eq!((options.base_url.as_str(), options.model.as_str()), (address, "qwen2.5:7b"));
        assert_eq!(options.key, Some(Secret::new("sk-lavr")));
        assert_eq!(served(&format!("{address}#m"), empty).key, None);
        let only = |name: &str| full(name).filter(|_| name == "OPENAI_API_KEY");
        assert_eq!(served(&format!("{address}#m"), only).key, None);
    }
}

#[test]
fn names_that_are_none_say_what_is() {
    let cases = [
        ("gpt-4", ErrorKind::InvalidInput, "`openai:MODEL`"),
        ("openai:", ErrorKind::InvalidInput, "`replay:DIR`"),
        ("replay:", ErrorKind::InvalidInput, "`replay:DIR`"),
        ("openai:gpt-4.1", ErrorKind::InvalidInput, "set OPENAI_API_KEY"),
        ("http://h/v1", ErrorKind::InvalidInput, "behind a `#`"),
        ("http://u:hush@h/v1?k=hush#", ErrorKind::InvalidInput, "behind a `#`"),
        ("ftp://u:hush@h/v1#m", ErrorKind::InvalidInput, "`http://HOST:PORT/v1#MODEL`"),
        ("local:none.gguf", ErrorKind::NotFound, "does not exist"),
    ];
    for (name, kind, part) in cases {
        let error = Named::parse(name, empty).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("hush"), "{name}: {error}");
    }
}

#[test]
fn only_an_embedded_llm_has_a_file_to_fetch() {
    assert!(Named::parse("local", empty).unwrap().artefact().is_some());
    assert!(Named::parse("local:tiny", empty).unwrap().artefact().is_some());
    for name in ["openai:m", "http://h/v1#m", "replay:somewhere"] {
        assert!(Named::parse(name, full).unwrap().artefact().is_none(), "{name}");
    }
}
