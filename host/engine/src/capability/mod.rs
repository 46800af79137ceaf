//! What a component may use, as its calls see it.

pub(crate) mod directory;
pub mod http;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub(crate) mod storage;
