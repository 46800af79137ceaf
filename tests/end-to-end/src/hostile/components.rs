//! Components that no toolchain would produce, written as WebAssembly text in `fixtures/components`.
//!
//! A fixture that begins with `(component` is taken as it is. Any other is a part of a core module: it
//! defines what it wants to do differently (`$describe`, `$cabi_realloc`, `$memory`, …), and the rest is
//! filled in by [`module`] so that it implements the contract. Its line `;; expect:` says with which words it is refused or
//! stopped.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use integration_host_contract::clock::SystemClock;
use integration_host_contract::id::{ConnectionId, ScopeId};
use integration_host_contract::limits::Limits;
use integration_host_directory::EmptyDirectory;
use integration_host_engine::capability::http::SecretSource;
use integration_host_engine::{CallContext, Engine, Integration, LoadError};
use integration_host_http::{AllowList, HttpLimits, HttpMetrics, OutboundHttp, ReqwestClient};
use integration_host_storage::MemoryStore;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::{Log, Report, delivery, shortened};

/// A function of the contract: its name, its signature as the canonical ABI has it, and what it does unless a fixture
/// does it.
pub(super) type Export = (&'static str, &'static str, &'static str);

const EXPORTS: [Export; 10] = [
    ("describe", "(result i32)", "i32.const 256"),
    ("test", "(result i32)", "unreachable"),
    ("connect", "(param i32 i32) (result i32)", "unreachable"),
    (
        "subscribe",
        "(param i32 i32 i32 i32 i32) (result i32)",
        "unreachable",
    ),
    (
        "handle-webhook",
        "(param i32 i32 i32 i32 i32 i32) (result i32)",
        "unreachable",
    ),
    ("map-users", "(result i32)", "unreachable"),
    ("refresh-names", "(result i32)", "unreachable"),
    (
        "check",
        "(param i32 i32 i32 i32 i32) (result i32)",
        "unreachable",
    ),
    (
        "reconcile",
        "(param i32 i64 i64 i64 i32 i32 i32) (result i32)",
        "unreachable",
    ),
    (
        "disconnect",
        "(param i32 i32 i32 i32 i32) (result i32)",
        "unreachable",
    ),
];

/// A manifest at 256: four texts, a noun, no kinds of subject, no secrets, no hosts, pacing, no need for https, a header.
const MANIFEST: &str = r#"
  (data (i32.const 16) "wat-fixture")
  (data (i32.const 32) "x-signature")
  (data (i32.const 64) "folders")
  (data (i32.const 256)
    "\10\00\00\00\0b\00\00\00" "\10\00\00\00\0b\00\00\00" "\10\00\00\00\0b\00\00\00" "\10\00\00\00\0b\00\00\00"
    "\40\00\00\00\06\00\00\00" "\40\00\00\00\07\00\00\00" "\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00" "\00\00\00\00\00\00\00\00" "\01\00\00\00\3c\00\00\00\00\00\00\00"
    "\00\00\00\00" "\20\00\00\00\0b\00\00\00")
"#;

/// Runs every fixture, and the bombs that are too large to be written down.
pub(super) async fn run(engine: &Engine, log: &Log, report: &mut Report) -> Result<()> {
    for path in fixtures("components")? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let outcome = contain(engine, &path, log).await;
        report.add(&name, outcome);
    }
    report.add(
        "a component that takes long to compile",
        compiling_has_an_end().await,
    );
    report.add("a component that is too large", size_has_an_end().await);
    Ok(())
}

/// The files of a folder of fixtures, in order.
pub(super) fn fixtures(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(folder);
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    ensure!(!paths.is_empty(), "there are no fixtures");
    Ok(paths)
}

async fn contain(engine: &Engine, path: &Path, log: &Log) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let expected = noted(&text, "expect")?;
    log.take();
    let told = told(engine, &text).await?;
    let logged = log.take();
    ensure!(
        told.contains(expected),
        "it says \"{}\" instead of \"{expected}\"",
        shortened(&told)
    );
    ensure!(
        !told.contains(char::is_control),
        "it is not one sentence: {told:?}"
    );
    if told.contains("failed in `") {
        ensure!(
            logged.contains("export=\""),
            "the log does not name it: {}",
            shortened(&logged)
        );
    }
    Ok(())
}

/// What a fixture says of itself.
pub(super) fn noted<'a>(fixture: &'a str, what: &str) -> Result<&'a str> {
    let mark = format!(";; {what}: ");
    let noted = fixture.lines().find_map(|line| line.strip_prefix(&mark));
    noted.with_context(|| format!("the fixture does not say what to {what}"))
}

