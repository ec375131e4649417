//! The description of the routes: an OpenAPI document, made from the same table as the router.

pub(super) mod operations;
mod refusals;
mod schemas;

use utoipa::openapi::info::{Info, InfoBuilder, LicenseBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::{ComponentsBuilder, OpenApiBuilder, Paths};

use super::routes::{Described, Guard};
use crate::error::{Error, Result};

/// Where the document is.
pub(super) const PATH: &str = "/openapi.json";
/// The name of the API key among the security schemes.
const KEY: &str = "api_key";

/// The document for these routes, as JSON.
///
/// # Errors
/// `Internal` when it cannot be written.
pub(super) fn document(routes: Vec<Described>) -> Result<String> {
    let mut paths = Paths::new();
    for Described { method, path, guard, told } in routes {
        let mut operation = told.behind(guard);
        if guard == Guard::Key {
            // Where the service has no keys, none is wanted.
            let wanted = SecurityRequirement::new::<_, [&str; 0], _>(KEY, []);
            operation = operation.securities(Some([wanted, SecurityRequirement::default()]));
        }
        paths.add_path_operation(path, vec![method], operation);
    }
    let components = schemas::add_all(ComponentsBuilder::new()).security_scheme(KEY, SecurityScheme::Http(key()));
    let document = OpenApiBuilder::new()
        .info(info())
        // The routes stand beside the document, wherever they are mounted.
        .servers(Some([Server::new(".")]))
        .paths(paths)
        .components(Some(components.build()))
        .build();
    let faulty = |e| Error::internal("the description of the routes cannot be written").with_source(e);
    document.to_pretty_json().map(|text| text + "\n").map_err(faulty)
}

fn info() -> Info {
    let about = "Questions about images: an LLM plans, expert vision models see, and every claim of an answer points \
                 at its evidence.";
    let licence = env!("CARGO_PKG_LICENSE");
    let licence = LicenseBuilder::new().name(licence).identifier(Some(licence)).build();
    let info = InfoBuilder::new().title("lavr").version(env!("CARGO_PKG_VERSION"));
    info.description(Some(about)).license(Some(licence)).build()
}

fn key() -> Http {
    let about = "A key of `LAVR_API_KEY` or `api_keys_file`. A service without keys wants none.";
    HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build()
}
