//! What the address says: which view of which days, and which entries. All state is in it, so that an
//! address can be kept and passed on.

use jiff::civil::{Date, date};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::error::ApiError;
use integration_host_contract::id::{ConnectionId, RemoteUserId, SubjectId, UserId};
use integration_host_contract::sentence::shorten;
use integration_host_ledger::{ActivityFilter, Person};

/// The days that can be asked for. Nobody logged time before, and zones are not known much further.
const DAYS: std::ops::RangeInclusive<Date> = date(1970, 1, 2)..=date(2999, 12, 31);

/// The longest text that is searched for, in characters.
pub(super) const MAX_TEXT: usize = 200;

/// The parameters as they were sent. One that is empty is the same as one that is absent: forms send those.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TimelineQuery {
    view: String,
    date: String,
    connection: String,
    person: String,
    member: String,
    subject: String,
    tag: String,
    billable: String,
    text: String,
    deleted: String,
    unmapped: String,
    cursor: String,
    /// Where a stream goes on; see [`super::live`].
    pub(super) after: String,
}

/// How entries are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    /// The entries of a day.
    Day,
    /// The hours of a week.
    #[default]
    Week,
    /// All entries, newest first.
    List,
}

impl View {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::List];

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::List => "list",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "Day",
            Self::Week => "Week",
            Self::List => "List",
        }
    }
}

/// Whose time is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PersonFilter {
    /// A user of the platform.
    User(UserId),
    /// A member of a team, whoever that is mapped to.
    Member(ConnectionId, RemoteUserId),
}

impl PersonFilter {
    /// The user, or the member if there is none.
    pub(super) fn of(person: &Person) -> Self {
        match &person.user {
            Some(user) => Self::User(user.id.clone()),
            None => Self::Member(person.connection_id.clone(), person.remote_user_id.clone()),
        }
    }

    /// What tells it apart from all others, in a page.
    pub(super) fn key(&self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::Member(connection, id) => format!("member:{connection}:{id}"),
        }
    }
}

/// What is shown. Every field is one that the address names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Permalink {
    pub(super) view: View,
    /// A day of the time that is shown; `None`: today, whenever that is.
    pub(super) date: Option<Date>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) whose: Option<PersonFilter>,
    pub(super) subject: Option<(ConnectionId, SubjectId)>,
    pub(super) tag: Option<String>,
    pub(super) billable: Option<bool>,
    pub(super) text: Option<String>,
    pub(super) deleted: bool,
    pub(super) unmapped: bool,
    /// Where in the list.
    pub(super) cursor: Option<String>,
}

impl Permalink {
    /// Reads the parameters.
    ///
    /// # Errors
    /// One of them cannot be read; the message says which values it has.
    pub(super) fn parse(query: &TimelineQuery) -> Result<Self, ApiError> {
        let view = match query.view.as_str() {
            "" => View::default(),
            code => *(View::ALL.iter().find(|view| view.code() == code))
                .ok_or_else(|| wrong("view", code, "day, week or list"))?,
        };
        let date = given(&query.date)
            .map(|text| {
                let date = text.parse().ok().filter(|date| DAYS.contains(date));
                date.ok_or_else(|| wrong("date", text, "a day such as 2026-03-01, from 1970 on"))
            })
            .transpose()?;
        let billable = match query.billable.as_str() {
            "" => None,
            "yes" => Some(true),
            "no" => Some(false),
            other => return Err(wrong("billable", other, "yes or no")),
        };
        let connection = given(&query.connection).map(ConnectionId::new);
        let in_connection = |name, text: &str| {
            text.split_once(':')
                .map(|(connection, id)| (ConnectionId::new(connection), id.to_owned()))
                .ok_or_else(|| wrong(name, text, "a connection's id, a colon and another id"))
        };
        let subject = given(&query.subject)
            .map(|text| in_connection("subject", text))
            .transpose()?
            .map(|(connection, id)| (connection, SubjectId::new(id)));
        let member = given(&query.member)
            .map(|text| in_connection("member", text))
            .transpose()?
            .map(|(connection, id)| PersonFilter::Member(connection, RemoteUserId::new(id)));
        let person = given(&query.person).map(|id| PersonFilter::User(UserId::new(id)));
        let text = given(query.text.trim()).map(|text| text.chars().take(MAX_TEXT).collect());
        let mut link = Self {
            view,
            date,
            connection,
            whose: person.or(member),
            subject,
            tag: given(&query.tag).map(str::to_owned),
            billable,
            text,
            deleted: is_shown("deleted", &query.deleted)?,
            unmapped: is_shown("unmapped", &query.unmapped)?,
            cursor: given(&query.cursor).map(str::to_owned),
        };
        link.forget_others();
        Ok(link)
    }

