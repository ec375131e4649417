//! Files of demos: read whole, checked line by line, appended to.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Demo;
use crate::error::{Error, ErrorKind, Result};
use crate::files::read_at_most;
use crate::tool::Catalog;

/// Longest file of demos, in bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Most demos of one file.
const MAX_DEMOS: usize = 2_000;

/// A demo with the place it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct FileDemo {
    /// The demo.
    pub demo: Demo,
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
}

impl FileDemo {
    /// `FILE:LINE`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads demos from text, one JSON object a line, each with its line from 1. Empty lines are passed over.
pub fn lines(text: &str) -> Vec<(usize, Result<Demo>)> {
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered.map(|(n, line)| (n + 1, Demo::parse(line).map_err(|e| e.context(format!("line {}", n + 1))))).collect()
}

/// The files of demos that a path stands for: itself, or all `*.jsonl` of a folder, by name.
///
/// # Errors
/// `NotFound` when there is no such file, or no `*.jsonl` in the folder; `Io` when the folder cannot be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let missing = |what: &str| Err(Error::new(ErrorKind::NotFound, format!("demos `{}`: {what}", path.display())));
    if !path.is_dir() {
        return if path.exists() { Ok(vec![path.to_owned()]) } else { missing("there is no such file") };
    }
    let place = |e: std::io::Error| Error::from(e).context(format!("demos `{}`", path.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(place)? {
        let file = entry.map_err(place)?.path();
        if file.is_file() && file.extension().is_some_and(|end| end == "jsonl") {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() { missing("the folder has no *.jsonl") } else { Ok(found) }
}

fn text_of(file: &Path) -> Result<String> {
    let place = |e: Error| e.context(format!("demos `{}`", file.display()));
    let bytes = read_at_most(file, MAX_BYTES).map_err(|e| place(e.into()))?;
    String::from_utf8(bytes).map_err(|_| place(Error::invalid("it is no UTF-8 text")))
}

/// Reads the demos of a file, or of all `*.jsonl` of a folder.
///
/// # Errors
/// As [`files`]; `InvalidInput` naming file, line and what is wrong.
pub fn open(path: impl AsRef<Path>) -> Result<Vec<FileDemo>> {
    let mut demos = Vec::new();
    for file in files(path.as_ref())? {
        let place = |e: Error| e.context(format!("demos `{}`", file.display()));
        for (line, demo) in lines(&text_of(&file)?) {
            demos.push(FileDemo { demo: demo.map_err(place)?, file: file.clone(), line });
        }
        if demos.len() > MAX_DEMOS {
            return Err(place(Error::invalid(format!("there are more than {MAX_DEMOS} demos; give fewer"))));
        }
    }
    Ok(demos)
}

/// Reads one file of demos and says of each line what is wrong with it: it is no demo, its plan does not fit the
/// tools, its image is not there, or it repeats another.
///
/// # Errors
/// `NotFound`, `Io` or `InvalidInput` when the file cannot be read.
pub fn check(file: &Path, catalog: &Catalog) -> Result<(Vec<FileDemo>, Vec<Flaw>)> {
    let (mut demos, mut flaws): (Vec<FileDemo>, Vec<Flaw>) = (Vec::new(), Vec::new());
    for (line, demo) in lines(&text_of(file)?) {
        // The line stands before the message anyway.
        let demo = match demo {
            Ok(demo) => demo,
            Err(error) => {
                let message = error.to_string();
                let message = message.strip_prefix(&format!("line {line}: ")).unwrap_or(&message).to_owned();
                flaws.push(Flaw { line, message });
                continue;
            }
        };
        let faults = demo.faults(catalog).into_iter().map(|fault| format!("the plan does not fit the tools: {fault}"));
        let image = demo.image.as_ref().filter(|image| !file.with_file_name("").join(image).is_file());
        let image = image.map(|image| format!("there is no image `{}`", image.display()));
        let twin = demos.iter().find(|other| other.demo.repeats(&demo));
        let twin = twin.map(|twin| format!("it repeats line {}; leave one of them out", twin.line));
        flaws.extend(faults.chain(image).chain(twin).map(|message| Flaw { line, message }));
        demos.push(FileDemo { demo, file: file.to_owned(), line });
    }
    Ok((demos, flaws))
}

/// Appends a demo to a file, which is made when it is not there; what is in it stays as it is.
///
/// Returns its line, or nothing when the file has a demo with the same question and plan already.
///
/// # Errors
/// `Io` when the file cannot be written; `InvalidInput` naming a line of it that is no demo.
pub fn append(file: &Path, demo: &Demo) -> Result<Option<usize>> {
    let known = if file.exists() { open(file)? } else { Vec::new() };
    if known.iter().any(|other| other.demo.repeats(demo)) {
        return Ok(None);
    }
    let place = |e: std::io::Error| Error::from(e).context(format!("demos `{}`", file.display()));
    let mut out = OpenOptions::new().create(true).append(true).read(true).open(file).map_err(place)?;
    // A file that a person wrote may not end its last line.
    let begin = if ends_line(&mut out).map_err(place)? { "" } else { "\n" };
    out.write_all(format!("{begin}{}\n", demo.to_json()).as_bytes()).map_err(place)?;
    Ok(Some(text_of(file)?.lines().count()))
}

/// Whether a file is empty or ends with a line break.
fn ends_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
