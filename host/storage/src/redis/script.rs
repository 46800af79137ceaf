//! The Lua scripts. Redis runs a script as one step, which nothing else comes between.

use ::redis::{Cmd, cmd};

/// A script of this provider.
pub(super) struct Script {
    code: &'static str,
    /// What the server calls it once it has seen it.
    name: String,
}

impl Script {
    /// `commit.lua`
    pub(super) fn commit() -> Self {
        Self::new(include_str!("commit.lua"))
    }

    /// `read.lua`
    pub(super) fn read() -> Self {
        Self::new(include_str!("read.lua"))
    }

    fn new(code: &'static str) -> Self {
        let name = ::redis::Script::new(code).get_hash().to_owned();
        Self { code, name }
    }

    /// Begins a request that runs it on these keys of the server; its arguments are to be added.
    pub(super) fn on(&self, keys: &[String]) -> Cmd {
        let mut request = cmd("EVALSHA");
        request.arg(&self.name).arg(keys.len()).arg(keys);
        request
    }

    /// Shows it to the server.
    pub(super) fn load(&self) -> Cmd {
        let mut request = cmd("SCRIPT");
        request.arg("LOAD").arg(self.code);
        request
    }
}
