//! What services answer.

use super::*;
use integration_host_http::{HttpError, IncomingResponse, OutgoingRequest};

/// A service that always answers the same.
struct Always(u16, &'static str);

#[async_trait]
impl HttpClient for Always {
    async fn send(&self, _: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        Ok(IncomingResponse {
            status: self.0,
            // Does not keep a test waiting.
            headers: vec![("retry-after".to_owned(), "0".to_owned())],
            body: self.1.into(),
        })
    }
}

/// RFC 7643, section 8.2, without what is of no concern here, such as addresses and photos.
const FULL_USER: &str = r#"{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "id": "2819c223-7f76-453a-919d-413861904646",
    "externalId": "701984",
    "userName": "bjensen@example.com",
    "name": {
        "formatted": "Ms. Barbara J Jensen, III",
        "familyName": "Jensen",
        "givenName": "Barbara",
        "middleName": "Jane",
        "honorificPrefix": "Ms.",
        "honorificSuffix": "III"
    },
    "displayName": "Babs Jensen",
    "nickName": "Babs",
    "emails": [
        { "value": "bjensen@example.com", "type": "work", "primary": true },
        { "value": "babs@jensen.org", "type": "home" }
    ],
    "active": true
}"#;

/// RFC 7644, section 3.4.2.
const LIST: &str = r#"{
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
    "totalResults": 2,
    "Resources": [
        { "id": "2819c223-7f76-453a-919d-413861904646", "userName": "bjensen" },
        { "id": "c75ad752-64ae-4823-840d-ffa80929976c", "userName": "jsmith" }
    ]
}"#;

#[tokio::test]
async fn the_standards_own_examples_are_read() {
    let directory = connect_with(Arc::new(Always(200, LIST)), right())
        .await
        .unwrap();
    let found = directory.search("", 10).await.unwrap();
    let names: Vec<_> = found.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["bjensen", "jsmith"]);

    let directory = directory_of(&[FULL_USER]).await;
    let emails = ["BABS@jensen.org", "bjensen@example.com"].map(str::to_owned);
    for found in directory.find_by_email(&emails).await.unwrap() {
        assert_eq!(ids(&found), ["2819c223-7f76-453a-919d-413861904646"]);
        assert_eq!(found[0].name, "Babs Jensen");
        assert_eq!(found[0].email.as_deref(), Some("bjensen@example.com"));
    }
}

