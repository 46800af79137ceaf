//! The contract: what the component may reach, and that every item of `wit/` is documented.

use std::path::Path;

use integration_host_contract::limits::Limits;
use wit_parser::{Docs, Resolve, TypeDefKind};

/// The component's import list is its security review: anything new here widens what it can reach.
const IMPORTS: [&str; 6] = [
    "wasi:clocks/wall-clock@0.2.0",
    "wasi:logging/logging@0.1.0-draft",
    "wasi:random/random@0.2.0",
    "worksights:integration/http@0.1.0",
    "worksights:integration/storage@0.1.0",
    "worksights:integration/user-directory@0.1.0",
];

const EXPORTS: [&str; 1] = ["worksights:integration/integration@0.1.0"];

#[tokio::test]
async fn the_component_reaches_what_is_documented_and_nothing_else() {
    let component = end_to_end::component().unwrap();
    let integration = end_to_end::load_component(&component, Limits::default())
        .await
        .unwrap();
    let mut imports = integration.imports().to_vec();
    imports.sort();
    assert_eq!(
        imports, IMPORTS,
        "the component's reach changed; review docs/contract.md too"
    );
    assert_eq!(integration.exports(), EXPORTS);
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(&folder).unwrap();
    let package = &resolve.packages[package];
    let mut undocumented = Vec::new();
    let mut require = |docs: &Docs, item: String| {
        if docs
            .contents
            .as_deref()
            .is_none_or(|text| text.trim().is_empty())
        {
            undocumented.push(item);
        }
    };
    require(&package.docs, "the package".into());
    for (name, interface) in &package.interfaces {
        let interface = &resolve.interfaces[*interface];
        require(&interface.docs, format!("interface {name}"));
        for (function, definition) in &interface.functions {
            require(&definition.docs, format!("{name}.{function}"));
        }
        for (type_name, id) in &interface.types {
            let definition = &resolve.types[*id];
            if matches!(definition.kind, TypeDefKind::Type(wit_parser::Type::Id(_))) {
                continue; // Used from another interface and documented there.
            }
            require(&definition.docs, format!("{name}.{type_name}"));
            let mut members = |members: Vec<(&String, &Docs)>| {
                for (member, docs) in members {
                    require(docs, format!("{name}.{type_name}.{member}"));
                }
            };
            match &definition.kind {
                TypeDefKind::Record(record) => {
                    members(
                        record
                            .fields
                            .iter()
                            .map(|field| (&field.name, &field.docs))
                            .collect(),
                    );
                }
                TypeDefKind::Variant(variant) => {
                    members(
                        variant
                            .cases
                            .iter()
                            .map(|case| (&case.name, &case.docs))
                            .collect(),
                    );
                }
                TypeDefKind::Enum(cases) => {
                    members(
                        cases
                            .cases
                            .iter()
                            .map(|case| (&case.name, &case.docs))
                            .collect(),
                    );
                }
                _ => {}
            }
        }
    }
    assert!(
        undocumented.is_empty(),
        "without documentation: {}",
        undocumented.join(", ")
    );
}
