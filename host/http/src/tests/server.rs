//! A server that does exactly what a test tells it, down to the bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

/// What the server does with a connection after reading the request.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Says nothing more and keeps the connection open.
    Hang,
}

pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request with what `answer` makes of it and of how many came before it.
    pub async fn start(answer: impl Fn(&str, usize) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&seen), Arc::clone(&answer)));
            }
        });
        Self { address, requests }
    }

    /// Sends the same bytes to everybody.
    pub async fn saying(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::start(move |_, _| send(&answer)).await
    }

    pub fn url(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far, as they were received.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

pub fn send(text: &str) -> Vec<Step> {
    vec![Step::Send(text.as_bytes().to_vec())]
}

/// A whole response; `headers` are lines that end in `\r\n`.
pub fn respond(status: u16, headers: &str, body: &str) -> Vec<Step> {
    send(&format!(
        "HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

async fn serve(
    mut stream: tokio::net::TcpStream,
    seen: Arc<Mutex<Vec<String>>>,
    answer: Arc<impl Fn(&str, usize) -> Vec<Step>>,
) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&request) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => request.extend_from_slice(&buffer[..length]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    for step in answer(&request, number) {
        match step {
            Step::Send(bytes) => {
                // The client may have heard enough.
                let _ = stream.write_all(&bytes).await;
            }
            Step::Hang => std::future::pending().await,
        }
    }
    let _ = stream.shutdown().await;
}

/// Whether head and body have arrived; a TLS greeting counts as complete as it is.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    if request.first() == Some(&0x16) {
        return true;
    }
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_lowercase()
                .strip_prefix("content-length:")?
                .trim()
                .parse()
                .ok()
        })
        .unwrap_or(0_usize);
    body.len() >= length
}
