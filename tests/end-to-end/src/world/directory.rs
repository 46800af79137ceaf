//! A directory of users that comes and goes.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_directory::{DirectoryError, UserDirectory};

use crate::setup::PLATFORM_USERS;

/// The platform's users, or nobody.
#[derive(Debug, Default)]
pub(super) struct Directory {
    is_empty: AtomicBool,
}

impl Directory {
    pub(super) fn set_empty(&self, is_empty: bool) {
        self.is_empty.store(is_empty, Ordering::Relaxed);
    }

    fn users(&self) -> impl Iterator<Item = User> {
        let present = !self.is_empty.load(Ordering::Relaxed);
        PLATFORM_USERS
            .iter()
            .filter(move |_| present)
            .map(|[id, email, name]| User {
                id: UserId::new(*id),
                email: Some((*email).to_owned()),
                name: (*name).to_owned(),
            })
    }
}

#[async_trait]
impl UserDirectory for Directory {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        let of = |wanted: &String| {
            self.users()
                .filter(|user| {
                    let email = user.email.as_deref().unwrap_or_default();
                    email.eq_ignore_ascii_case(wanted)
                })
                .collect()
        };
        Ok(emails.iter().map(of).collect())
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        Ok(self.users().find(|user| user.id == *id))
    }

    async fn search(&self, query: &str, limit: usize) -> Result<Vec<User>, DirectoryError> {
        Ok(self
            .users()
            .filter(|user| user.name.contains(query))
            .take(limit)
            .collect())
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        Ok(self.users().count() as u64)
    }
}
