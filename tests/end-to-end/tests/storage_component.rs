//! A whole host whose storage is a component.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use end_to_end::{NORTHWIND, Setup, unlimited_scenario};

fn storage() -> String {
    let component = end_to_end::keyvalue_storage_component().unwrap();
    format!("component:{}", component.display())
}

#[tokio::test]
async fn a_host_that_is_killed_goes_on_with_what_the_component_keeps() {
    let mut setup = Setup::start_with(unlimited_scenario(), &["--storage", &storage()])
        .await
        .unwrap();
    let data = setup.options.data.display().to_string();
    assert_eq!(
        setup.host.summary["ledger"],
        format!("sqlite:{data}/host.sqlite")
    );
    let connection = setup.connect(NORTHWIND).await.unwrap();
    let id = connection["id"].as_str().unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
    let before = activities(&setup).await;

    setup.host.kill().await.unwrap();
    setup.restart().await.unwrap();
    assert_eq!(activities(&setup).await, before);
    setup.ensure_healthy(id).await.unwrap();
    setup.ensure_deliveries_arrive().await.unwrap();
    assert!(activities(&setup).await > before);
    assert!(
        !setup.host.log().unwrap().contains("storage component"),
        "it was stopped, or broke its contract: {}",
        setup.host.log().unwrap()
    );
}

async fn activities(setup: &Setup) -> usize {
    let list = setup
        .host
        .get("/activities?include=unmapped,deleted&limit=1000")
        .await
        .unwrap();
    list["activities"].as_array().unwrap().len()
}
