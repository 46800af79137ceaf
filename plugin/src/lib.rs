//! The Toggl Track integration.
//!
//! Compiled for `wasm32-unknown-unknown` it is the component `toggl.wasm`, which implements the
//! contract in `wit/`. Everything it does is ordinary Rust over the traits in [`capability`]; the
//! module that binds them to the contract exists for wasm only. So the same logic runs natively,
//! with anything that implements the traits:
//!
//! ```
//! use toggl_integration::{Toggl, model::DeliveryOutcome, model::WebhookRequest};
//! # use toggl_integration::{capability::*, model::User, time::Timestamp};
//! # struct NoHost;
//! # impl Http for NoHost {
//! #     fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpError> { Err(HttpError::Unavailable(String::new())) }
//! #     fn quota_used_up(&self, _: &str, _: u32) {}
//! #     fn quota_resets_in(&self, _: &str) -> Option<u32> { None }
//! # }
//! # impl Storage for NoHost {
//! #     fn get(&self, _: &str) -> Result<Option<Vec<u8>>, StorageError> { Ok(None) }
//! #     fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<Entry>, StorageError> { Ok(Vec::new()) }
//! #     fn write(&self, _: Vec<Write>) -> Result<(), StorageError> { Ok(()) }
//! # }
//! # impl UserDirectory for NoHost {
//! #     fn find_by_email(&self, _: &[String]) -> Result<Vec<Vec<User>>, String> { Ok(Vec::new()) }
//! # }
//! # impl Clock for NoHost {
//! #     fn now(&self) -> Timestamp { Timestamp::UNIX_EPOCH }
//! # }
//! # impl Random for NoHost {
//! #     fn random_bytes(&self, _: usize) -> Vec<u8> { Vec::new() }
//! # }
//! # impl Log for NoHost {
//! #     fn log(&self, _: Level, _: &str) {}
//! # }
//! # let capabilities = NoHost;
//! let delivery = WebhookRequest {
//!     callback_url: "https://time.example.com/hooks/1".into(),
//!     headers: Vec::new(),
//!     body: br#"{"payload":"ping"}"#.to_vec(),
//! };
//! // Without a signature nobody learns anything.
//! let result = Toggl::new(&capabilities).handle_webhook(&delivery).unwrap();
//! assert_eq!(result.outcome, DeliveryOutcome::Refused);
//! assert_eq!(result.response.status, 401);
//! ```

#![deny(missing_docs, unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod capability;
#[cfg(target_family = "wasm")]
mod component;
mod health;
mod integration;
mod json;
mod manifest;
pub mod model;
mod names;
mod reconcile;
mod revision;
mod state;
mod subscription;
mod team;
mod text;
pub mod time;
mod toggl;
mod webhook;
mod workspace;

pub use integration::Toggl;