/// Hand-made, after what services are known to send.
#[tokio::test]
async fn users_are_read_as_services_send_them() {
    for (user, name, email) in [
        (
            r#"{"id":"1","userName":"ada@example.com"}"#,
            "ada@example.com",
            Some("ada@example.com"),
        ),
        (
            r#"{"id":"1","userName":"ada","name":{"givenName":"Ada","familyName":"King"},"emails":null}"#,
            "Ada King",
            None,
        ),
        (
            r#"{"id":"1","userName":"ada","displayName":" ","name":{"formatted":"Ada King"},"emails":[{"type":"work"}]}"#,
            "Ada King",
            None,
        ),
        (
            r#"{"id":"1","emails":[{"value":"a@b.c"},{"value":"d@e.f","primary":"True"}],"active":"True"}"#,
            "d@e.f",
            Some("d@e.f"),
        ),
        (
            r#"{"id":"1","active":null,"name":null,"displayName":null}"#,
            "1",
            None,
        ),
        (
            r#"{"id":1,"userName":17,"displayName":"Ada","emails":["a@b.c","d@e.f"],"active":1}"#,
            "Ada",
            Some("a@b.c"),
        ),
        (
            r#"{"id":"1","displayName":"Ada","emails":"a@b.c","name":"Ada King"}"#,
            "Ada",
            Some("a@b.c"),
        ),
        (
            r#"{"ID":"1","displayname":"Ada","Emails":{"Value":"a@b.c"},"name":[]}"#,
            "Ada",
            Some("a@b.c"),
        ),
        (
            r#"{"id":"1","displayName":{"x":1},"emails":[null,7,{"value":["x"]},{"value":"a@b.c"}],"userName":"ada"}"#,
            "ada",
            Some("7"),
        ),
    ] {
        let directory = directory_of(&[user]).await;
        let found = directory
            .find_by_id(&UserId::new("1"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (found.name.as_str(), found.email.as_deref()),
            (name, email),
            "{user}"
        );
    }
}

#[tokio::test]
async fn whoever_is_inactive_is_not_found() {
    let directory = directory_of(&[
        r#"{"id":"1","userName":"ada@example.com","displayName":"Ada","active":false}"#,
        r#"{"id":"2","userName":"bob@example.com","displayName":"Bob","active":"False"}"#,
        r#"{"id":"3","userName":"cy@example.com","displayName":"Cy","active":true}"#,
    ])
    .await;
    let emails = ["ada@example.com", "bob@example.com", "cy@example.com"].map(str::to_owned);
    let found = directory.find_by_email(&emails).await.unwrap().concat();
    assert_eq!(ids(&found), ["3"]);
    assert_eq!(
        ids(&directory.search("example.com", 9).await.unwrap()),
        ["3"]
    );
    assert_eq!(directory.find_by_id(&UserId::new("1")).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_is_a_sentence_without_the_token() {
    for (status, body, expected) in [
        (
            401,
            "{}",
            "does not accept the token from the embedding program (401)",
        ),
        (
            403,
            "{}",
            "does not let the token from the embedding program read users (403)",
        ),
        (404, "{}", "has no users at this address (404)"),
        (302, "", "has no users at this address (302)"),
        (429, "", "answered 429; try again later"),
        (500, "", "answered 500; try again later"),
        (400, "{}", "refuses to list users, also a few at a time"),
        (
            422,
            "{}",
            "let the token from the embedding program list them",
        ),
        (200, "<html>", "the answer is no JSON"),
        (200, "[]", "is no list of users"),
        (200, "{}", "is no list of users"),
        (200, r#"{"totalResults":"many"}"#, "is no list of users"),
        (
            200,
            r#"{"totalResults":1,"Resources":7}"#,
            "is no list of users",
        ),
    ] {
        let Err(error) = connect_with(Arc::new(Always(status, body)), right()).await else {
            panic!("{status} {body} is accepted")
        };
        let error = error.to_string();
        assert!(
            error.contains(expected) && error.contains("idp.example.com"),
            "{error}"
        );
        assert!(!error.contains("right"), "the token is told: {error}");
    }
}

/// Hand-made, after what services are known to send.
#[tokio::test]
async fn users_that_cannot_be_read_are_left_out_and_nobody_else() {
    let user = |id: usize| format!(r#"{{"id":"{id}","userName":"user{id}@example.org"}}"#);
    let good: Vec<_> = (1..=30).map(user).collect();
    for odd in [
        "null",
        "7",
        r#""user""#,
        "[]",
        "{}",
        r#"{"id":null,"userName":"x@example.org"}"#,
        r#"{"id":{"value":"1"},"userName":"x@example.org"}"#,
        r#"{"id":" ","userName":"x@example.org"}"#,
    ] {
        let mut users: Vec<&str> = good.iter().map(String::as_str).collect();
        users.insert(12, odd);
        users.insert(0, odd);
        let directory = directory_of(&users).await;
        let emails = ["user1@example.org", "user30@example.org"].map(str::to_owned);
        let found = directory.find_by_email(&emails).await.unwrap().concat();
        assert_eq!(ids(&found), ["1", "30"], "{odd}");
        let all = directory.search("example.org", 100).await.unwrap();
        assert_eq!(all.len(), 30, "{odd}");
    }
}

fn right() -> TokenSource {
    TokenSource::Given(Secret::new("right"))
}

async fn directory_of(users: &[&str]) -> ScimDirectory {
    let users = users
        .iter()
        .map(|user| serde_json::from_str(user).unwrap())
        .collect();
    connect(&Service::new(users, Manner::default()))
        .await
        .unwrap()
}
