//! The reference host: a [`Service`] from its configuration.
