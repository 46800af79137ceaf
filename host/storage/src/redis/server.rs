//! What a Redis server must be, found out at start: one that keeps what it has acknowledged.

use std::collections::HashMap;

use ::redis::{Cmd, FromRedisValue, cmd};
use tracing::warn;

use super::address::RedisAddress;
use super::connect::{Connection, Failure, UnusableRedis, too_old};

/// The oldest version that is used, major and minor.
const OLDEST: (u32, u32) = (6, 2);

/// Checks a server.
///
/// # Errors
/// It cannot be reached, or cannot be used.
pub(super) async fn check(
    connection: &Connection,
    address: &RedisAddress,
) -> Result<(), UnusableRedis> {
    let info: String = ask(connection, address, &cmd("INFO")).await?;
    if let Some(fault) = fault_in_info(&info, &address.server()) {
        return Err(UnusableRedis::sentence(fault));
    }
    if !address.must_be_durable {
        warn!("nobody checked that the Redis server keeps what it has acknowledged");
        return Ok(());
    }
    let mut settings = HashMap::new();
    for name in ["appendonly", "appendfsync", "maxmemory-policy"] {
        let request = cmd("CONFIG").arg("GET").arg(name).take();
        let found: HashMap<String, String> = ask(connection, address, &request).await?;
        settings.extend(found);
    }
    match fault_in_settings(&settings, &address.server()) {
        Some(fault) => Err(UnusableRedis::sentence(fault)),
        None => Ok(()),
    }
}

async fn ask<T: FromRedisValue>(
    connection: &Connection,
    address: &RedisAddress,
    request: &Cmd,
) -> Result<T, UnusableRedis> {
    let answer = connection
        .ask(request)
        .await
        .map_err(|failure| unusable(address, failure))?;
    T::from_redis_value(answer).map_err(|error| UnusableRedis::new(address, &error.into()))
}

/// Why a server cannot be used that answers like this.
pub(super) fn unusable(address: &RedisAddress, failure: Failure) -> UnusableRedis {
    match failure {
        Failure::Redis(error) => UnusableRedis::new(address, &error),
        Failure::TimedOut(time) => UnusableRedis::sentence(format!(
            "the Redis server {} does not answer within {time:?}; start it, or correct the address in `storage`, which begins with rediss:// for TLS",
            address.server()
        )),
    }
}

/// What is wrong with a server that describes itself so.
fn fault_in_info(info: &str, server: &str) -> Option<String> {
    let value = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let mut parts = value("redis_version")
        .unwrap_or_default()
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or_default());
    let version = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if version < OLDEST {
        return Some(too_old(server));
    }
    if value("cluster_enabled") == Some("1") {
        return Some(format!(
            "the Redis server {server} is part of a cluster, which cannot change several keys at once; use a server of its own, or another storage"
        ));
    }
    if value("role").is_some_and(|role| role != "master") {
        return Some(format!(
            "the Redis server {server} is a replica, which cannot be written to; name the server that it copies in `storage`"
        ));
    }
    None
}

/// What is wrong with a server that is set so.
fn fault_in_settings(settings: &HashMap<String, String>, server: &str) -> Option<String> {
    let value = |name: &str| settings.get(name).map(String::as_str);
    if value("appendonly") != Some("yes") || value("appendfsync") != Some("always") {
        return Some(format!(
            "the Redis server {server} may lose what it has acknowledged; set `appendonly yes` and `appendfsync always` there, or accept that with ?durability=unchecked in `storage`"
        ));
    }
    let may_forget = value("maxmemory-policy").is_none_or(|policy| policy.starts_with("allkeys"));
    may_forget.then(|| {
        format!(
            "the Redis server {server} throws data away when its memory is full; set `maxmemory-policy noeviction` there, or accept that with ?durability=unchecked in `storage`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_work_is_told_from_one_that_can() {
        let fault = |version: &str, role: &str, cluster: &str| {
            let info = format!(
                "# Server\r\nredis_version:{version}\r\n\r\n# Replication\r\nrole:{role}\r\n\r\n# Cluster\r\ncluster_enabled:{cluster}\r\n"
            );
            fault_in_info(&info, "redis:6379").unwrap_or_default()
        };
        for version in ["6.2.0", "7.0.15", "10.0.0-rc1"] {
            assert_eq!(fault(version, "master", "0"), "");
        }
        for version in ["6.0.16", "2.8.24", ""] {
            assert!(
                fault(version, "master", "0").contains("too old"),
                "{version}"
            );
        }
        assert!(fault("7.2.4", "slave", "0").contains("replica"));
        assert!(fault("7.2.4", "master", "1").contains("cluster"));
    }

    #[test]
    fn a_server_that_may_lose_data_is_refused_with_the_remedy() {
        let fault = |appendonly: &str, appendfsync: &str, policy: &str| {
            let settings = [
                ("appendonly", appendonly),
                ("appendfsync", appendfsync),
                ("maxmemory-policy", policy),
            ];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
            fault_in_settings(&settings.into(), "redis:6379").unwrap_or_default()
        };
        assert_eq!(fault("yes", "always", "noeviction"), "");
        // Only what is given a time to live is thrown away then, and this provider gives none.
        assert_eq!(fault("yes", "always", "volatile-lru"), "");
        assert!(fault("no", "always", "noeviction").contains("appendonly yes"));
        assert!(fault("yes", "everysec", "noeviction").contains("appendfsync always"));
        assert!(fault("yes", "always", "allkeys-lru").contains("noeviction"));
        assert!(fault_in_settings(&HashMap::new(), "redis:6379").is_some());
    }
}
