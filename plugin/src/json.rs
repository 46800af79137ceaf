//! Reading JSON whose types vary: Toggl writes ids as numbers here and as strings there, and omits,
//! nulls or mixes what it likes.
//!
//! One tolerant reader serves deliveries, answers and stored state. It keeps the keys of [`KEYS`]
//! and skips all others, so that nothing else, such as the `api_token` that `/me` returns, is held.
//! It is also what keeps the component small: derived readers and a date library (see `time`)
//! together made it 290 kB larger.

use std::borrow::Cow;
use std::fmt;

mod mend;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::time::Timestamp;

/// Every key that is read, sorted.
const KEYS: [&str; 86] = [
    "account_id",
    "action",
    "admin",
    "again_at_seconds",
    "asked",
    "at",
    "at_seconds",
    "billable",
    "business_ws",
    "callback_url",
    "came_back",
    "cid",
    "client_id",
    "client_name",
    "completed_at_seconds",
    "created_at",
    "data",
    "deleted_at",
    "description",
    "duration",
    "email",
    "enabled",
    "entity",
    "event_filters",
    "event_id",
    "events",
    "failed_lists",
    "failed_lookups",
    "failures",
    "from",
    "fullname",
    "holder",
    "holders",
    "id",
    "inactive",
    "is_active",
    "max_events_per_webhook",
    "max_webhooks",
    "metadata",
    "model",
    "model_owner_id",
    "name",
    "organization_id",
    "page",
    "parent",
    "payload",
    "per_page",
    "pid",
    "premium",
    "previous_secret",
    "pricing_plan_name",
    "project",
    "project_id",
    "project_name",
    "remaining",
    "resets_at_seconds",
    "resets_in_secs",
    "retry_at_seconds",
    "revision",
    "role",
    "row",
    "seconds",
    "secret",
    "server_deleted_at",
    "stage",
    "start",
    "stop",
    "subscription_id",
    "suspended_at",
    "tag_names",
    "tags",
    "task_id",
    "task_name",
    "tid",
    "time_entries",
    "time_entry_id",
    "total",
    "total_count",
    "uid",
    "url_callback",
    "user_id",
    "validated_at",
    "validation_code",
    "wid",
    "workspace_id",
    "workspace_name",
];

/// How deep values are read. Nothing that is read is deeper than six; what is deeper counts as `null`, so that
/// nobody's nesting costs what is beside it.
const MAX_DEPTH: usize = 16;

