//! What every user directory must do. The promises are those of [`UserDirectory`]'s documentation.

mod addresses;
mod searches;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use integration_host_contract::User;
use integration_host_directory::UserDirectory;

use crate::suite::{self, Kept, Open, Opener, Report};

type Case = suite::Case<dyn UserDirectory, Vec<Person>>;
type World<'a> = suite::World<'a, dyn UserDirectory, Vec<Person>>;

/// Somebody who is to be in a directory. The directory chooses the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: &'static str,
    /// E-mail address.
    pub email: Option<&'static str>,
}

/// Runs the suite and panics with what is broken, if anything is.
///
/// `open` opens a directory in which there are these people and nobody else. The suite uses some ten.
pub async fn user_directory_conformance<D, F>(open: F)
where
    D: UserDirectory,
    F: AsyncFn(Vec<Person>) -> D,
{
    user_directory_report(open).await.expect_conformance();
}

/// Runs the suite and says what is broken. [`user_directory_conformance`] is for tests.
pub async fn user_directory_report<D, F>(open: F) -> Report
where
    D: UserDirectory,
    F: AsyncFn(Vec<Person>) -> D,
{
    suite::run(&cases(), Kept::InMemory, &Opener::new(open)).await
}

fn cases() -> Vec<Case> {
    [addresses::CASES, searches::CASES].concat()
}

#[async_trait(?Send)]
impl<F, D> Open<dyn UserDirectory, Vec<Person>> for Opener<F, D>
where
    D: UserDirectory,
    F: AsyncFn(Vec<Person>) -> D,
{
    async fn open(&self, _: String, people: Vec<Person>) -> Arc<dyn UserDirectory> {
        Arc::new(self.function()(people).await)
    }
}

/// A team in which much is odd.
const TEAM: [Person; 6] = [
    person("Bob", Some("bob@example.org")),
    person("ada lovelace", Some("Ada.Lovelace@Example.org")),
    person("Bob Second", Some("BOB@example.org")),
    person("Zoë Ärlich", None),
    person(
        r#"100%_sure, "quoted" \ 'or' *"#,
        Some("o'neil+a_b%c@example.org"),
    ),
    person("Cy ) or (", Some("cy@sub.example.org")),
];

const fn person(name: &'static str, email: Option<&'static str>) -> Person {
    Person { name, email }
}

impl World<'_> {
    /// A directory with [`TEAM`] in it.
    async fn team(&self) -> Arc<dyn UserDirectory> {
        self.open_with(TEAM.to_vec()).await
    }
}

/// Names, to be compared.
fn names(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.name.as_str()).collect()
}

/// The names that each of these addresses finds.
async fn found(directory: &dyn UserDirectory, emails: &[&str]) -> Result<Vec<Vec<String>>> {
    let emails: Vec<String> = emails.iter().map(|email| (*email).to_owned()).collect();
    let found = directory.find_by_email(&emails).await?;
    let names = |users: Vec<User>| {
        let mut names: Vec<_> = users.into_iter().map(|user| user.name).collect();
        names.sort();
        names
    };
    Ok(found.into_iter().map(names).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::documentation;

    #[test]
    fn every_sentence_of_the_documentation_has_a_case_and_every_case_a_sentence() {
        let source = include_str!("../../../../host/directory/src/lib.rs");
        let promises = documentation::promises(source, "pub trait UserDirectory");
        let quoted: Vec<&str> = cases().iter().map(|case| case.promise).collect();
        documentation::assert_same(&promises, &quoted);
    }
}
