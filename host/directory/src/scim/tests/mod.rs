mod answers;
mod service;

use serde_json::{Value, json};

use self::service::{Manner, Otherwise, Service, Total};
use super::*;
use integration_host_seal::secret::Secret;

const BASE: &str = "https://idp.example.com/scim/v2/";

async fn connect(service: &Arc<Service>) -> Result<ScimDirectory, ScimError> {
    connect_with(service.clone(), TokenSource::Given(Secret::new("right"))).await
}

async fn connect_with(
    http: Arc<dyn HttpClient>,
    token: TokenSource,
) -> Result<ScimDirectory, ScimError> {
    let base = Url::parse(BASE).unwrap();
    ScimDirectory::connect(http, base, token, Duration::from_secs(5)).await
}

/// So many users, called after their numbers.
fn team(size: usize) -> Vec<Value> {
    (0..size)
        .map(|number| {
            json!({
                "id": format!("id-{number}"),
                "userName": format!("user{number}"),
                "displayName": format!("User {number:05}"),
                "emails": [{ "value": format!("User{number}@Example.org"), "primary": true }],
            })
        })
        .collect()
}

fn emails(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let email = |number| format!("user{number}@example.ORG");
    numbers.into_iter().map(email).collect()
}

fn ids(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.id.as_str()).collect()
}

#[tokio::test]
async fn few_addresses_are_asked_for_and_many_are_looked_up_among_all() {
    let service = Service::new(team(2_000), Manner::default());
    let directory = connect(&service).await.unwrap();
    service.requests().clear();

    let found = directory.find_by_email(&emails([7, 9_999, 11])).await;
    let found: Vec<_> = found
        .unwrap()
        .iter()
        .map(|users| ids(users).join(" "))
        .collect();
    assert_eq!(found, ["id-7", "", "id-11"]);
    assert_eq!(service.requests().len(), 1);

    let everybody = emails(0..10_000);
    let found = directory.find_by_email(&everybody).await.unwrap();
    assert_eq!(found.iter().filter(|users| users.len() == 1).count(), 2_000);
    directory.find_by_email(&everybody).await.unwrap();
    let requests = service.requests().len();
    assert!(requests <= 22, "10,000 members cost {requests} requests");
}

#[tokio::test]
async fn nobody_is_cut_off_whatever_a_service_says_is_the_total() {
    let totals = [
        Total::OfAll,
        Total::OfThePage,
        Total::SoFar,
        Total::Missing,
        Total::Exaggerated,
    ];
    for (number, total) in totals.into_iter().enumerate() {
        for refuses_beyond in [false, true] {
            // Where it says that there are more, a page beyond its last user is not one too many.
            if refuses_beyond && number == 4 {
                continue;
            }
            for filtered in [&[][..], service::EVERY_ATTRIBUTE] {
                let manner = Manner {
                    total,
                    refuses_beyond,
                    filtered,
                    page: 10,
                    ..Manner::default()
                };
                let directory = connect(&Service::new(team(55), manner)).await.unwrap();
                let found = directory.find_by_email(&emails([54, 3])).await.unwrap();
                assert_eq!(ids(&found.concat()), ["id-54", "id-3"], "total {number}");
                let all = directory.search("example.org", 100).await.unwrap();
                assert_eq!(all.len(), 55, "total {number}, beyond {refuses_beyond}");
                let count = directory.count().await.unwrap();
                assert!(count >= 55, "{count} users are shown");
            }
        }
    }
}