/// A JSON value. Reading one never fails on valid JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    /// The key was not there.
    Absent,
    Null,
    Flag(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

static ABSENT: Json<'static> = Json::Absent;

/// What can be made of a JSON value.
pub(crate) trait Read: Sized {
    /// `None`: something essential is missing.
    fn read(json: &Json<'_>) -> Option<Self>;
}

/// Reads a whole text. What no reader takes in it is replaced, see [`mend`].
pub(crate) fn parse(text: &[u8]) -> Result<Json<'_>, serde_json::Error> {
    parse_noting(text).map(|(json, _)| json)
}

/// The same, and whether something had to be replaced.
pub(crate) fn parse_noting(text: &[u8]) -> Result<(Json<'_>, bool), serde_json::Error> {
    match serde_json::from_slice(text) {
        Ok(json) => Ok((json, false)),
        Err(_) => {
            let mended = mend::mend(text);
            let json = serde_json::from_str::<Json<'_>>(&mended)?;
            Ok((json.into_owned(), true))
        }
    }
}

/// Reads a whole text as something; `None` if it is something else.
pub(crate) fn read<T: Read>(text: &[u8]) -> Option<T> {
    T::read(&parse(text).ok()?)
}

/// Up to here a float is exact to the unit.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

// The accessors have a hundred callers: inlined, they made the component 22 kB larger.
impl Json<'_> {
    /// The value under a key, which must be one of [`KEYS`].
    #[inline(never)]
    pub fn get(&self, key: &str) -> &Self {
        debug_assert!(KEYS.binary_search(&key).is_ok(), "{key} is never read");
        let Self::Object(members) = self else {
            return &ABSENT;
        };
        // Of a key that is there twice the last one counts, as for most readers.
        let member = members.iter().rfind(|(name, _)| *name == key);
        member.map_or(&ABSENT, |(_, value)| value)
    }

    fn into_owned(self) -> Json<'static> {
        match self {
            Self::Absent => Json::Absent,
            Self::Null => Json::Null,
            Self::Flag(flag) => Json::Flag(flag),
            Self::Unsigned(number) => Json::Unsigned(number),
            Self::Signed(number) => Json::Signed(number),
            Self::Float(number) => Json::Float(number),
            Self::Text(text) => Json::Text(Cow::Owned(text.into_owned())),
            Self::List(elements) => {
                Json::List(elements.into_iter().map(Self::into_owned).collect())
            }
            Self::Object(members) => Json::Object(
                members
                    .into_iter()
                    .map(|(key, value)| (key, value.into_owned()))
                    .collect(),
            ),
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// An id, written as a number or a string. Zero is none: Toggl's ids begin at 1.
    #[inline(never)]
    pub fn id(&self) -> Option<u64> {
        self.unsigned().filter(|id| *id != 0)
    }

    /// How many of something there are, up to the greatest `u32`.
    #[inline(never)]
    pub fn count(&self) -> Option<u32> {
        self.unsigned()?.try_into().ok()
    }

    /// A whole number that is not negative, exact up to the greatest `u64`.
    #[inline(never)]
    pub fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            // Whole, and exact.
            Self::Float(number) if (0.0..=MAX_EXACT).contains(number) && number.fract() == 0.0 => {
                Some(*number as u64)
            }
            _ => None,
        }
    }

    #[inline(never)]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            Self::Signed(number) => Some(*number),
            // Saturates; nothing that is read comes near.
            Self::Float(number) => Some(*number as i64),
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Unsigned(number) => Some(*number != 0),
            Self::Text(text) if text == "true" => Some(true),
            Self::Text(text) if text == "false" => Some(false),
            _ => None,
        }
    }

    #[inline(never)]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text that can be kept.
    #[inline(never)]
    pub fn owned_text(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A text for people that can be kept: without space around it, and not empty.
    #[inline(never)]
    pub fn label(&self) -> Option<String> {
        let text = self.text()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    #[inline(never)]
    pub fn time(&self) -> Option<Timestamp> {
        self.text().and_then(Timestamp::parse)
    }

    /// The elements of a list; what is no list has none.
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// The texts in a list. What is no list has none, and what is no text in it is left out.
    #[inline(never)]
    pub fn texts(&self) -> Vec<String> {
        self.list().iter().filter_map(Self::owned_text).collect()
    }
}

/// Reads a value that is so deep within others.
struct At(usize);

impl<'de> DeserializeSeed<'de> for At {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0 > MAX_DEPTH {
            IgnoredAny::deserialize(deserializer)?;
            return Ok(Json::Null);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(value).map_or(Json::Signed(value), Json::Unsigned))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Self(self.0.saturating_add(1)))? {
            list.push(element);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Vec::new();
        while let Some(Key(key)) = members.next_key()? {
            match key {
                Some(key) => {
                    let deeper = Self(self.0.saturating_add(1));
                    object.push((key, members.next_value_seed(deeper)?));
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Json::Object(object))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        At(0).deserialize(deserializer)
    }
}

/// An object's key, if it is one that is read.
struct Key(Option<&'static str>);

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        let index = KEYS.binary_search(&key).ok();
        Ok(Key(index.and_then(|index| KEYS.get(index)).copied()))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_sorted_so_that_each_is_found() {
        assert!(KEYS.is_sorted());
    }

    #[test]
    fn keeps_what_is_read_and_nothing_else() {
        let json =
            parse(br#"{"id":"7","api_token":"secret","tags":["a",null,1,{"id":2}],"admin":true}"#)
                .unwrap();
        assert_eq!(json.get("id").id(), Some(7));
        assert_eq!(json.get("tags").texts(), ["a"]);
        assert_eq!(json.get("admin").flag(), Some(true));
        assert!(!format!("{json:?}").contains("secret"));
    }

    #[test]
    fn damage_in_one_place_costs_nothing_elsewhere() {
        for key in ["tags", "other"] {
            let (open, close) = ("[".repeat(5_000), "]".repeat(5_000));
            let deep = format!(r#"{{"{key}":{open}1{close},"id":7}}"#);
            assert_eq!(parse(deep.as_bytes()).unwrap().get("id").id(), Some(7));
        }
        let (json, was_mended) =
            parse_noting(br#"{"id":7,"description":"a\ud800b","duration":1e999}"#).unwrap();
        assert!(was_mended);
        assert_eq!(json.get("description").text(), Some("a\u{fffd}b"));
        assert_eq!(json.get("id").id(), Some(7));
        assert_eq!(json.get("duration").integer(), None);
        assert!(parse(br#"{"id":7"#).is_err());
        let id = |text: &str| parse(text.as_bytes()).unwrap().get("id").id();
        assert_eq!(id(r#"{"id":1,"id":2}"#), Some(2));
        assert_eq!(id(r#"{"id":7.0}"#), Some(7));
        assert_eq!(id(r#"{"id":1e300}"#), None);
    }

    #[test]
    fn ids_are_exact_beyond_what_a_float_holds() {
        let json = parse(br#"{"id":18446744073709551615,"event_id":"9007199254740993"}"#).unwrap();
        assert_eq!(json.get("id").id(), Some(u64::MAX));
        assert_eq!(json.get("event_id").id(), Some(9_007_199_254_740_993));
    }
}
