//! Sealing keys and the admin token.

use super::*;

#[tokio::test]
async fn a_key_or_token_that_cannot_be_used_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.path("data")).unwrap();
    let key = folder.write("data/sealing-key", "ab".repeat(32));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let sentence = ["data/host.sqlite is missing", "data/sealing-key", "--new"];
    folder.refuses(&[], &sentence).await;
    let exposed = ["sealing-key", "chmod 600"];
    folder.refuses(&["--new"], &exposed).await;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for content in [&b""[..], b"too short", b"\xff\xfe"] {
        fs::write(&key, content).unwrap();
        folder
            .refuses(&[], &["sealing-key", "64 hexadecimal digits"])
            .await;
        assert_eq!(fs::read(&key).unwrap(), content);
    }
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    folder.refuses(&[], &["sealing-key"]).await;
    fs::remove_dir(&key).unwrap();

    let token = folder.path("data/admin-token");
    for content in [&b""[..], b"two words", b"\xff\xfe"] {
        fs::write(&token, content).unwrap();
        folder.refuses(&[], &["admin-token"]).await;
        assert_eq!(fs::read(&token).unwrap(), content);
    }
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    folder.refuses(&[], &["admin-token", "chmod 600"]).await;
}

#[tokio::test]
async fn another_sealing_key_ends_the_start_and_the_right_one_brings_everything_back() {
    let mut setup = Setup::builder().start().await.unwrap();
    let connection = setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    let key = setup.options.data.join("sealing-key");
    let right = fs::read(&key).unwrap();
    fs::write(&key, "ab".repeat(32)).unwrap();
    let folder = Folder(std::mem::replace(
        &mut setup.folder,
        tempfile::tempdir().unwrap(),
    ));
    folder
        .refuses(
            &[],
            &[
                "sealing key",
                connection["id"].as_str().unwrap(),
                "put that key back",
            ],
        )
        .await;
    fs::write(&key, right).unwrap();
    setup.restart().await.unwrap();
    let path = format!("/connections/{}/check", connection["id"].as_str().unwrap());
    let (status, health) = setup
        .host
        .call(Method::POST, &path, json!(null))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK, "{health}");
    assert_eq!(health["healthy"], true, "{health}");
    drop(folder);
}

#[tokio::test]
async fn another_sealing_key_ends_the_start_however_many_connections_there_are() {
    let mut setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    assert_eq!(setup.host.terminate().await.unwrap(), Some(0));
    end_to_end::idle::copy(&setup.options.data, 300)
        .await
        .unwrap();
    fs::write(setup.options.data.join("sealing-key"), "ab".repeat(32)).unwrap();
    let folder = Folder(std::mem::replace(
        &mut setup.folder,
        tempfile::tempdir().unwrap(),
    ));
    let names = ["secrets of the connection", "put that key back"];
    folder.refuses(&[], &names).await;
}
