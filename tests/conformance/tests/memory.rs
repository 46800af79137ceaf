//! The providers that keep everything in memory, those of the examples included.

#[path = "../../../host/server/examples/custom_directory/accounts.rs"]
mod accounts;
#[path = "../../../host/server/examples/custom_storage/table.rs"]
#[expect(dead_code, reason = "the example shows what is in its table")]
mod table;

use integration_conformance::{Kept, storage_conformance, user_directory_conformance};
use integration_host_contract::User;
use integration_host_contract::id::UserId;
use integration_host_storage::MemoryStore;

#[tokio::test(flavor = "multi_thread")]
async fn storage() {
    storage_conformance(Kept::InMemory, async |_, clock| MemoryStore::new(clock)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_of_the_example() {
    let open = async |_, clock| table::TableStore::new(clock);
    storage_conformance(Kept::InMemory, open).await;
}

#[tokio::test]
async fn directory_of_the_example() {
    user_directory_conformance(async |people| {
        let user =
            |(number, person): (usize, integration_conformance::user_directory::Person)| User {
                id: UserId::new(format!("u-{number}")),
                name: person.name.to_owned(),
                email: person.email.map(str::to_owned),
            };
        accounts::Accounts::new((0..).zip(people).map(user))
    })
    .await;
}
