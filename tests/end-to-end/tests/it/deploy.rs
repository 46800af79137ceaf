//! What `deploy/` says of the program is true, and its files agree with each other. Images are not built
//! and nothing runs in a container here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use end_to_end::{HostProcess, NORTHWIND, Setup, delivery, finished_entry, run_cli};
use reqwest::StatusCode;
use serde_json::Value;

fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(workspace(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest(name: &str) -> Value {
    yaml(&format!("deploy/kubernetes/{name}.yaml"))
}

/// What begins so in a text, as far as a name goes.
fn names(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices(prefix)
        .map(|(start, _)| {
            let rest = &text[start..];
            let end = rest.find(|character| !is_of_name(character));
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .collect()
}

/// The value of a key of nginx.conf, host.toml or the container file, as it stands there.
fn after<'a>(text: &'a str, what: &str) -> &'a str {
    let (_, rest) = text
        .split_once(what)
        .unwrap_or_else(|| panic!("no “{what}”"));
    rest.split(['\n', ';', '"', ' ']).next().unwrap()
}

fn container() -> Value {
    manifest("deployment")["spec"]["template"]["spec"]["containers"][0].clone()
}

async fn help(program: &Path, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .output()
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

async fn serve_help() -> String {
    help(&end_to_end::host_program().unwrap(), &["serve", "--help"]).await
}

/// What a host tells whoever collects metrics.
async fn metrics(host: &HostProcess, data: &Path) -> String {
    let token = std::fs::read_to_string(data.join("admin-token")).unwrap();
    let answer = reqwest::Client::new()
        .get(format!("{}/metrics", host.url))
        .bearer_auth(token.trim())
        .send();
    answer.await.unwrap().text().await.unwrap()
}

#[test]
fn every_manifest_is_listed_and_of_its_kind() {
    let listed: BTreeSet<String> = manifest("kustomization")["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap().to_owned())
        .collect();
    let mut there = BTreeSet::new();
    for file in std::fs::read_dir(workspace("deploy/kubernetes")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".yaml") && name != "kustomization.yaml" {
            let manifest = yaml(&format!("deploy/kubernetes/{name}"));
            for key in ["apiVersion", "kind"] {
                assert!(manifest[key].is_string(), "{name} has no {key}");
            }
            assert_eq!(manifest["metadata"]["name"], "integration-host", "{name}");
            there.insert(name);
        }
    }
    assert_eq!(listed, there);
}

#[tokio::test]
async fn every_variable_and_flag_is_one_of_the_programs() {
    let help = serve_help().await;
    let known = names(&help, "INTEGRATION_HOST_");
    assert!(known.len() > 10, "{known:?}");
    for file in [
        "deploy/Containerfile",
        "deploy/compose.yaml",
        "deploy/.env.example",
        "deploy/kubernetes/secret.yaml",
        "deploy/kubernetes/autoscaler.yaml",
        "docs/deploying.md",
    ] {
        for name in names(&text(file), "INTEGRATION_HOST_") {
            assert!(known.contains(&name), "{file}: {name}");
        }
    }
    for argument in container()["args"].as_array().unwrap() {
        let argument = argument.as_str().unwrap();
        assert!(!argument.starts_with("--") || help.contains(argument));
    }
    let sandbox = self::help(&end_to_end::sandbox_program().unwrap(), &["--help"]).await;
    assert!(sandbox.contains("--listen") && text("deploy/Containerfile").contains("\"--listen\""));
}

#[test]
fn compose_asks_for_what_the_example_of_its_variables_has() {
    let compose = text("deploy/compose.yaml");
    let asked: BTreeSet<&str> = compose
        .split("${")
        .skip(1)
        .map(|rest| rest.split([':', '}']).next().unwrap())
        .collect();
    let example = text("deploy/.env.example");
    let given = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='));
    assert_eq!(asked, given.map(|(name, _)| name).collect());
}

#[test]
fn ports_and_addresses_agree() {
    let containerfile = text("deploy/Containerfile");
    let listen = after(&containerfile, "INTEGRATION_HOST_LISTEN=[::]:");
    assert!(containerfile.contains(&format!("EXPOSE {listen}\n")));
    let sandbox = after(&containerfile, "\"--listen\", \"0.0.0.0:");
    assert!(containerfile.contains(&format!("EXPOSE {sandbox}\n")));

    let port = &container()["ports"][0];
    assert_eq!(port["containerPort"].to_string(), listen);
    let service = &manifest("service")["spec"];
    assert_eq!(service["ports"][0]["targetPort"], port["name"]);
    for path in manifest("ingress")["spec"]["rules"][0]["http"]["paths"]
        .as_array()
        .unwrap()
    {
        let backend = &path["backend"]["service"];
        assert_eq!(backend["port"]["name"], service["ports"][0]["name"]);
    }

    let (compose, nginx) = (yaml("deploy/compose.yaml"), text("deploy/nginx.conf"));
    let hosts = names(&nginx, "host-1:").len() + names(&nginx, "host-2:").len();
    assert_eq!(hosts, 2, "both hosts are behind the balancer");
    assert_eq!(nginx.matches(&format!("-1:{listen} ")).count(), 2);
    assert_eq!(nginx.matches(&format!("-2:{listen} ")).count(), 2);
    let outside = after(&nginx, "listen ");
    let balancer = &compose["services"]["balancer"];
    let published = |port: &str| Value::from(format!("127.0.0.1:{port}:{port}"));
    assert_eq!(balancer["ports"][0], published(outside));
    assert_eq!(balancer["ports"][1], published(sandbox));
    let environment = &compose["x-host"]["environment"];
    assert_eq!(
        environment["INTEGRATION_HOST_PUBLIC_URL"],
        format!("http://localhost:{outside}")
    );
    assert_eq!(
        environment["INTEGRATION_HOST_UPSTREAM"],
        format!("api.track.toggl.com=http://balancer:{sandbox}")
    );
    assert_eq!(
        environment["INTEGRATION_HOST_TRUSTED_PROXIES"],
        balancer["networks"]["default"]["ipv4_address"]
    );
}

#[test]
fn the_image_is_made_of_what_the_repository_has() {
    let containerfile = text("deploy/Containerfile");
    let toolchain = text("rust-toolchain.toml");
    let version = after(&toolchain, "channel = \"");
    assert!(containerfile.contains(&format!("rust:{version}-slim-bookworm")));
    // `cargo xtask test` puts into the same folder what `cargo xtask build` does.
    for component in [
        end_to_end::component(),
        end_to_end::keyvalue_storage_component(),
    ] {
        let component = component.unwrap();
        let name = component.file_name().unwrap().to_str().unwrap();
        assert!(containerfile.contains(&format!("target/dist/{name}")));
    }
    for program in [
        end_to_end::host_program().unwrap(),
        end_to_end::sandbox_program().unwrap(),
    ] {
        let name = program.file_name().unwrap().to_str().unwrap();
        assert!(containerfile.contains(&format!("target/release/{name}")));
        assert!(containerfile.contains(&format!("ENTRYPOINT [\"{name}\"]")));
    }
    let component = after(&containerfile, "INTEGRATION_HOST_COMPONENT=");
    assert!(containerfile.contains(&format!("{}/\n", component.trim_end_matches("/toggl.wasm"))));
    let ignored = text(".dockerignore");
    for folder in [".cargo", "host", "plugin", "tests", "wit", "xtask"] {
        assert!(workspace(folder).is_dir(), "{folder}");
        assert!(!ignored.lines().any(|line| line == folder), "{folder}");
    }
}

#[test]
fn the_deployment_fits_the_image_and_the_database() {
    let containerfile = text("deploy/Containerfile");
    let deployment = manifest("deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let user = &pod["securityContext"]["runAsUser"];
    assert!(containerfile.contains(&format!("USER {user}:{user}")));
    let mounts = container()["volumeMounts"].clone();
    let data = after(&containerfile, "INTEGRATION_HOST_DATA=");
    assert_eq!(mounts[0]["mountPath"], data);
    let kustomization = manifest("kustomization");
    assert_eq!(kustomization["images"][0]["name"], container()["image"]);
    let configuration = mounts[1]["mountPath"].as_str().unwrap();
    let file = &kustomization["configMapGenerator"][0]["files"][0];
    let path = format!("{configuration}/{}", file.as_str().unwrap());
    assert_eq!(container()["args"][2], path);

    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&manifest("service")["spec"]["selector"], labels);
    assert_eq!(
        &manifest("disruption")["spec"]["selector"]["matchLabels"],
        labels
    );

    // What runs is finished before the pod is killed.
    let configuration = text("deploy/kubernetes/host.toml");
    let shutdown: u64 = after(&configuration, "shutdown_ms = ").parse().unwrap();
    let wait = container()["lifecycle"]["preStop"]["sleep"]["seconds"].clone();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > wait.as_u64().unwrap() + shutdown / 1000);

    // Each host has one connection more that listens, and a host that replaces another is there beside it. Postgres
    // has 100 connections unless set, three of them for its superuser.
    let secret = text("deploy/kubernetes/secret.yaml");
    let connections: u64 = after(&secret, "&connections=").parse().unwrap();
    let most = manifest("autoscaler")["spec"]["maxReplicas"].as_u64();
    assert!((connections + 1) * (most.unwrap() + 1) <= 97);
}

#[tokio::test]
async fn the_secrets_placeholders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let component = end_to_end::component().unwrap();
    let secret = manifest("secret");
    for (name, value) in secret["stringData"].as_object().unwrap() {
        let environment = [(name.as_str(), value.as_str().unwrap())];
        let arguments = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--component",
            component.to_str().unwrap(),
        ];
        let output = run_cli(&arguments, &environment, folder.path()).await;
        let output = output.unwrap();
        assert!(!output.status.success(), "{name} was accepted");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.lines().count() == 1 && said.contains(" must "),
            "{name}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_takes_the_configuration_answers_the_probes_and_has_the_metric() {
    let setup = Setup::builder()
        .configuration(text("deploy/kubernetes/host.toml"))
        .directory(workspace("deploy/users.csv"))
        .start()
        .await
        .unwrap();
    let container = container();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let request = &container[probe]["httpGet"];
        assert_eq!(request["port"], container["ports"][0]["name"]);
        let url = format!("{}{}", setup.host.url, request["path"].as_str().unwrap());
        let answer = reqwest::get(&url).await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
    }
    let metrics = names(
        &metrics(&setup.host, &setup.options.data).await,
        "integration_",
    );
    let named = names(
        &[
            text("deploy/kubernetes/autoscaler.yaml"),
            text("docs/scaling.md"),
        ]
        .concat(),
        "integration_deliver",
    );
    assert!(!named.is_empty());
    for name in named {
        assert!(metrics.contains(&name), "{name} is not in {metrics:?}");
    }
    let scaled_on = manifest("autoscaler")["spec"]["metrics"][0]["pods"]["metric"]["name"].clone();
    assert!(metrics.contains(scaled_on.as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_is_that_of_genuine_deliveries() {
    let setup = Setup::builder().start().await.unwrap();
    setup.connect(NORTHWIND).await.unwrap();
    let lag = async || {
        let metrics = metrics(&setup.host, &setup.options.data).await;
        assert!(
            metrics.contains("integration_deliveries_waiting 0\n"),
            "{metrics}"
        );
        let count = after(&metrics, "integration_delivery_lag_seconds_count ");
        count.parse::<u64>().unwrap()
    };
    // The ping at connecting is one as well.
    let before = lag().await;
    let subscription = setup.toggl().subscriptions().remove(0);
    let body = finished_entry(&subscription, 7, 1);
    for (secret, status, more) in [
        ("another secret", StatusCode::UNAUTHORIZED, 0),
        (subscription.secret.as_str(), StatusCode::OK, 1),
    ] {
        let (signature, body) = delivery(secret, &body);
        let callback = &subscription.url_callback;
        let answer = setup.host.deliver(callback, Some(&signature), body).await;
        assert_eq!(answer.unwrap(), status);
        assert_eq!(lag().await, before + more);
    }
}
