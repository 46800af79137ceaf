//! Backups.

use std::io::{self, Read as _};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::authentication::OnlyAdmin;
use crate::error::ApiError;
use crate::openapi::Problems;
use crate::state::AppState;
use integration_host_ledger::BackupFile;

/// How much of a backup is in memory at once, twice: what is being read and what is being sent.
const CHUNK_BYTES: usize = 256 << 10;

/// A copy of everything the host keeps, as it was at one moment: an SQLite database. Secrets, stored
/// values and kept deliveries in it are sealed; the key is not in it. Whoever reads too slowly is cut
/// off, so compare the length.
#[utoipa::path(get, path = "/api/v1/backup", operation_id = "fetch_backup", tag = "operations",
    responses((status = 200, description = "An SQLite database", content_type = "application/vnd.sqlite3", body = Vec<u8>), Problems))]
pub(crate) async fn backup(
    // It holds everything.
    _: OnlyAdmin,
    State(state): State<AppState>,
) -> Result<Response, ApiError> {
    let copy = state.service.backup().await?;
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("application/vnd.sqlite3"),
        ),
        (
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"integration-host-backup.sqlite\""),
        ),
        (CONTENT_LENGTH, HeaderValue::from(copy.size_bytes)),
    ];
    let body = stream_file(copy, state.backup_stall);
    Ok((headers, body).into_response())
}

fn stream_file(copy: BackupFile, stall: Duration) -> Body {
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(1);
    tokio::spawn(async move {
        let mut rest = Some(copy);
        while let Some(mut copy) = rest.take() {
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; CHUNK_BYTES];
                let length = copy.file.read(&mut chunk)?;
                chunk.truncate(length);
                Ok::<_, io::Error>((copy, chunk))
            });
            let chunk = match read.await.map_err(io::Error::other).flatten() {
                Ok((_, chunk)) if chunk.is_empty() => return,
                Ok((copy, chunk)) => {
                    rest = Some(copy);
                    Ok(Bytes::from(chunk))
                }
                Err(error) => {
                    tracing::warn!(%error, "a backup could not be read to its end");
                    Err(error)
                }
            };
            match timeout(stall, sender.send(chunk)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::warn!("a backup was not fetched to its end in time");
                    return;
                }
            }
        }
    });
    Body::from_stream(stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|chunk| (chunk, receiver))
    }))
}
