//! The component in the engine against the same logic compiled natively: whatever crosses the
//! boundary between them, both see the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use integration_host_contract::clock::ManualClock;
use integration_host_contract::id::{ConnectionId, ScopeId, UserId};
use integration_host_contract::{Header, IntegrationError, User, WebhookRequest};
use integration_host_directory::{DirectoryError, UserDirectory};
use integration_host_engine::capability::http::SecretSource;
use integration_host_engine::{CallContext, CallError, Integration};
use integration_host_http::{
    AllowList, HttpClient, HttpError, HttpLimits, HttpMetrics, IncomingResponse, OutboundHttp,
    OutgoingRequest, Redactor, RetryPolicy,
};
use integration_host_seal::secret::Secret;
use integration_host_storage::{
    INTEGRATION_AREA, KeyValueStore, MAX_LIST, MemoryStore, UnitOfWork, Write,
};
use jiff::Timestamp;
use toggl_integration::Toggl;
use toggl_integration::capability::HttpResponse;
use toggl_integration::model::{Selection, SoughtActivity, TimeRange};
use toggl_integration::time;
use tokio::runtime::{Builder, Runtime};

use crate::component;
use crate::crossing::{Call, Crossing};
use crate::lent::{CALLBACK, Lent, NOW_SECONDS, USER, nothing_there};
use crate::toggl_answer::lend;
use crate::twin::Twin;

/// The token no answer brings to the component.
const TOKEN: &str = "1971800d4d82861d8f2c1651fea4d212";

static REDACTOR: LazyLock<Redactor> = LazyLock::new(|| {
    let credential = STANDARD.encode(format!("{TOKEN}:api_token"));
    Redactor::new([TOKEN, credential.as_str()])
});

struct Bench {
    runtime: Runtime,
    integration: Integration,
}

thread_local! {
    static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
}

/// Runs the target.
pub fn run(input: &[u8]) {
    let mut crossing = Crossing::parse(input);
    for answer in &mut crossing.answers {
        // The host holds requests back after a 429 and gives some up, which the native logic never sees.
        if answer.status == 429 {
            answer.status = 430;
        }
        // An answer that repeats the token reaches the component without it.
        REDACTOR.redact(&mut answer.body);
        for header in &mut answer.headers {
            header.value = REDACTOR.redact_text(std::mem::take(&mut header.value));
        }
    }
    BENCH.with_borrow_mut(|bench| {
        let bench = bench.get_or_insert_with(start);
        let Bench {
            runtime,
            integration,
        } = bench;
        runtime.block_on(cross(integration, &crossing));
    });
}

fn start() -> Bench {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let integration = runtime.block_on(component::load());
    Bench {
        runtime,
        integration,
    }
}

async fn cross(integration: &Integration, crossing: &Crossing) {
    let native = lend(crossing);
    let hosted = Hosted::new(integration, crossing).await;
    let succeeded = compare(&native, &hosted, integration, &crossing.call).await;
    let requests: Vec<String> = native
        .sent
        .borrow()
        .iter()
        .map(|request| format!("{:?} {}", request.method, request.url).to_lowercase())
        .collect();
    assert_eq!(
        requests,
        *hosted.client.sent.lock().expect("one thread"),
        "the component sent other requests than the native logic"
    );
    if succeeded && !crossing.call.is_random() {
        assert_eq!(
            native.storage.take(),
            hosted.stored().await,
            "the component stored something else than the native logic"
        );
    }
}

/// Makes the call on both sides and compares what came back. Whether it succeeded.
async fn compare(native: &Lent, hosted: &Hosted, component: &Integration, call: &Call) -> bool {
    let toggl = Toggl::new(native);
    let context = &hosted.context;
    match call {
        Call::Test => same(toggl.test(), component.test(context).await),
        Call::Connect(scope) => same(
            toggl.connect(scope),
            component
                .connect(context, &ScopeId::new(scope.as_str()))
                .await,
        ),
        Call::Subscribe => same(
            toggl.subscribe(CALLBACK),
            component.subscribe(context, CALLBACK).await,
        ),
        Call::Deliver(request) => {
            let header = |header: &toggl_integration::capability::Header| Header {
                name: header.name.clone(),
                value: header.value.clone(),
            };
            let hosted = WebhookRequest {
                callback_url: request.callback_url.clone(),
                headers: request.headers.iter().map(header).collect(),
                body: request.body.clone(),
            };
            same(
                toggl.handle_webhook(request),
                component.handle_webhook(context, hosted).await,
            )
        }
        Call::MapUsers => same(toggl.map_users(), component.map_users(context).await),
        Call::RefreshNames => same(
            toggl.refresh_names(),
            component
                .refresh_names(context, |refresh| Box::pin(std::future::ready(Ok(refresh))))
                .await,
        ),
        Call::Check => same(
            toggl.check(CALLBACK),
            component.check(context, CALLBACK).await,
        ),
        Call::Reconcile(from, to, cursor) => {
            // What the host cannot say in its own type cannot be asked for.
            let (Ok(first), Ok(last)) = (
                Timestamp::from_millisecond(*from),
                Timestamp::from_millisecond(*to),
            ) else {
                return false;
            };
            let time = time::Timestamp::from_milliseconds;
            same(
                toggl.reconcile(
                    &Selection::Range(TimeRange {
                        since: time(*from),
                        until: time(*to),
                        connected_at: time(*from),
                    }),
                    cursor.as_deref(),
                ),
                component
                    .reconcile(
                        context,
                        &integration_host_contract::Selection::Range(
                            integration_host_contract::TimeRange {
                                since: first,
                                until: last,
                                connected_at: first,
                            },
                        ),
                        cursor.as_deref(),
                    )
                    .await,
            )
        }
        Call::LookUp(ids) => {
            let sought = ids.iter().map(|id| SoughtActivity {
                id: id.clone(),
                remote_user_id: None,
                start: None,
                outdated: None,
            });
            let sought_by_host = ids
                .iter()
                .map(|id| integration_host_contract::SoughtActivity {
                    id: id.clone(),
                    remote_user_id: None,
                    start: None,
                    outdated: None,
                });
            let selection =
                integration_host_contract::Selection::Activities(sought_by_host.collect());
            same(
                toggl.reconcile(&Selection::Activities(sought.collect()), None),
                component.reconcile(context, &selection, None).await,
            )
        }
        Call::Disconnect => same(
            toggl.disconnect(CALLBACK),
            component.disconnect(context, CALLBACK).await,
        ),
    }
}

