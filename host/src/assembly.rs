//! Putting a host together from its settings.

use std::path::Path;
use std::sync::Arc;

use crate::config::Settings;
use crate::contract::Manifest;
use crate::service::Service;

/// What a component is, found out without trusting it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Interfaces it imports.
    pub imports: Vec<String>,
    /// Interfaces it exports.
    pub exports: Vec<String>,
    /// Size of the file, in bytes.
    pub size_bytes: u64,
}

/// A running host, except for its server.
pub async fn assemble(_settings: &Settings) -> anyhow::Result<Arc<Service>> {
    todo!()
}

/// Looks at a component without lending it anything.
pub async fn inspect(_component: &Path) -> anyhow::Result<Inspection> {
    todo!()
}
