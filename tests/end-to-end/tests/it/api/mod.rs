//! The HTTP API as its callers meet it: what it answers has the published form, and whatever it is sent,
//! it says what is wrong and goes on.

mod access;
mod browsers;
mod fields;
mod guessing;
mod refusals;
mod robustness;
mod sessions;
mod stream;
mod support;
