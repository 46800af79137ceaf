//! Secrets on their way in.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use integration_host_seal::secret::{Secret, Secrets, without_line_end};

/// Values for the secrets an integration asks for, by the names its manifest gives them. They are
/// accepted, never answered.
#[derive(Clone, Debug, Default)]
pub struct SecretValues(pub Secrets);

impl Serialize for SecretValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.expose())))
    }
}

impl<'de> Deserialize<'de> for SecretValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretsVisitor)
    }
}

const EXPECTED: &str =
    r#"`secrets` must be an object of texts, such as {"api-token":"…"}, none of them empty"#;

/// Errors of derived implementations quote the value they cannot use; one that holds a secret must not.
struct SecretsVisitor;

impl<'de> Visitor<'de> for SecretsVisitor {
    type Value = SecretValues;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`secrets` to be an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut secrets = Secrets::new();
        while let Some(name) = map.next_key::<String>()? {
            let SecretText(value) = map.next_value()?;
            let value = Secret::new(without_line_end(value.expose()));
            if value.expose().is_empty() {
                return Err(de::Error::custom(EXPECTED));
            }
            secrets.insert(name, value);
        }
        Ok(SecretValues(secrets))
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(EXPECTED))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(E::custom(EXPECTED))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(E::custom(EXPECTED))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(E::custom(EXPECTED))
    }
}

struct SecretText(Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Secret::new(text))),
            _ => Err(de::Error::custom(EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_by_name() {
        let values: SecretValues = serde_json::from_str(r#"{"api-token":"s3cret"}"#).unwrap();
        assert_eq!(values.0["api-token"].expose(), "s3cret");
        let values: SecretValues = serde_json::from_str(r#"{"api-token":"s3cret\r\n"}"#).unwrap();
        assert_eq!(values.0["api-token"].expose(), "s3cret");
    }

    #[test]
    fn an_error_never_quotes_a_secret() {
        for wrong in [
            r#""s3cret""#,
            r#"["s3cret"]"#,
            r#"{"api-token":["s3cret"]}"#,
            r#"{"api-token":{"s3cret":1}}"#,
            "314159",
            r#"{"api-token":314159}"#,
            r#"{"api-token":""}"#,
            r#"{"api-token":"\n"}"#,
            "null",
        ] {
            let error = serde_json::from_str::<SecretValues>(wrong)
                .unwrap_err()
                .to_string();
            assert!(
                !error.contains("s3cret") && !error.contains("314159"),
                "{error}"
            );
        }
    }

    #[test]
    fn debug_output_hides_values() {
        let values: SecretValues = serde_json::from_str(r#"{"api-token":"s3cret"}"#).unwrap();
        assert!(!format!("{values:?}").contains("s3cret"));
    }
}
