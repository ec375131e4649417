//! What a request names that a plan can work on: files, addresses, "the picture".

/// Longest name of a file or an address that is looked for in a request, in bytes.
const MAX_FILE: usize = 200;
/// Types that are media.
const MEDIA: [Medium; 4] = [
    Medium {
        name: "image",
        endings: &["jpg", "jpeg", "png", "gif", "bmp", "tif", "tiff", "webp", "svg", "ico", "heic"],
        words: &["image", "picture", "photo", "photograph", "scan", "screenshot", "drawing", "painting"],
    },
    Medium {
        name: "audio",
        endings: &["mp3", "wav", "wma", "ogg", "aac", "flac", "aiff", "m4a", "opus"],
        words: &["audio", "recording", "sound", "song", "speech", "voice", "music"],
    },
    Medium {
        name: "video",
        endings: &["mp4", "avi", "mov", "flv", "wmv", "mkv", "webm", "m4v", "mpg", "mpeg"],
        words: &["video", "clip", "film", "movie", "footage"],
    },
    Medium { name: URL, endings: &[], words: &["url", "link", "address", "website", "page"] },
];
pub(super) const URL: &str = "url";
/// What says of a medium that it is there, up to three words before it.
const GIVEN: [&str; 13] =
    ["the", "this", "that", "these", "my", "our", "your", "given", "attached", "following", "have", "has", "got"];
/// What says that it is not, unless one of those stands there too.
const WANTED: [&str; 6] = ["a", "an", "another", "new", "some", "any"];
/// Most words of a request that texts can begin with.
const MAX_WORDS: usize = 200;

/// A kind of file.
struct Medium {
    name: &'static str,
    endings: &'static [&'static str],
    /// What a request calls one.
    words: &'static [&'static str],
}

/// The files that a request names, with their media.
pub(crate) fn named_files(request: &str) -> Vec<String> {
    let told = |file: &str| medium_of(file).map_or_else(|| file.to_owned(), |medium| format!("{file} ({medium})"));
    files(request).into_iter().map(told).collect()
}

/// Whether a request speaks of media at all.
pub(super) fn speaks_of_media(request: &str) -> bool {
    let lower = request.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.any(|word| {
        let one = word.strip_suffix('s').unwrap_or(word);
        MEDIA.iter().any(|medium| medium.words.contains(&word) || medium.words.contains(&one))
    })
}

/// The texts that a request gives, as patterns: they begin with one of its words, but for files of known media, and
/// go on as `rest` says. Nothing where words are not told apart by spaces.
pub(super) fn begins(request: &str, rest: &str) -> Vec<String> {
    let spaceless = |c: char| ('\u{2e80}'..'\u{a000}').contains(&c) || ('\u{e00}'..'\u{1100}').contains(&c);
    if request.contains(spaceless) {
        return Vec::new();
    }
    let files: Vec<&str> = files(request).into_iter().filter(|file| medium_of(file).is_some()).collect();
    let is_free = |word: &&str| !files.iter().any(|file| word.contains(file));
    let (mut long, mut short): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for word in request.split_whitespace().filter(is_free) {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let Some(first) = word.chars().next() else { continue };
        // In a text of its own a word may stand in the singular, and begin with another case.
        let word = word.strip_suffix('s').filter(|one| one.len() > 3).unwrap_or(word);
        let (upper, lower) = (first.to_uppercase().to_string(), first.to_lowercase().to_string());
        let rest = regex::escape(&word[first.len_utf8()..]);
        let begin = if upper == lower { format!("{first}{rest}") } else { format!("({upper}|{lower}){rest}") };
        let found = if word.len() > 3 { &mut long } else { &mut short };
        if !found.contains(&begin) && found.len() < MAX_WORDS {
            found.push(begin);
        }
    }
    // A longer word may go on in another form, but not as the id of a step.
    let long = (!long.is_empty()).then(|| format!(r"({})([^_\n]{rest})?", long.join("|")));
    let short = (!short.is_empty()).then(|| format!(r"({})([^a-zA-Z0-9\n]{rest})?", short.join("|")));
    long.into_iter().chain(short).collect()
}

/// Whether a type is a medium: what there is of it is named in a request.
pub(super) fn is_medium(of: &str) -> bool {
    MEDIA.iter().any(|medium| medium.name == of)
}

/// Whether a request speaks of one that is there: of "the picture", and not first of "a picture" that it wants.
pub(super) fn is_given(request: &str, medium: &str) -> bool {
    let Some(medium) = MEDIA.iter().find(|other| other.name == medium) else { return false };
    let lower = request.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let first = words.iter().position(|word| medium.words.contains(word));
    first.is_some_and(|at| {
        let before = &words[at.saturating_sub(3)..at];
        let says = |those: &[&str]| before.iter().any(|word| those.contains(word));
        says(&GIVEN) || !says(&WANTED)
    })
}

/// The medium of a file or an address, where its name tells.
pub(super) fn medium_of(file: &str) -> Option<&'static str> {
    if is_address(file) {
        return Some(URL);
    }
    let ending = file.rsplit_once('.')?.1.to_lowercase();
    MEDIA.iter().find(|medium| medium.endings.contains(&ending.as_str())).map(|medium| medium.name)
}

fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("www.")
}

/// The files and addresses that a request names, each once.
pub(super) fn files(request: &str) -> Vec<&str> {
    let apart = |c: char| c.is_whitespace() || "\"'`,;()[]<>{}|“”‘’".contains(c);
    let mut found: Vec<&str> = Vec::new();
    for word in request.split(apart) {
        let word = word.trim_end_matches(['.', '?', '!', ':']);
        if is_file(word) && word.len() <= MAX_FILE && !word.starts_with('$') && !found.contains(&word) {
            found.push(word);
        }
    }
    for quoted in quotations(request) {
        if is_file(quoted) && quoted.len() <= MAX_FILE && !quoted.starts_with('$') && !found.contains(&quoted) {
            found.push(quoted);
        }
    }
    found
}

/// Whether a text is an address, or ends as the name of a file does.
fn is_file(text: &str) -> bool {
    let ends_so = text.rsplit_once('.').is_some_and(|(name, ending)| {
        let plain = ending.chars().all(|c| c.is_ascii_alphanumeric()) && (1..=5).contains(&ending.len());
        plain && ending.starts_with(|c: char| c.is_ascii_alphabetic()) && name.ends_with(|c: char| c.is_alphanumeric())
    });
    !text.contains(char::is_control) && (is_address(text) || ends_so)
}

/// What stands in quotation marks; an apostrophe inside a word is none.
fn quotations(text: &str) -> Vec<&str> {
    let closes = |open: char| match open {
        '“' => '”',
        '‘' => '’',
        other => other,
    };
    let mut found = Vec::new();
    let mut before = ' ';
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let opens = "\"'`“‘".contains(c) && !before.is_alphanumeric();
        before = c;
        let Some(inside) = text.get(at + c.len_utf8()..).filter(|_| opens) else { continue };
        let Some(end) = inside.find(closes(c)) else { continue };
        found.extend(inside.get(..end));
        while chars.next().is_some_and(|(next, _)| next < at + c.len_utf8() + end) {}
    }
    found
}
