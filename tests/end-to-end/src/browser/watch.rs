//! What a browser says while it shows pages: complaints, and whatever it sends for.

use std::collections::HashMap;

use anyhow::{Result, bail};
use serde_json::Value;
use thirtyfour::{BrowserLogEntry, WebDriver};

/// Something a page sent for, or the page itself.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// Where to.
    pub url: String,
    /// How.
    pub method: String,
    /// What was answered; 0 while there is no answer.
    pub status: u64,
    /// What came over the wire, headers included, compressed as it was; 0 while it has not ended.
    pub bytes: u64,
}

/// What a browser has said so far.
pub(super) struct Watch {
    /// Whom pages may ask.
    sites: Vec<String>,
    expected: Vec<String>,
    complaints: Vec<String>,
    requests: Vec<PageRequest>,
    /// Chromium's id of a request, and its place above.
    places: HashMap<String, usize>,
}

impl Watch {
    pub(super) fn new(host: &str) -> Self {
        Self {
            sites: vec![site_of(host).to_owned()],
            expected: Vec::new(),
            complaints: Vec::new(),
            requests: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Asking the site of this address is no cause for complaint from now on.
    pub(super) fn allow(&mut self, url: &str) {
        self.sites.push(site_of(url).to_owned());
    }

    pub(super) fn expect(&mut self, words: &str) {
        self.expected.push(words.to_owned());
    }

    pub(super) fn requests(&self) -> Vec<PageRequest> {
        self.requests.clone()
    }

    /// Reads what was said since the last time.
    pub(super) async fn look(&mut self, driver: &WebDriver) -> Result<()> {
        let complaints = driver.get_log("browser").await?;
        self.complaints
            .extend(complaints.into_iter().filter_map(complaint));
        for entry in driver.get_log("performance").await? {
            let entry: Value = serde_json::from_str(&entry.message)?;
            self.note(&entry["message"]);
        }
        Ok(())
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        let id = parameters["requestId"].as_str().unwrap_or_default();
        if event["method"] == "Network.requestWillBeSent" {
            self.end(id, &parameters["redirectResponse"]);
            self.begin(id, &parameters["request"]);
            return;
        }
        let Some(place) = self.places.get(id) else {
            return;
        };
        let Some(request) = self.requests.get_mut(*place) else {
            return;
        };
        match event["method"].as_str() {
            Some("Network.responseReceived") => {
                request.status = parameters["response"]["status"]
                    .as_u64()
                    .unwrap_or_default();
            }
            Some("Network.loadingFinished") => {
                request.bytes = bytes(&parameters["encodedDataLength"]);
            }
            _ => {}
        }
    }

    fn begin(&mut self, id: &str, request: &Value) {
        let url = request["url"].as_str().unwrap_or_default().to_owned();
        let is_remote = ["http:", "https:", "ws:", "wss:"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        // What Chromium's own pages are made of is in the program.
        if !is_remote {
            return;
        }
        if !self.sites.iter().any(|site| site == site_of(&url)) {
            self.complaints
                .push(format!("a page asked another site: {url}"));
        }
        self.places.insert(id.to_owned(), self.requests.len());
        self.requests.push(PageRequest {
            url,
            method: request["method"].as_str().unwrap_or_default().to_owned(),
            ..PageRequest::default()
        });
    }

    /// A redirect answers one request and begins the next under the same id.
    fn end(&mut self, id: &str, redirect: &Value) {
        let place = self.places.remove(id);
        let request = place.and_then(|place| self.requests.get_mut(place));
        if let Some(request) = request {
            request.status = redirect["status"].as_u64().unwrap_or_default();
            request.bytes = bytes(&redirect["encodedDataLength"]);
        }
    }

    pub(super) fn assert_quiet(&self) -> Result<()> {
        let is_expected = |complaint: &&String| {
            self.expected
                .iter()
                .any(|words| complaint.contains(words.as_str()))
        };
        let unexpected: Vec<&String> = self
            .complaints
            .iter()
            .filter(|complaint| !is_expected(complaint))
            .collect();
        if !unexpected.is_empty() {
            bail!("the browser complained: {unexpected:#?}");
        }
        Ok(())
    }
}

/// What deserves attention. Chromium's advice on forms is not about this page's promises.
fn complaint(entry: BrowserLogEntry) -> Option<String> {
    let is_serious = entry.level == "SEVERE" || entry.level == "WARNING";
    let source = entry.source.unwrap_or_default();
    is_serious.then(|| format!("{source}: {}", entry.message))
}

fn bytes(length: &Value) -> u64 {
    length.as_f64().unwrap_or_default() as u64
}

/// `http://127.0.0.1:8080` of `http://127.0.0.1:8080/timeline?a=b`.
fn site_of(url: &str) -> &str {
    let end = match url.split_once("://") {
        Some((scheme, rest)) => scheme.len() + 3 + rest.find(['/', '?', '#']).unwrap_or(rest.len()),
        None => url.len(),
    };
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_that_asks_another_site_is_noticed() {
        let mut watch = Watch::new("http://127.0.0.1:8080");
        let ask = |url: &str| {
            json!({ "method": "Network.requestWillBeSent",
                "params": { "requestId": url, "request": { "url": url, "method": "GET" } } })
        };
        for own in [
            "http://127.0.0.1:8080/?a=b",
            "http://127.0.0.1:8080",
            "data:,x",
        ] {
            watch.note(&ask(own));
        }
        assert!(watch.assert_quiet().is_ok());
        watch.allow("http://127.0.0.1:9090/page");
        watch.note(&ask("http://127.0.0.1:9090/other"));
        assert!(watch.assert_quiet().is_ok());
        watch.note(&ask("http://127.0.0.1:80800/"));
        let error = watch.assert_quiet().unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:80800"), "{error}");
    }
}