/// What the host says about a component: when it is loaded, or else when it is called.
async fn told(engine: &Engine, text: &str) -> Result<String> {
    let component = if text.contains("\n(component") {
        wat::parse_str(text)?
    } else {
        component(text)?
    };
    let integration = match Integration::load(engine, &component).await {
        Ok(integration) => integration,
        Err(error) => return Ok(error.to_string()),
    };
    let context = context(&integration)?;
    if let Err(error) = integration
        .connect(&context, &ScopeId::new("a scope"))
        .await
    {
        return Ok(error.to_string());
    }
    match integration
        .handle_webhook(&context, delivery("nothing"))
        .await
    {
        Err(error) => Ok(error.to_string()),
        Ok(_) => bail!("it was neither refused nor stopped"),
    }
}

fn context(integration: &Integration) -> Result<CallContext> {
    let manifest = integration.manifest();
    let http = OutboundHttp::new(
        std::sync::Arc::new(ReqwestClient::new(std::time::Duration::from_secs(1))?),
        manifest,
        AllowList::new(&manifest.hosts, None, &[])?,
        HttpLimits::default(),
        std::sync::Arc::new(HttpMetrics::default()),
    );
    let clock = std::sync::Arc::new(SystemClock);
    Ok(CallContext {
        connection: ConnectionId::new("attacker"),
        store: std::sync::Arc::new(MemoryStore::new(clock.clone())),
        secrets: SecretSource::Given(Default::default()),
        directory: std::sync::Arc::new(EmptyDirectory),
        lease_deadlines: Vec::new(),
        asked_by_person: false,
        unanswered: std::sync::Arc::default(),
        http: std::sync::Arc::new(http),
        clock,
    })
}

/// A component that implements the contract except for what the fixture does.
fn component(fixture: &str) -> Result<Vec<u8>> {
    encode(&module(fixture), "integration-component")
}

/// The component of a world of the contract that a core module implements.
pub(super) fn encode(module: &str, world: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(&contract)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut module = wat::parse_str(module)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default().module(&module)?.encode()
}

/// A core module with the fixture and everything it leaves out.
fn module(fixture: &str) -> String {
    let memory = if fixture.contains("$memory ") {
        ""
    } else {
        "(memory $memory (export \"memory\") 2)"
    };
    let exports = exports(fixture, "integration", &EXPORTS);
    format!("(module {memory} {MANIFEST} {fixture} {exports})")
}

/// The functions of an interface that a fixture leaves out, and the exports of all.
pub(super) fn exports(fixture: &str, interface: &str, functions: &[Export]) -> String {
    let realloc = (
        "cabi_realloc",
        "(param i32 i32 i32 i32) (result i32)",
        "i32.const 65536",
    );
    let mut text = String::new();
    for (name, signature, body) in functions.iter().chain([&realloc]) {
        if !fixture.contains(&format!("(func ${name} ")) {
            text.push_str(&format!("  (func ${name} {signature} {body})\n"));
        }
        let exported = match *name {
            "cabi_realloc" => (*name).to_owned(),
            name => format!("worksights:integration/{interface}@0.1.0#{name}"),
        };
        text.push_str(&format!("  (export \"{exported}\" (func ${name}))\n"));
    }
    text
}

/// Many functions, each of which takes the compiler a while.
async fn compiling_has_an_end() -> Result<()> {
    let body =
        "(i32.add (local.get 0) (i32.mul (local.get 0) (i32.load (local.get 0))))\n".repeat(50);
    let function = format!(
        "  (func (param i32) {} )\n",
        body.replace(")\n", ") drop\n")
    );
    let bytes = component(&function.repeat(4_000))?;
    let limits = Limits {
        component_load_timeout: std::time::Duration::from_millis(20),
        ..Limits::default()
    };
    match Integration::load(&Engine::new(limits, None)?, &bytes).await {
        Err(LoadError::TooSlow { .. }) => Ok(()),
        Err(error) => bail!("it ended with {error:?}"),
        Ok(_) => bail!("it was compiled all the same"),
    }
}

async fn size_has_an_end() -> Result<()> {
    let bytes = component(&"  (func)\n".repeat(40_000))?;
    let limits = Limits {
        component_bytes: 100_000,
        ..Limits::default()
    };
    match Integration::load(&Engine::new(limits, None)?, &bytes).await {
        Err(LoadError::TooLarge { .. }) => Ok(()),
        Err(error) => bail!("it ended with {error:?}"),
        Ok(_) => bail!("it was compiled all the same"),
    }
}
