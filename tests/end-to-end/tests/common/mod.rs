//! A host inside the test, for what cannot be seen from outside.

use std::path::Path;

use integration_host::config::{LogFormat, Settings, StorageChoice};
use integration_host::limits::Limits;

/// Settings of a host that keeps everything in memory.
pub fn settings(data: &Path, component: &Path, upstream: &str) -> Settings {
    Settings {
        component: component.to_owned(),
        data: data.to_owned(),
        listen: "127.0.0.1:1".parse().unwrap(),
        public_url: None,
        storage: StorageChoice::Memory,
        directory: None,
        hosts: integration_host::config::Hosts {
            approved: None,
            upstream: vec![format!("api.track.toggl.com={upstream}").parse().unwrap()],
        },
        deleted_entries: Default::default(),
        log_format: LogFormat::Text,
        log_level: "warn".into(),
        limits: Limits::default(),
    }
}
