//! What pages are made of.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use url::Url;

use integration_host_ledger::Connection;

/// A page's heading, with what can be done beside it.
pub(super) fn heading(title: &str, actions: Markup) -> Markup {
    html! {
        div class="heading" {
            h1 { (title) }
            div class="actions" { (actions) }
        }
    }
}

/// Where nothing is: what will be there and the next step.
pub(super) fn empty_state(title: &str, content: Markup) -> Markup {
    html! {
        div class="empty" {
            h2 { (title) }
            (content)
        }
    }
}

/// In a form: says what is waited for once the form is sent.
pub(super) fn busy(text: &str) -> Markup {
    html! { p class="subtle busy" role="status" data-busy=(text) {} }
}

/// A failure in place.
pub(super) fn problem(message: &str) -> Markup {
    html! {
        div class="notice notice-bad" role="alert" { p { (message) } }
    }
}

/// A field of a form.
#[derive(Default)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    /// The type of the input; empty: text.
    pub(super) kind: &'a str,
    pub(super) value: &'a str,
    pub(super) help: Option<&'a str>,
    /// The page where it is found; only a web address becomes a link.
    pub(super) help_url: Option<&'a str>,
    pub(super) problem: Option<&'a str>,
    /// Empty: nothing the browser should remember.
    pub(super) autocomplete: &'a str,
    pub(super) autofocus: bool,
    pub(super) max_length: Option<usize>,
    /// Whether it may stay empty.
    pub(super) optional: bool,
}

/// A labelled field with its help and what is wrong with it.
pub(super) fn text_field(field: &Field<'_>) -> Markup {
    let help_id = format!("{}-help", field.name);
    let problem_id = format!("{}-problem", field.name);
    let described_by = [
        field.problem.map(|_| problem_id.as_str()),
        field.help.map(|_| help_id.as_str()),
    ];
    let described_by: Vec<_> = described_by.into_iter().flatten().collect();
    let or = |value: &'_ str, default: &'static str| {
        if value.is_empty() {
            default.to_owned()
        } else {
            value.to_owned()
        }
    };
    html! {
        div class="field" {
            label for=(field.name) { (field.label) }
            @if let Some(problem) = field.problem {
                p class="field-problem" id=(problem_id) role="alert" { (problem) }
            }
            input id=(field.name) name=(field.name) type=(or(field.kind, "text")) value=(field.value)
                required[!field.optional] spellcheck="false" autocomplete=(or(field.autocomplete, "off"))
                maxlength=[field.max_length] autofocus[field.autofocus]
                aria-invalid=[field.problem.map(|_| "true")]
                aria-describedby=[(!described_by.is_empty()).then(|| described_by.join(" "))];
            @if let Some(help) = field.help {
                p class="field-help" id=(help_id) {
                    (help)
                    @if let Some(url) = field.help_url { " " (page_of_others(url)) }
                }
            }
        }
    }
}

/// A link to a page of somebody else, which opens apart and is not told where its visitor comes from.
fn page_of_others(address: &str) -> Markup {
    let url = Url::parse(address).ok();
    let url = url.filter(|url| matches!(url.scheme(), "https" | "http"));
    html! {
        @if let Some(host) = url.as_ref().and_then(Url::host_str) {
            a href=(address) target="_blank" rel="noreferrer noopener" {
                "Open " (host) span class="unseen" { " in a new tab" }
            }
        }
    }
}

/// An e-mail address, which breaks after its signs rather than within a word where it does not fit.
pub(super) fn email_address(address: &str) -> Markup {
    html! {
        @for part in address.split_inclusive(['@', '.', '_', '+']) { (part) wbr; }
    }
}

/// How well something is, as a colour; the words beside it say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Busy,
    Bad,
    Neutral,
}

/// A word with a colour.
pub(super) fn badge(tone: Tone, text: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge badge-good",
        Tone::Busy => "badge badge-busy",
        Tone::Bad => "badge badge-bad",
        Tone::Neutral => "badge",
    };
    html! { span class=(class) { (text) } }
}

/// Where a connection stands, in words and colour.
pub(super) fn connection_status(connection: &Connection) -> Markup {
    if connection.attention.is_some() {
        badge(Tone::Bad, "Needs attention")
    } else if connection.coverage.gap.is_some() {
        badge(Tone::Busy, "Catching up")
    } else {
        badge(Tone::Good, "Working")
    }
}

/// A moment, in the viewer's zone.
pub(super) fn moment(time: Timestamp, zone: &TimeZone) -> Markup {
    moment_as("%-d %b %Y, %H:%M", time, zone)
}

/// A moment where seconds count, in the viewer's zone.
pub(super) fn moment_to_the_second(time: Timestamp, zone: &TimeZone) -> Markup {
    moment_as("%-d %b %Y, %H:%M:%S", time, zone)
}

fn moment_as(format: &str, time: Timestamp, zone: &TimeZone) -> Markup {
    let local = time.to_zoned_datetime(zone.clone());
    html! {
        time datetime=(time.to_string()) title=(local.strftime("%Y-%m-%d %H:%M:%S %Z")) {
            (local.strftime(format))
        }
    }
}