fn same<T: Twin>(
    native: Result<T, toggl_integration::model::Error>,
    component: Result<T::Of, CallError>,
) -> bool
where
    T::Of: Debug + PartialEq,
{
    let native: Result<T::Of, IntegrationError> = native.map(T::twin).map_err(Twin::twin);
    let component = component.map_err(|error| match error {
        CallError::Integration(error) => error,
        other => panic!("the component failed where the native logic did not: {other}"),
    });
    // What the host blots out of sentences was there for the native logic.
    if format!("{component:?}").contains("********") {
        let code = |result: &Result<T::Of, IntegrationError>| {
            result.as_ref().err().map(|error| error.code)
        };
        assert_eq!(code(&native), code(&component), "another kind of answer");
        return native.is_ok();
    }
    assert_eq!(
        native, component,
        "the component (right) answers otherwise than the native logic (left)"
    );
    native.is_ok()
}

/// What a host lends the component for one call.
struct Hosted {
    context: CallContext,
    client: Arc<Answers>,
}

impl Hosted {
    async fn new(integration: &Integration, crossing: &Crossing) -> Self {
        let now = Timestamp::from_second(NOW_SECONDS).expect("a time");
        let clock = Arc::new(ManualClock::new(now));
        let store: Arc<dyn KeyValueStore> = Arc::new(MemoryStore::new(clock.clone()));
        let client = Arc::new(Answers {
            left: Mutex::new(crossing.answers.clone().into()),
            sent: Mutex::default(),
        });
        let manifest = component::unpaced_manifest(integration);
        let limits = HttpLimits {
            retry: RetryPolicy {
                max_attempts: 1,
                ..RetryPolicy::default()
            },
            ..HttpLimits::default()
        };
        let http = OutboundHttp::new(
            client.clone(),
            &manifest,
            AllowList::new(&manifest.hosts, None, &[]).expect("the manifest names a host"),
            limits,
            Arc::new(HttpMetrics::default()),
        );
        let token = Secret::new(TOKEN);
        let context = CallContext {
            connection: ConnectionId::new("fuzzed"),
            lease_deadlines: Vec::new(),
            asked_by_person: false,
            unanswered: Arc::default(),
            store,
            secrets: SecretSource::Given(BTreeMap::from([("api-token".to_owned(), token)])),
            directory: Arc::new(OneUser),
            http: Arc::new(http),
            clock,
        };
        let hosted = Self { context, client };
        let writes: Vec<Write> = crossing
            .stored
            .iter()
            .map(|(key, value)| Write {
                key: key.clone(),
                value: Some(value.clone()),
                expires_at: None,
            })
            .collect();
        let mut work = hosted.work();
        work.commit(&[], &writes).await.expect("storage in memory");
        work.finish().await.expect("storage in memory");
        hosted
    }

    fn work(&self) -> UnitOfWork {
        UnitOfWork::new(
            self.context.store.clone(),
            self.context.clock.clone(),
            self.context.connection.clone(),
            INTEGRATION_AREA,
        )
    }

    async fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = self.work().list("", None, MAX_LIST).await;
        let entries = entries.expect("storage in memory");
        entries
            .into_iter()
            .map(|entry| (entry.key, entry.value))
            .collect()
    }
}

/// A client that gives the input's answers.
struct Answers {
    left: Mutex<VecDeque<HttpResponse>>,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl HttpClient for Answers {
    async fn send(&self, request: OutgoingRequest) -> Result<IncomingResponse, HttpError> {
        let line = format!("{} {}", request.method, request.url).to_lowercase();
        self.sent.lock().expect("one thread").push(line);
        let answer = self.left.lock().expect("one thread").pop_front();
        let answer = answer.unwrap_or_else(nothing_there);
        Ok(IncomingResponse {
            status: answer.status,
            headers: answer
                .headers
                .into_iter()
                .map(|header| (header.name, header.value))
                .collect(),
            body: answer.body,
        })
    }
}

/// A directory with one user in it.
struct OneUser;

impl OneUser {
    fn user() -> User {
        let (id, name, email) = USER;
        User {
            id: UserId::new(id),
            name: name.into(),
            email: Some(email.into()),
        }
    }
}

#[async_trait]
impl UserDirectory for OneUser {
    async fn find_by_email(&self, emails: &[String]) -> Result<Vec<Vec<User>>, DirectoryError> {
        let found = |email: &String| {
            let is_asked_for = email.eq_ignore_ascii_case(USER.2);
            is_asked_for.then(Self::user).into_iter().collect()
        };
        Ok(emails.iter().map(found).collect())
    }

    async fn find_by_id(&self, id: &UserId) -> Result<Option<User>, DirectoryError> {
        Ok(Some(Self::user()).filter(|user| user.id == *id))
    }

    async fn search(&self, _: &str, _: usize) -> Result<Vec<User>, DirectoryError> {
        Ok(vec![Self::user()])
    }

    async fn count(&self) -> Result<u64, DirectoryError> {
        Ok(1)
    }
}
