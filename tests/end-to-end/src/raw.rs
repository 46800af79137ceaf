//! A client that sends bytes, for what no well-behaved client sends.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A connection to a host. Dropping it closes it.
pub struct RawConnection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// Headers as they came, names in lower case, without `date`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl RawConnection {
    /// Connects to `url`, such as `http://127.0.0.1:8080`, from an address of this machine.
    pub async fn open(url: &str, from: Ipv4Addr) -> Result<Self> {
        let address = url.trim_start_matches("http://").parse()?;
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        Ok(Self {
            stream: socket.connect(address).await?,
            unread: Vec::new(),
        })
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// Reads one answer. A body without a length is read to the end of the connection.
    pub async fn answer(&mut self) -> Result<RawAnswer> {
        loop {
            let (status, headers) = self.head().await?;
            // “100 Continue” is not the answer yet.
            if status >= 200 {
                let body = self.body(&headers).await?;
                return Ok(RawAnswer {
                    status,
                    headers,
                    body,
                });
            }
        }
    }

    async fn head(&mut self) -> Result<(u16, Vec<(String, String)>)> {
        let end = loop {
            let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if !self.read_more().await? {
                bail!("the connection was closed without an answer");
            }
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head)?;
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .context("no status")?
            .parse()?;
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .filter(|(name, _)| name != "date")
            .collect();
        Ok((status, headers))
    }

    async fn body(&mut self, headers: &[(String, String)]) -> Result<Vec<u8>> {
        let length = headers.iter().find(|(name, _)| name == "content-length");
        match length {
            Some((_, length)) => {
                let length = length.parse()?;
                while self.unread.len() < length {
                    if !self.read_more().await? {
                        bail!("the answer was cut off");
                    }
                }
                Ok(self.unread.drain(..length).collect())
            }
            None => self.rest().await,
        }
    }

    /// Everything until the host closes the connection. One that is reset counts as closed.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        while self.read_more().await? {}
        Ok(std::mem::take(&mut self.unread))
    }

    /// Whether there was more.
    async fn read_more(&mut self) -> Result<bool> {
        let read = self.stream.read_buf(&mut self.unread).await;
        match read {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A POST of a body to a path, with further headers.
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    request
}

/// The path of a URL.
pub fn path_of(url: &str) -> &str {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme
        .find('/')
        .and_then(|start| after_scheme.get(start..))
        .unwrap_or("/")
}
