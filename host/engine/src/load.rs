//! Loading a component: from a file's bytes to something that can run calls.

use std::thread;

use tokio::sync::oneshot;
use wasmtime::component::Component;

use super::linker::{self, build_linker};
use super::{Engine, Integration, LoadError, call, manifest};
use crate::bindings::IntegrationComponentPre;

impl Integration {
    /// Compiles a component, or takes it from the cache, and asks for its manifest.
    pub async fn load(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let component = compile(engine, bytes).await?;
        let component_type = component.component_type();
        let imports: Vec<_> = component_type
            .imports(&engine.inner)
            .map(|(name, _)| name.to_owned())
            .collect();
        let exports: Vec<_> = component_type
            .exports(&engine.inner)
            .map(|(name, _)| name.to_owned())
            .collect();

        let linker =
            build_linker(&engine.inner).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        if let Some(import) = imports.iter().find(|import| !linker::lends(import)) {
            return Err(LoadError::UnknownImport(import.clone()));
        }
        let pre = linker
            .instantiate_pre(&component)
            .and_then(IntegrationComponentPre::new)
            .map_err(|error| LoadError::wrong_contract(&error))?;
        let manifest = call::describe(engine, &pre).await?;
        if let Some(fault) = manifest::fault(&manifest) {
            return Err(LoadError::BadManifest(fault));
        }
        Ok(Self {
            engine: engine.clone(),
            pre,
            manifest,
            imports,
            exports,
        })
    }
}

/// Compiles within bounds. It cannot be interrupted, so it has a thread of its own, which a host that
/// gives up leaves behind when it ends; the size of the file bounds how long it can go on.
pub(super) async fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadError> {
    let limits = &engine.limits;
    if bytes.len() > limits.component_bytes {
        return Err(LoadError::TooLarge {
            most: limits.component_bytes,
        });
    }
    let (sender, compiled) = oneshot::channel();
    let (inner, copy) = (engine.inner.clone(), bytes.to_vec());
    thread::Builder::new()
        .name("compile".into())
        .spawn(move || drop(sender.send(Component::new(&inner, copy))))
        .map_err(|error| LoadError::Engine(error.to_string()))?;
    let time = limits.component_load_timeout;
    match tokio::time::timeout(time, compiled).await {
        Ok(Ok(result)) => result.map_err(|error| LoadError::uncompiled(bytes, &error)),
        Ok(Err(_)) => Err(LoadError::Broken("the compiler failed".to_owned())),
        Err(_) => Err(LoadError::TooSlow { time }),
    }
}
