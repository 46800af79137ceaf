//! Running a program that prints secrets, such as a vault's client.

use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

use integration_host_contract::sentence::{cut, printable};

/// How the variables begin that the host is configured with. Some hold secrets.
const OWN_VARIABLES: &str = "INTEGRATION_HOST_";

/// The most that is read of what the program prints.
const MAX_OUTPUT_BYTES: usize = 16 << 10;
/// The most that is read, and told, of what it complains about.
const MAX_COMPLAINT_BYTES: usize = 4 << 10;
const MAX_COMPLAINT_CHARACTERS: usize = 200;

/// Why a program yields no secret. What it printed is not told.
#[derive(Debug, Error)]
#[error("the command `{program}` yields nothing: {cause}")]
pub struct CommandError {
    /// The program, without its arguments.
    pub(crate) program: String,
    /// What went wrong.
    pub(crate) cause: String,
}

/// What a program prints. It gets no input and none of the host's own variables.
pub async fn output(
    command: &[String],
    timeout: Duration,
) -> Result<Zeroizing<String>, CommandError> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| wrong("", "it is empty"))?;
    let mut process = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN_VARIABLES) {
            process.env_remove(name);
        }
    }
    let mut child = process
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| wrong(program, format!("it cannot be started ({error})")))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let finished = async {
        let (printed, complaint, status) = tokio::join!(
            read(stdout, MAX_OUTPUT_BYTES),
            read(stderr, MAX_COMPLAINT_BYTES),
            child.wait()
        );
        Ok::<_, std::io::Error>((printed?, complaint?, status?))
    };
    let (printed, complaint, status) = tokio::time::timeout(timeout, finished)
        .await
        .map_err(|_| {
            let seconds = timeout.as_secs_f32();
            wrong(program, format!("it did not end within {seconds} s"))
        })?
        .map_err(|error| wrong(program, format!("it cannot be read ({error})")))?;
    if !status.success() {
        let complaint = first_line(&complaint);
        return Err(wrong(program, format!("it ended with {status}{complaint}")));
    }
    if printed.len() >= MAX_OUTPUT_BYTES {
        return Err(wrong(program, "it prints far more than secrets"));
    }
    match std::str::from_utf8(&printed) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(wrong(program, "it prints something that is no text")),
    }
}

/// Reads up to a bound and throws away the rest, so that the program is not held up.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    most: usize,
) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Made large enough at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    if let Some(mut stream) = stream {
        (&mut stream)
            .take(most as u64)
            .read_to_end(&mut bytes)
            .await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

/// The first line of what a program complained about, cut: enough to know what is wrong.
fn first_line(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(String::new, |line| {
        let line = cut(line, MAX_COMPLAINT_CHARACTERS);
        format!(" and says “{}”", printable(&line))
    })
}

fn wrong(program: &str, cause: impl Into<String>) -> CommandError {
    CommandError {
        program: program.to_owned(),
        cause: cause.into(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn run(script: &str, timeout: Duration) -> Result<String, String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        match output(&command, timeout).await {
            Ok(text) => Ok(text.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn the_secret_is_what_the_program_prints() {
        assert_eq!(
            run("echo secret; echo hint >&2", PATIENCE).await,
            Ok("secret\n".to_owned())
        );
    }

    #[tokio::test]
    async fn what_goes_wrong_is_one_sentence_without_what_was_printed() {
        for (script, timeout, expected) in [
            (
                "echo printed; echo 'no such path' >&2; echo second >&2; exit 3",
                PATIENCE,
                "exit status: 3 and says “no such path”",
            ),
            ("exit 1", PATIENCE, "exit status: 1"),
            (
                "echo printed; exec sleep 600",
                Duration::ZERO,
                "did not end within 0 s",
            ),
            (
                "i=0; while [ $i -lt 3000 ]; do echo printed; i=$((i+1)); done",
                PATIENCE,
                "far more than secrets",
            ),
            ("printf '\\377'", PATIENCE, "no text"),
        ] {
            let error = run(script, timeout).await.unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("`sh`"), "{error}");
            assert!(!error.contains("printed"), "output is in an error: {error}");
            assert!(!error.contains("second"), "more than one line: {error}");
        }
        let missing = ["no-such-program-anywhere".to_owned()];
        let error = output(&missing, PATIENCE).await.unwrap_err().to_string();
        assert!(error.contains("cannot be started"), "{error}");
        assert!(output(&[], PATIENCE).await.is_err());
    }
}
