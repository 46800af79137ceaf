use std::sync::LazyLock;

use serde_json::{Map, Value};

static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_slice(&super::fixture("schemas.json")).expect("readable schemas")
});

/// Fails unless every field is known to the documented model or to a recording, with the same JSON type.
///
/// `null` fits every type: the documentation does not mark what may be absent.
pub fn assert_shape(model: &str, recording: Option<&str>, answer: &Value) {
    let schema = SCHEMAS
        .get(model)
        .and_then(Value::as_object)
        .unwrap_or_else(|| panic!("no schema {model}"));
    let recorded = recording.map(recorded_object).unwrap_or_default();
    let fields = answer
        .as_object()
        .unwrap_or_else(|| panic!("{model} must be an object, not {answer}"));
    for (name, value) in fields {
        let documented = schema.get(name).and_then(Value::as_str);
        let seen = recorded
            .get(name)
            .filter(|value| !value.is_null())
            .map(kind);
        let expected = documented.or(seen);
        assert!(
            expected.is_some() || recorded.contains_key(name),
            "{model} has no field {name}: an integration would never see it at Toggl"
        );
        let fits = value.is_null() || expected.is_none_or(|expected| fits(expected, value));
        assert!(
            fits,
            "{model}.{name} is {value}, but Toggl sends {expected:?}"
        );
    }
    for name in recorded.keys() {
        assert!(
            fields.contains_key(name),
            "{model} lacks {name}, which the recording {recording:?} has"
        );
    }
}

fn recorded_object(name: &str) -> Map<String, Value> {
    let value: Value = serde_json::from_slice(&super::fixture(name)).expect("a readable recording");
    let first = value
        .as_array()
        .and_then(|rows| rows.first())
        .cloned()
        .unwrap_or(value);
    first.as_object().expect("a recorded object").clone()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(expected: &str, value: &Value) -> bool {
    match expected {
        "integer" => value.is_i64() || value.is_u64(),
        other => kind(value) == other,
    }
}