    /// Whoever chooses another connection does not mean what was chosen in the one before.
    fn forget_others(&mut self) {
        if let Some(chosen) = &self.connection {
            self.subject.take_if(|(connection, _)| connection != chosen);
        }
        let chosen = self.subject.as_ref().map(|(connection, _)| connection);
        if let Some(chosen) = self.connection.as_ref().or(chosen) {
            self.whose.take_if(
                |whose| matches!(whose, PersonFilter::Member(connection, _) if connection != chosen),
            );
        }
    }

    /// Which activities these are, at whatever time. `with_deleted`: the host lists deleted ones like others.
    pub(super) fn filter(&self, with_deleted: bool) -> ActivityFilter {
        let (user, member) = match &self.whose {
            None => (None, None),
            Some(PersonFilter::User(user)) => (Some(user), None),
            Some(PersonFilter::Member(connection, member)) => (None, Some((connection, member))),
        };
        let connection = (self.connection.as_ref())
            .or(self.subject.as_ref().map(|(connection, _)| connection))
            .or(member.map(|(connection, _)| connection));
        ActivityFilter {
            connection: connection.cloned(),
            user: user.cloned(),
            remote_user: member.map(|(_, id)| id.clone()),
            from: None,
            to: None,
            subject: self.subject.as_ref().map(|(_, id)| id.clone()),
            tag: self.tag.clone(),
            billable: self.billable,
            text: self.text.clone(),
            include_unmapped: self.unmapped || member.is_some(),
            only_unmapped: false,
            include_deleted: self.deleted || with_deleted,
        }
    }

    /// Whether entries are left out because of what was chosen.
    pub(super) fn is_narrow(&self) -> bool {
        *self != self.clone().without_filters().shown_like(self)
    }

    /// The same time and view, with all of its entries.
    pub(super) fn without_filters(self) -> Self {
        Self {
            view: self.view,
            date: self.date,
            ..Self::default()
        }
    }

    fn shown_like(self, other: &Self) -> Self {
        Self {
            deleted: other.deleted,
            unmapped: other.unmapped,
            cursor: other.cursor.clone(),
            ..self
        }
    }

    /// Another time in the same view.
    pub(super) fn at(&self, date: Option<Date>) -> Self {
        Self {
            date,
            cursor: None,
            ..self.clone()
        }
    }

    /// Another view.
    pub(super) fn seen_as(&self, view: View) -> Self {
        Self {
            view,
            cursor: None,
            ..self.clone()
        }
    }

