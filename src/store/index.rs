//! Pages of a Python package index (PEP 691 JSON, PEP 503 HTML), and the wheels they list.

use reqwest::Url;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// A file that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) url: Url,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    files: Vec<PageFile>,
}

#[derive(Deserialize)]
struct PageFile {
    filename: String,
    url: String,
}

/// Reads a page. `content_type` says which kind it is, `base` is its address.
pub(super) fn parse(content_type: &str, text: &str, base: &Url) -> Result<Vec<Listed>> {
    if !content_type.contains("json") {
        return Ok(parse_html(text, base));
    }
    let page: Page = serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::Network, format!("{}: a page that makes no sense ({error})", super::http::shown(base)))
    })?;
    let listed = page.files.into_iter().filter_map(|file| {
        let url = link(base, &file.url)?;
        Some(Listed { name: file.filename, url })
    });
    Ok(listed.collect())
}

/// Finds the links of an HTML page; what is not one is passed over.
fn parse_html(text: &str, page: &Url) -> Vec<Listed> {
    let mut base = page.clone();
    let mut listed = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((tag, after)) = split_tag(after) else { break };
        rest = after;
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let Some(href) = attribute(tag, "href").map(|href| unescape(&href)) else { continue };
        if name.eq_ignore_ascii_case("base") {
            base = link(page, &href).unwrap_or(base);
        } else if name.eq_ignore_ascii_case("a")
            && let Some(url) = link(&base, &href)
        {
            listed.push(Listed { name: file_name(&url), url });
        }
    }
    listed
}

/// Splits after the `>` that ends a tag, which may also stand inside quotes (`data-requires-python=">=3.8"`).
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// The value of a tag's attribute.
fn attribute(tag: &str, wanted: &str) -> Option<String> {
    let mut rest = tag.find(char::is_whitespace).and_then(|at| tag.get(at..))?;
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() && after.is_empty() {
            return None;
        }
        let (value, after) = match after.trim_start().strip_prefix('=') {
            Some(after) => split_value(after.trim_start()),
            None => ("", after),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = after;
    }
}

fn split_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

fn unescape(text: &str) -> String {
    text.replace("&#43;", "+").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn link(base: &Url, href: &str) -> Option<Url> {
    let mut url = base.join(href.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    Some(url)
}

fn file_name(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    last.replace("%2B", "+").replace("%2b", "+").replace("%21", "!")
}

/// A package's name as it stands in addresses.
pub(super) fn normal_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

/// The wheels of one version that run on a platform, the best first.
pub(super) fn wheels(listed: Vec<Listed>, package: &str, version: &str, platform: Option<&str>) -> Vec<Listed> {
    let fits = |name: &str| {
        let stem = name.strip_suffix(".whl")?;
        let mut parts = stem.rsplitn(4, '-');
        let tags = parts.next()?;
        let (_abi, _python, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (name, after) = rest.split_once('-')?;
        let found = after.split_once('-').map_or(after, |(version, _build)| version);
        let same = normal_name(name) == normal_name(package) && found.eq_ignore_ascii_case(version);
        (same && tags.split('.').any(|tag| runs_on(tag, platform))).then_some(())
    };
    let mut wheels: Vec<Listed> = listed.into_iter().filter(|file| fits(&file.name).is_some()).collect();
    // Newest Python first; which one it is hardly matters, the member's digest decides.
    wheels.sort_by(|a, b| b.name.cmp(&a.name));
    wheels
}

/// Whether a wheel's platform tag is for a platform of ours; any will do when none is asked for.
fn runs_on(tag: &str, platform: Option<&str>) -> bool {
    let Some((system, processor)) = platform.and_then(|platform| platform.split_once('-')) else { return true };
    let processor_of = |prefix: &str, names: &[&str]| tag.starts_with(prefix) && names.iter().any(|n| tag.ends_with(n));
    tag == "any"
        || match (system, processor) {
            ("linux", _) if tag.starts_with("musllinux") => false,
            ("linux", processor) => tag.contains("linux") && tag.ends_with(&format!("_{processor}")),
            ("macos", "aarch64") => processor_of("macosx", &["_arm64", "_universal2"]),
            ("macos", processor) => processor_of("macosx", &["_universal2", &format!("_{processor}")]),
            ("windows", "x86_64") => tag == "win_amd64",
            ("windows", "aarch64") => tag == "win_arm64",
            _ => false,
        }
}
