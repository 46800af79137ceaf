//! The proxy between this machine and the internet.

use super::ConfigError;
use integration_host_http::EgressProxy;

/// What the section [hosts] says about it.
#[derive(Debug, Default)]
pub(super) struct ProxyKeys {
    /// Its address. Empty: none, whatever the environment says.
    pub(super) proxy: Option<String>,
    /// Who is reached without it.
    pub(super) without_proxy: Option<Vec<String>>,
}

impl ProxyKeys {
    /// The proxy: from outside, else the file's, else the one that the environment names for all programs. Its list of who
    /// is reached without one holds for each of them, unless the file has one.
    pub(super) fn choose(
        self,
        from_outside: Option<String>,
        of_environment: Option<String>,
        no_proxy: Option<String>,
    ) -> Result<Option<EgressProxy>, ConfigError> {
        let (address, name) = match (from_outside, self.proxy, of_environment) {
            (Some(address), _, _) => (address, "`proxy`"),
            (None, Some(address), _) if address.trim().is_empty() => return Ok(None),
            (None, Some(address), _) => (address, "`proxy` in [hosts]"),
            (None, None, Some(address)) => (address, "the variable HTTPS_PROXY"),
            (None, None, None) => return Ok(None),
        };
        let exempt = self.without_proxy.map(|hosts| hosts.join(","));
        let exempt = exempt.or(no_proxy).unwrap_or_default();
        EgressProxy::new(&address, &exempt)
            .map(Some)
            .map_err(|error| ConfigError(format!("{name} cannot be used: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_proxy_unless_one_is_named_and_the_nearest_wins() {
        let some = |text: &str| Some(text.to_owned());
        let chosen = |outside, file: Option<&str>, environment| {
            let keys = ProxyKeys {
                proxy: file.map(str::to_owned),
                without_proxy: None,
            };
            let chosen = keys
                .choose(outside, environment, some("a.example"))
                .unwrap();
            chosen.map(|proxy| proxy.to_string())
        };
        assert_eq!(chosen(None, None, None), None);
        assert_eq!(chosen(None, None, some("http://e:1")), some("e:1"));
        assert_eq!(
            chosen(None, Some("http://f:1"), some("http://e:1")),
            some("f:1")
        );
        assert_eq!(chosen(None, Some(""), some("http://e:1")), None);
        assert_eq!(
            chosen(some("http://o:1"), Some("http://f:1"), None),
            some("o:1")
        );
        let wrong = ProxyKeys::default().choose(None, some("socks5://u:hush@p"), None);
        let error = wrong.unwrap_err().to_string();
        assert!(
            error.contains("HTTPS_PROXY") && !error.contains("hush"),
            "{error}"
        );
    }
}
