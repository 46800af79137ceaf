//! A whole host whose storage is a component.

use end_to_end::Setup;

fn storage() -> String {
    let component = end_to_end::keyvalue_storage_component().unwrap();
    format!("component:{}", component.display())
}

#[tokio::test]
async fn a_host_that_is_killed_goes_on_with_what_the_component_keeps() {
    let mut setup = Setup::builder()
        .unlimited()
        .arguments(&["--storage", &storage()])
        .start()
        .await
        .unwrap();
    let data = setup.options.data.display().to_string();
    assert_eq!(
        setup.host.summary["ledger"],
        format!("sqlite:{data}/host.sqlite")
    );
    setup.ensure_everything_outlives_a_kill().await.unwrap();
    assert!(
        !setup.host.log().unwrap().contains("storage component"),
        "it was stopped, or broke its contract: {}",
        setup.host.log().unwrap()
    );
}