    /// The address of a page with this state, relative to the console's root.
    pub(super) fn address(&self, page: &str) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in self.parameters() {
            query.append_pair(name, &value);
        }
        let query = query.finish();
        if query.is_empty() {
            page.to_owned()
        } else {
            format!("{page}?{query}")
        }
    }

    /// The address of the page itself.
    pub(super) fn page(&self) -> String {
        self.address("timeline")
    }

    fn parameters(&self) -> impl Iterator<Item = (&'static str, String)> {
        let (person, member) = match &self.whose {
            None => (None, None),
            Some(PersonFilter::User(id)) => (Some(id.to_string()), None),
            Some(PersonFilter::Member(connection, id)) => {
                (None, Some(format!("{connection}:{id}")))
            }
        };
        let billable = self.billable.map(|yes| if yes { "yes" } else { "no" });
        let view = (self.view != View::default()).then(|| self.view.code().to_owned());
        let show = |is_shown: bool| is_shown.then(|| "show".to_owned());
        [
            ("view", view),
            ("date", self.date.map(|date| date.to_string())),
            (
                "connection",
                self.connection.as_ref().map(ToString::to_string),
            ),
            ("person", person),
            ("member", member),
            (
                "subject",
                self.subject
                    .as_ref()
                    .map(|(connection, id)| format!("{connection}:{id}")),
            ),
            ("tag", self.tag.clone()),
            ("billable", billable.map(str::to_owned)),
            ("text", self.text.clone()),
            ("deleted", show(self.deleted)),
            ("unmapped", show(self.unmapped)),
            ("cursor", self.cursor.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn is_shown(name: &str, text: &str) -> Result<bool, ApiError> {
    match text {
        "" => Ok(false),
        "show" => Ok(true),
        other => Err(wrong(name, other, "“show”, or left out")),
    }
}

fn wrong(name: &str, text: &str, expected: &str) -> ApiError {
    ApiError::malformed(format!(
        "`{name}` is “{}”; it must be {expected}",
        shorten(text)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Permalink, String> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let json = pairs
            .into_iter()
            .map(|(name, value)| (name, serde_json::Value::String(value)))
            .collect();
        let query: TimelineQuery = serde_json::from_value(serde_json::Value::Object(json)).unwrap();
        Permalink::parse(&query).map_err(|error| error.problem().detail)
    }

    #[test]
    fn an_address_leads_back_to_what_it_was_made_of() {
        for query in [
            "",
            "view=day&date=2026-03-01",
            "view=list&connection=c&person=u%26x&tag=%C3%A4+b&billable=no&text=%3Cscript%3E&cursor=1.2",
            "member=c%3A11&subject=c%3Aproject%2F7&deleted=show&unmapped=show",
        ] {
            let link = parse(query).unwrap();
            let address = link.page();
            let again = address.strip_prefix("timeline").unwrap();
            assert_eq!(
                again.trim_start_matches('?'),
                query,
                "a permalink loses something"
            );
        }
    }

    #[test]
    fn what_a_form_leaves_empty_filters_nothing() {
        let link =
            parse("view=&date=&connection=&person=&subject=&tag=&billable=&text=+&unmapped=");
        assert_eq!(link, Ok(Permalink::default()));
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_can() {
        for (query, remedy) in [
            ("view=month", "day, week or list"),
            ("date=yesterday", "a day such as 2026-03-01"),
            ("date=1066-10-14", "from 1970 on"),
            ("date=9999-12-31", "a day such as"),
            ("billable=1", "yes or no"),
            ("subject=7", "a colon"),
            ("deleted=yes", "left out"),
        ] {
            let message = parse(query).unwrap_err();
            assert!(message.contains(remedy), "{query}: {message}");
        }
    }

    #[test]
    fn another_connection_lets_go_of_what_was_chosen_in_the_one_before() {
        let link = parse("connection=b&subject=a:project/1&member=a:7&tag=x").unwrap();
        assert_eq!((link.subject, link.whose), (None, None));
        assert_eq!(link.tag.as_deref(), Some("x"));
        let link = parse("subject=a:project/1&member=b:7").unwrap();
        assert_eq!(link.whose, None, "nothing can be in both");
        assert_eq!(link.filter(false).connection, Some(ConnectionId::new("a")));
    }

    #[test]
    fn a_member_without_a_user_is_shown_when_asked_for() {
        let filter = parse("member=a:7").unwrap().filter(false);
        assert!(filter.include_unmapped);
        assert!(!filter.include_deleted);
        assert!(Permalink::default().filter(true).include_deleted);
    }

    #[test]
    fn only_what_leaves_entries_out_is_a_filter() {
        assert!(
            !parse("view=list&date=2026-03-01&cursor=1.2&deleted=show&unmapped=show")
                .unwrap()
                .is_narrow()
        );
        assert!(parse("text=a").unwrap().is_narrow());
    }
}
