//! A SCIM service: `scim2-server`, which others maintain and which keeps to the standard.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::leave_out;

const VARIABLE: &str = "SCIM_SERVER_PROGRAM";

/// How long it may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A SCIM service for many tests, in memory. Dropping it kills it.
pub struct ScimService {
    process: Child,
    port: u16,
    tenants: AtomicU32,
}

/// Users of a test's own.
pub struct ScimTenant {
    url: String,
    users: AtomicU32,
}

impl ScimService {
    /// The token it accepts.
    pub const TOKEN: &'static str = "a-token-for-tests";

    /// Starts the service; `None`: there is none, which was said.
    ///
    /// # Errors
    /// There is none, and `SERVICE_TESTS=required`; or it does not start.
    pub fn start() -> Result<Option<Self>> {
        let Some(program) = env::var_os(VARIABLE).map(PathBuf::from) else {
            leave_out(
                VARIABLE,
                "run `cargo xtask test` with Debian's package python3-venv installed",
            )?;
            return Ok(None);
        };
        // Free a moment ago: nothing says so better.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new(&program)
            .args(["--dynamic-tenants", "--bearer-token", Self::TOKEN])
            .args(["--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut service = Self {
            process,
            port,
            tenants: AtomicU32::new(0),
        };
        service.wait_until_ready()?;
        Ok(Some(service))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let has_ended = self.process.try_wait()?.is_some();
            if has_ended || began.elapsed() > PATIENCE {
                bail!("the SCIM service did not start");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// An address under which there are no users yet.
    pub fn tenant(&self) -> ScimTenant {
        let number = self.tenants.fetch_add(1, Ordering::Relaxed);
        ScimTenant {
            url: format!("http://127.0.0.1:{}/tenant{number}/v2", self.port),
            users: AtomicU32::new(0),
        }
    }
}

impl Drop for ScimService {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl ScimTenant {
    /// The address before `/Users`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a user.
    pub async fn add(&self, name: &str, email: Option<&str>) -> Result<()> {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let emails: Vec<Value> = email
            .iter()
            .map(|email| json!({ "value": email, "primary": true }))
            .collect();
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": format!("account-{number}"),
            "displayName": name,
            "emails": emails,
        });
        // An error means that the test has chosen one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build()?;
        let made = client
            .post(format!("{}/Users", self.url))
            .bearer_auth(ScimService::TOKEN)
            .header("content-type", "application/scim+json")
            .body(user.to_string())
            .send()
            .await?;
        let status = made.status();
        ensure!(status.is_success(), "{status}: {}", made.text().await?);
        Ok(())
    }
}
