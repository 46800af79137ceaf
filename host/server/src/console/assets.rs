//! Styles, scripts and pictures, compiled into the program.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

const ASSETS: &[Asset] = &[
    asset("style.css", STYLE, include_str!("assets/style.css")),
    asset("icon.svg", PICTURE, include_str!("assets/icon.svg")),
    asset("app.js", SCRIPT, include_str!("assets/app.js")),
    asset("connect.js", SCRIPT, include_str!("assets/connect.js")),
    asset("refresh.js", SCRIPT, include_str!("assets/refresh.js")),
    asset("users.js", SCRIPT, include_str!("assets/users.js")),
    asset("live.js", SCRIPT, include_str!("assets/live.js")),
    asset("timeline.js", SCRIPT, include_str!("assets/timeline.js")),
];

const fn asset(name: &'static str, kind: &'static str, text: &'static str) -> Asset {
    Asset { name, kind, text }
}

/// Stands in every address and changes with any of them, so that browsers may keep them for good, and
/// modules find each other beside themselves.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let digest = ASSETS
        .iter()
        .fold(Sha256::new(), |digest, asset| {
            digest.chain_update(asset.text)
        })
        .finalize();
    hex::encode(digest.get(..8).unwrap_or_default())
});

/// The address of an asset, relative to the console's root.
pub(super) fn address(name: &str) -> String {
    format!("assets/{}/{name}", *VERSION)
}

/// Serves one. A page of an older program gets the present one, and does not keep it.
pub(super) async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = if version == *VERSION {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    (
        [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, caching)],
        asset.text,
    )
        .into_response()
}
