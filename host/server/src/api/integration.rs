//! What the host runs, as far as whoever connects something with it needs to know.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use integration_host_contract::{Manifest, Noun, SecretField, SubjectKind};

/// The integration: what it asks for, and what it calls things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IntegrationView {
    /// Short stable name, which connections carry as `integration`.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence for people.
    pub description: String,
    /// Secrets a person must give.
    pub secrets: Vec<SecretFieldView>,
    /// What people call what a connection is bound to.
    pub scope_noun: NounView,
    /// The kinds of subject, outermost first.
    pub subject_kinds: Vec<SubjectKindView>,
    /// The id of the kind whose hours are compared in a chart; null: of whatever time was spent on, as it is.
    pub charted_kind: Option<String>,
}

/// A secret a person must give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretFieldView {
    /// The name under which requests give its value.
    #[schema(example = "api-token")]
    pub name: String,
    /// What a form calls it.
    pub label: String,
    /// Where a person finds it, in a sentence.
    pub help: String,
    /// The page where a person finds it.
    pub help_url: String,
}

/// What people call something, as it stands within a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NounView {
    /// One.
    #[schema(example = "workspace")]
    pub singular: String,
    /// Several.
    #[schema(example = "workspaces")]
    pub plural: String,
}

/// A kind of subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubjectKindView {
    /// What stands before the first `/` in the ids of its subjects.
    #[schema(example = "project")]
    pub id: String,
    /// What people call one.
    pub noun: NounView,
}

impl From<&Manifest> for IntegrationView {
    fn from(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id.clone(),
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            description: manifest.description.clone(),
            secrets: manifest.secrets.iter().map(Into::into).collect(),
            scope_noun: (&manifest.scope_noun).into(),
            subject_kinds: manifest.subject_kinds.iter().map(Into::into).collect(),
            charted_kind: manifest.charted_kind.clone(),
        }
    }
}

impl From<&SecretField> for SecretFieldView {
    fn from(field: &SecretField) -> Self {
        Self {
            name: field.name.clone(),
            label: field.label.clone(),
            help: field.help.clone(),
            help_url: field.help_url.clone(),
        }
    }
}

impl From<&Noun> for NounView {
    fn from(noun: &Noun) -> Self {
        Self {
            singular: noun.singular.clone(),
            plural: noun.plural.clone(),
        }
    }
}

impl From<&SubjectKind> for SubjectKindView {
    fn from(kind: &SubjectKind) -> Self {
        Self {
            id: kind.id.clone(),
            noun: (&kind.noun).into(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use integration_host_contract::Pacing;

    /// The manifest of an integration that calls things so.
    pub(crate) fn manifest(scope: &str, kinds: &[&str]) -> Manifest {
        let noun = |singular: &str| Noun {
            singular: singular.into(),
            plural: format!("{singular}s"),
        };
        let kind = |id: &&str| SubjectKind {
            id: (*id).into(),
            noun: noun(id),
        };
        Manifest {
            id: "example".into(),
            name: "Example".into(),
            version: "1.0.0".into(),
            description: String::new(),
            scope_noun: noun(scope),
            subject_kinds: kinds.iter().map(kind).collect(),
            charted_kind: kinds.last().map(|id| (*id).into()),
            secrets: vec![SecretField {
                name: "key".into(),
                label: "Key".into(),
                help: "It is on the settings page.".into(),
                help_url: "https://service.example/settings".into(),
                mistaken: Vec::new(),
            }],
            hosts: Vec::new(),
            pacing: Pacing {
                burst: 1,
                requests_per_minute: 1,
                longest_quota_seconds: 0,
            },
            public_https: false,
            signature_header: "x-signature".into(),
            signature: None,
        }
    }

    #[test]
    fn an_integration_has_the_published_fields() {
        let view = IntegrationView::from(&manifest("board", &["list", "card"]));
        assert_eq!(
            serde_json::to_value(view).unwrap(),
            json!({
                "id": "example", "name": "Example", "version": "1.0.0", "description": "",
                "secrets": [{
                    "name": "key", "label": "Key", "help": "It is on the settings page.",
                    "help_url": "https://service.example/settings"
                }],
                "scope_noun": {"singular": "board", "plural": "boards"},
                "subject_kinds": [
                    {"id": "list", "noun": {"singular": "list", "plural": "lists"}},
                    {"id": "card", "noun": {"singular": "card", "plural": "cards"}}
                ],
                "charted_kind": "card"
            })
        );
    }
}
