//! Requests that must not be made, or not so many.

use crate::worksights::integration::http::{
    self, Authorization, BasicCredentials, Credential, Header, Method, Request,
};

const ACCOUNT: &str = "https://api.track.toggl.com/api/v9/me";

/// Makes the attempt with this name, if there is one, and returns everything that came back.
pub fn attempt(name: &str) -> Option<String> {
    if name == "flood-http" {
        return Some(flood());
    }
    if name == "hang" {
        // The request is given up when the call's time ends, and this asks again.
        loop {
            send(&request(name)?);
        }
    }
    Some(send(&request(name)?))
}

fn request(name: &str) -> Option<Request> {
    let url = match name {
        "own-account" | "undeclared-secret" => ACCOUNT,
        "other-host" => "https://example.com/",
        "plain-http" => "http://api.track.toggl.com/api/v9/me",
        "file-url" => "file:///etc/passwd",
        "userinfo" => "https://api.track.toggl.com@evil.example/",
        "backslash" => "https://evil.example\\@api.track.toggl.com/",
        "trailing-dot" => "https://api.track.toggl.com./",
        "other-port" => "https://api.track.toggl.com:22/",
        "unicode-host" => "https://api.track.toggl.com.evil.example\u{3002}com/",
        "fraction-slash" => "https://evil.example\u{2044}.api.track.toggl.com/",
        "percent-host" => "https://api.track.toggl.com%2eevil.example/",
        "percent-slash" => "https://api.track.toggl.com%2f@evil.example/",
        "loopback" => "https://127.0.0.1/",
        "loopback-number" => "https://2130706433/",
        "loopback-octal" => "https://0177.0.0.1/",
        "loopback-v6" => "https://[::1]/",
        "loopback-mapped" => "https://[::ffff:127.0.0.1]/",
        "loopback-name" => "https://localhost/",
        "private" => "https://10.0.0.1/",
        "link-local" => "https://169.254.1.1/",
        "metadata" => "https://169.254.169.254/latest/meta-data/",
        // Declared, but its name leads to this machine.
        "inside-name" => "https://inside.example.com/",
        // Upstreams that never answer, and that redirect to this machine.
        "hang" => "https://odd.example.com/hang",
        "redirect" => "https://odd.example.com/redirect",
        "huge-answer" => "https://odd.example.com/huge",
        "huge-url" => {
            return Some(get(
                format!("{ACCOUNT}?{}", "x".repeat(1 << 20)),
                Vec::new(),
            ));
        }
        "huge-body" => {
            let mut request = get(ACCOUNT.into(), Vec::new());
            request.method = Method::Post;
            request.body = Some(vec![b'x'; (1 << 20) + 1]);
            return Some(request);
        }
        "huge-headers" => return Some(with_header("x-note", &"x".repeat(1 << 20))),
        "many-headers" => {
            let header = Header {
                name: "x".into(),
                value: String::new(),
            };
            return Some(get(ACCOUNT.into(), vec![header; 100_000]));
        }
        "inject-value" => return Some(with_header("x-note", "a\r\nx-other: b")),
        "inject-newline" => return Some(with_header("x-note", "a\nx-other: b")),
        "inject-name" => return Some(with_header("x-note\r\nx-other", "b")),
        "set-host" => return Some(with_header("Host", "evil.example")),
        "set-length" => return Some(with_header("Content-Length", "5")),
        "set-encoding" => return Some(with_header("Transfer-Encoding", "chunked")),
        "set-authorization" => return Some(with_header("Authorization", "Basic eDp5")),
        "set-cookie" => return Some(with_header("Cookie", "a=b")),
        _ => return None,
    };
    let mut request = get(url.into(), Vec::new());
    if name == "undeclared-secret" {
        request.authorization = Authorization::Bearer(Credential::Secret("admin-token".into()));
    }
    Some(request)
}

fn with_header(name: &str, value: &str) -> Request {
    let header = Header {
        name: name.into(),
        value: value.into(),
    };
    get(ACCOUNT.into(), vec![header])
}

fn get(url: String, headers: Vec<Header>) -> Request {
    Request {
        method: Method::Get,
        url,
        headers,
        authorization: Authorization::Basic(BasicCredentials {
            username: Credential::Secret("api-token".into()),
            password: Credential::Literal("api_token".into()),
        }),
        body: None,
        idempotent: true,
    }
}

fn send(request: &Request) -> String {
    match http::send(request) {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            format!("{} {:?} {body}", response.status, response.headers)
        }
        Err(error) => format!("{error:?}"),
    }
}

fn flood() -> String {
    let mut last = String::new();
    for _ in 0..1000 {
        last = send(&get(
            "https://api.track.toggl.com/api/v9/me/logged".into(),
            Vec::new(),
        ));
        if !last.starts_with("200") {
            break;
        }
    }
    last
}
