//! The lines of an answer, laid out.

use crate::style::Format;

/// Characters that act in Markdown.
const ACTING: &[char] = &['\\', '`', '*', '_', '[', ']', '<', '>', '#', '|', '~', '!', '&'];

/// The lines as one text.
pub(super) fn laid_out(format: Format, lines: &[String]) -> String {
    let each = |begin: &str, form: &dyn Fn(&str) -> String| -> String {
        let one = |line: &String| format!("{begin}{}", form(line.trim()));
        lines.iter().map(one).collect::<Vec<_>>().join("\n")
    };
    match format {
        Format::Sentence | Format::Json => joined(lines),
        Format::List => each("• ", &str::to_owned),
        Format::Markdown => each("- ", &harmless),
    }
}

/// A line that an LLM wrote, without the bullet that it may have put there itself.
pub(super) fn without_bullet(line: &str) -> &str {
    let line = line.trim();
    ["• ", "- ", "* "].iter().find_map(|bullet| line.strip_prefix(bullet)).unwrap_or(line).trim()
}

/// Sentences one after the other; text of several lines stands by itself.
fn joined(lines: &[String]) -> String {
    let mut out = String::new();
    for line in lines {
        if line.contains('\n') {
            out.push_str(if out.is_empty() { "" } else { "\n" });
        } else if !out.is_empty() && !out.ends_with(['。', '！', '？']) {
            out.push(' ');
        }
        out.push_str(line);
    }
    out
}

/// Text in which nothing acts as Markdown.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if ACTING.contains(&c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
