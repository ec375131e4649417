//! TaskBench's resource form: arguments without names that point at other steps or are files and texts.

use super::{Argument, Graph, Node};

impl Graph {
    /// A plan whose arguments are texts, files, or `<node-n>`, the result of the n-th step (from 0).
    ///
    /// As in TaskBench's script for its multimedia and Hugging Face parts: the links follow from the arguments; an
    /// argument's name is the type of its content (`image`, `audio`, `video` by the file's extension, else `text`)
    /// or the output type of the tool it comes from (`other` where `output_type` knows none), its value the text
    /// or that tool's name. What refers to the step itself or to no step is left out. Tools keep their names as they
    /// are; the script writes underscores as spaces, in plans and truths alike.
    pub fn from_resources(steps: &[(String, Vec<String>)], output_type: impl Fn(&str) -> Option<String>) -> Self {
        let tools: Vec<String> = steps.iter().map(|(task, _)| task.clone()).collect();
        let mut graph = Self::default();
        for (n, (_, texts)) in steps.iter().enumerate() {
            let Some(task) = tools.get(n) else { continue };
            let mut arguments = Vec::new();
            for text in texts {
                if !text.contains("<node-") {
                    arguments.push(Argument { name: content_type(text).to_owned(), value: text.clone() });
                } else if let Some(tool) = referred(text).filter(|m| *m != n).and_then(|m| tools.get(m)) {
                    graph.links.push((tool.clone(), task.clone()));
                    let name = output_type(tool).unwrap_or_else(|| "other".to_owned());
                    arguments.push(Argument { name, value: tool.clone() });
                }
            }
            graph.nodes.push(Node { task: task.clone(), arguments });
        }
        graph
    }
}

/// The n of `<node-n>`.
fn referred(text: &str) -> Option<usize> {
    let (_, after) = text.split_once("<node-")?;
    after.split_once('>')?.0.trim().parse().ok()
}

fn content_type(text: &str) -> &'static str {
    let has = |extensions: &[&str]| extensions.iter().any(|e| text.contains(&format!(".{e}")));
    if has(&["jpg", "png", "jpeg", "gif", "bmp", "tiff", "svg", "ico"]) {
        "image"
    } else if has(&["mp3", "wav", "wma", "ogg", "aac", "flac", "aiff", "au"]) {
        "audio"
    } else if has(&["mp4", "avi", "mov", "flv", "wmv", "mkv", "webm", "m4v", "mpg", "mpeg"]) {
        "video"
    } else {
        "text"
    }
}
