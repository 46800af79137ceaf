//! The page at `/`.

use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse};

/// Says what this is to whoever opens the address in a browser.
pub(in crate::server) async fn home() -> impl IntoResponse {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

/// A page takes what it is made of from this host, talks to it alone, and is shown in no other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>integration-host</title>
</head>
<body>
<main>
<h1>integration-host</h1>
<p>This host runs an integration that records the time people log. It works; the console, which will be
on this page, is not part of this build yet.</p>
<ul>
<li>The HTTP API is described in <a href="/api/openapi.json">/api/openapi.json</a>. Requests carry the
header <code>Authorization: Bearer ADMIN_TOKEN</code>; the token is in the file <code>admin-token</code> of
the host's data directory.</li>
<li>On the command line, <code>integration-host --help</code> shows everything. Begin with
<code>integration-host test</code>, then <code>integration-host connect</code>.</li>
<li>The README explains how to connect an account, step by step.</li>
</ul>
</main>
</body>
</html>
"#;