#[tokio::test]
async fn a_service_that_sends_few_users_at_once_is_asked_for_few() {
    for most_asked in [499, 200, 60, 19, 10] {
        let manner = Manner {
            most_asked,
            filtered: &[],
            ..Manner::default()
        };
        let service = Service::new(team(120), manner);
        let directory = connect(&service).await.unwrap();
        let found = directory.find_by_email(&emails([119])).await.unwrap();
        assert_eq!(ids(&found[0]), ["id-119"], "at most {most_asked}");
        service.requests().clear();
        directory.user_cache.forget().await;
        directory.search("user", 5).await.unwrap();
        let requests = service.requests().len();
        assert!(
            requests <= 13,
            "{requests} requests: the size is not kept in mind"
        );
    }
    // One that knows nothing of pages sends everybody.
    let manner = Manner {
        most_asked: 9,
        page: 9,
        ..Manner::default()
    };
    let directory = connect(&Service::new(team(5), manner)).await.unwrap();
    assert_eq!(directory.search("user", 9).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_service_that_answers_no_filters_is_read() {
    for (otherwise, filtered) in [
        (Otherwise::Refuses, &[][..]),
        (Otherwise::Ignores, &[]),
        (Otherwise::Refuses, &["userName"]),
    ] {
        let manner = Manner {
            filtered,
            otherwise,
            page: 7,
            ..Manner::default()
        };
        let service = Service::new(team(50), manner);
        let directory = connect(&service).await.unwrap();
        let found = directory.find_by_email(&emails([49])).await.unwrap();
        assert_eq!(ids(&found[0]), ["id-49"]);
        let found = directory.search("SER 0004", 3).await.unwrap();
        assert_eq!(ids(&found), ["id-40", "id-41", "id-42"]);
        service.requests().clear();
        directory.search("user", 5).await.unwrap();
        assert_eq!(
            service.requests().len(),
            0,
            "all users are read for every letter"
        );
    }
}

#[tokio::test]
async fn a_filter_that_is_refused_later_is_not_used_any_more() {
    let service = Service::new(team(50), Manner::default());
    let directory = connect(&service).await.unwrap();
    service.manner.lock().unwrap().filtered = &[];
    let found = directory.find_by_email(&emails([3])).await.unwrap();
    assert_eq!(ids(&found[0]), ["id-3"]);
    assert_eq!(ids(&directory.search("00003", 9).await.unwrap()), ["id-3"]);
}

#[tokio::test]
async fn a_service_that_repeats_its_first_page_is_not_asked_for_ever() {
    let manner = Manner {
        ignores_start: true,
        filtered: &[],
        page: 10,
        ..Manner::default()
    };
    let directory = connect(&Service::new(team(50), manner)).await.unwrap();
    let error = directory.search("user", 5).await.unwrap_err().to_string();
    assert!(error.contains("repeats a page"), "{error}");
}

#[tokio::test]
async fn an_id_leads_to_its_user_and_nowhere_else() {
    let directory = connect(&Service::new(team(3), Manner::default()))
        .await
        .unwrap();
    let find = async |id: &str| directory.find_by_id(&UserId::new(id)).await.unwrap();
    assert_eq!(find("id-2").await.unwrap().name, "User 00002");
    for id in [
        "ID-2", "id-9", "", ".", "..", "../Users", "id-2/", "id-2?x", "id-2#x",
    ] {
        assert_eq!(find(id).await, None, "{id:?}");
    }
    assert_eq!(directory.count().await.unwrap(), 3);
}

#[tokio::test]
async fn a_token_that_was_exchanged_in_its_file_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let write = |token: &str| {
        std::fs::write(&path, token).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    };
    write("right\n");
    let service = Service::new(team(3), Manner::default());
    let directory = connect_with(service.clone(), TokenSource::File(path.clone()))
        .await
        .unwrap();

    service.manner.lock().unwrap().token = "renewed";
    let error = directory.count().await.unwrap_err().to_string();
    assert!(
        error.contains("does not accept the token") && error.contains("token"),
        "{error}"
    );
    write("renewed");
    assert_eq!(directory.count().await.unwrap(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_token_is_had_safely_or_not_at_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let file = TokenSource::File(path.clone());
    let command =
        |line: &[&str]| TokenSource::Command(line.iter().map(|part| (*part).to_owned()).collect());
    let service = Service::new(team(3), Manner::default());
    let problem = async |source: TokenSource| {
        let Err(error) = connect_with(service.clone(), source).await else {
            panic!("a token was found")
        };
        error.to_string()
    };
    assert!(problem(file.clone()).await.contains("cannot be read"));
    std::fs::write(&path, "right").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(problem(file.clone()).await.contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for malformed in ["", "two words", "hush\nhush", "hüsh"] {
        std::fs::write(&path, malformed).unwrap();
        let error = problem(file.clone()).await;
        assert!(
            error.contains("is no token") && !error.contains("hush"),
            "{error}"
        );
    }
    assert!(problem(command(&["false"])).await.contains("token_command"));
    connect_with(service.clone(), command(&["echo", "right"]))
        .await
        .unwrap();
}
