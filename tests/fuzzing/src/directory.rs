//! What the two forms of a user directory have in common.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use integration_host_contract::User;
use integration_host_directory::{FileDirectory, UserDirectory as _};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{assert_is_sentence, file};

/// Lookups run where they may block.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// Reads a file that may hold anything. Users that are read can be found, and mean the same in either
/// form of the file.
pub fn check(path: &Path) {
    let directory = match FileDirectory::load(path) {
        Ok(directory) => directory,
        Err(error) => return assert_is_sentence(&error.to_string()),
    };
    let users = search(&directory);
    assert_eq!(
        users.len(),
        directory.len(),
        "a user of the file is not listed"
    );
    let ids: BTreeSet<&str> = users.iter().map(|user| user.id.as_str()).collect();
    assert_eq!(ids.len(), users.len(), "two users have one id");
    for user in users.iter().take(3) {
        check_lookups(&directory, user);
    }
    // Rewriting costs more than reading, and a few users show what many would.
    if users.len() <= 20 {
        assert_eq!(search(&reload("again.json", &as_json(&users))), users);
        assert_eq!(search(&reload("again.csv", &as_csv(&users))), users);
    }
}

fn check_lookups(directory: &FileDirectory, user: &User) {
    assert!(!user.id.as_str().is_empty() && !user.name.is_empty());
    let found = RUNTIME.block_on(directory.find_by_id(&user.id));
    assert_eq!(found.expect("a lookup in memory").as_ref(), Some(user));
    if let Some(email) = &user.email {
        // As Toggl may write it.
        let asked = [format!(" {} ", email.to_uppercase())];
        let same_case = email.to_uppercase().to_lowercase() == email.to_lowercase();
        let found = RUNTIME.block_on(directory.find_by_email(&asked));
        assert!(
            !same_case || found.expect("a lookup in memory")[0].contains(user),
            "somebody is not found under their own address"
        );
    }
}

fn search(directory: &FileDirectory) -> Vec<User> {
    RUNTIME
        .block_on(directory.search("", usize::MAX))
        .expect("a search in memory")
}

fn reload(name: &str, content: &[u8]) -> FileDirectory {
    let path = file::write(name, content);
    FileDirectory::load(path).expect("what a directory holds can be written and read again")
}

fn as_json(users: &[User]) -> Vec<u8> {
    let entry =
        |user: &User| json!({"id": user.id.as_str(), "email": user.email, "name": user.name});
    let entries: Vec<Value> = users.iter().map(entry).collect();
    Value::from(entries).to_string().into_bytes()
}

fn as_csv(users: &[User]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["id", "email", "name"])
        .expect("memory");
    for user in users {
        let email = user.email.as_deref().unwrap_or_default();
        writer
            .write_record([user.id.as_str(), email, &user.name])
            .expect("memory");
    }
    writer.into_inner().expect("memory")
}
