//! The program that starts and drives browsers: one for each test process.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, bail};

/// Its input ends when the test process does, in whatever way. Then everything in its process group
/// ends: chromedriver, and the browsers that were left open. The same if chromedriver ends by itself.
const KEEPER: &str =
    r#"("$0" --port=0 --log-level=SEVERE; kill -KILL 0) & read -r _; kill -KILL 0"#;

/// What chromedriver says before the port when it listens.
const LISTENING: &str = "started successfully on port ";

/// A running chromedriver. It is never dropped, like everything static; see [`KEEPER`].
struct Chromedriver {
    url: String,
    _keeper: Child,
    /// What else it says has to go somewhere.
    _output: BufReader<ChildStdout>,
}

/// Where chromedriver listens. It is started when it is first needed.
pub(super) async fn url() -> Result<String> {
    static RUNNING: OnceLock<Result<Chromedriver, String>> = OnceLock::new();
    // The port it finds for itself may be taken by another program a moment later.
    let start = || start().or_else(|_| start()).or_else(|_| start());
    let start = move || RUNNING.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    match tokio::task::spawn_blocking(start).await? {
        Ok(chromedriver) => Ok(chromedriver.url.clone()),
        Err(reason) => Err(anyhow!(
            "a browser is needed: {reason}; install Debian's packages chromium and chromium-driver, or name the programs in CHROMIUM and CHROMEDRIVER"
        )),
    }
}

fn start() -> Result<Chromedriver> {
    let program = std::env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER])
        .arg(&program)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("no shell can be started")?;
    let output = keeper.stdout.take().context("no standard output")?;
    let mut output = BufReader::new(output);
    let mut line = String::new();
    loop {
        line.clear();
        if output.read_line(&mut line)? == 0 {
            bail!("{} does not start", program.display());
        }
        if let Some((_, port)) = line.split_once(LISTENING) {
            let port: u16 = port.trim().trim_end_matches('.').parse()?;
            return Ok(Chromedriver {
                url: format!("http://127.0.0.1:{port}"),
                _keeper: keeper,
                _output: output,
            });
        }
    }
}
