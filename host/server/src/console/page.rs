//! What all pages have in common.

use axum::http::HeaderName;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::viewer::{Place, Viewer};
use super::visitor::Person;

/// A page takes what it is made of from this host, talks to it alone, and is shown in no other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'self'";

/// What every page says of itself.
const HEADERS: [(HeaderName, &str); 2] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    // Other sites are told nothing. With `no-referrer` browsers would send `Origin: null` with a page's own
    // forms too, and the host could not tell them from another site's.
    (REFERRER_POLICY, "same-origin"),
];

/// The parts of the console that the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Services,
    Timeline,
}

impl Section {
    const ALL: [Self; 2] = [Self::Services, Self::Timeline];

    fn name(self) -> &'static str {
        match self {
            Self::Services => "Services",
            Self::Timeline => "Timeline",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::Services => "./",
            Self::Timeline => "timeline",
        }
    }
}

/// A page that is being put together.
pub(super) struct Page<'a> {
    title: &'a str,
    section: Option<Section>,
    scripts: Vec<&'static str>,
    refresh: Option<String>,
}

impl<'a> Page<'a> {
    /// A page with this title, which is its heading too.
    pub(super) fn new(title: &'a str) -> Self {
        Self {
            title,
            section: None,
            scripts: vec!["app.js"],
            refresh: None,
        }
    }

    /// Marks where in the navigation it is.
    pub(super) fn section(mut self, section: Section) -> Self {
        self.section = Some(section);
        self
    }

    /// Adds a module from the assets.
    pub(super) fn script(mut self, name: &'static str) -> Self {
        self.scripts.push(name);
        self
    }

    /// Has browsers without scripts load the page again after so many seconds.
    pub(super) fn reload_without_scripts(mut self, seconds: u32) -> Self {
        self.refresh = Some(seconds.to_string());
        self
    }

    /// The page for somebody who is signed in. `content` begins with the heading, see
    /// [`heading`](super::elements::heading).
    pub(super) fn render(self, viewer: &Viewer, content: Markup) -> Response {
        let navigation = html! {
            nav class="sections" aria-label="Console" {
                @for section in Section::ALL {
                    a href=(section.target()) aria-current=[(self.section == Some(section)).then_some("page")] {
                        (section.name())
                    }
                }
            }
            // Whoever is signed in at the platform signs out there.
            @if let Person::Here(_) = viewer.person {
                form class="sign-out" method="post" action="sign-out" {
                    button class="quiet" { "Sign out" }
                }
            }
        };
        self.document(&viewer.place, Some(viewer), navigation, content)
    }

    /// The page for anybody: its title as the heading, and no navigation.
    pub(super) fn render_bare(self, place: &Place, content: Markup) -> Response {
        let content = html! {
            div class="narrow" {
                h1 { (self.title) }
                (content)
            }
        };
        self.document(place, None, Markup::default(), content)
    }

    fn document(
        self,
        place: &Place,
        viewer: Option<&Viewer>,
        navigation: Markup,
        content: Markup,
    ) -> Response {
        let zone = viewer.map(|viewer| viewer.zone.iana_name().unwrap_or("UTC"));
        let is_signed_in_here =
            viewer.is_some_and(|viewer| matches!(viewer.person, Person::Here(_)));
        let document = html! {
            (DOCTYPE)
            html lang="en" data-zone=[zone] {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · integration-host" }
                    base href=(place.base());
                    link rel="icon" href=(assets::address("icon.svg")) type="image/svg+xml";
                    link rel="stylesheet" href=(assets::address("style.css"));
                    @for script in &self.scripts {
                        script type="module" src=(assets::address(script)) {}
                    }
                    @if let Some(seconds) = &self.refresh {
                        noscript { meta http-equiv="refresh" content=(seconds); }
                    }
                }
                body {
                    a class="skip" href=(place.part("content")) { "Skip to the content" }
                    header class="bar" {
                        a class="brand" href="./" {
                            img src=(assets::address("icon.svg")) alt="" width="24" height="24";
                            span class="brand-name" { "integration-host" }
                        }
                        (navigation)
                    }
                    main id="content" tabindex="-1" { (content) }
                    @if let Some(zone) = zone {
                        footer {
                            p { "Times are in " span data-zone-name { (zone) } "." }
                            @if is_signed_in_here {
                                form method="post" action="sign-out-everywhere" {
                                    button class="quiet" { "Sign out everywhere" }
                                }
                            }
                        }
                    }
                }
            }
        };
        (HEADERS, document).into_response()
    }
}

/// A page that leads on by itself. Unlike a redirect, it makes the next request one of this site, so
/// that the browser sends the session's cookie along.
pub(super) fn forward(place: &Place, target: &str) -> Response {
    let target = if target.is_empty() { "./" } else { target };
    let address = format!("{}{target}", place.base());
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content=(format!("0;url={address}"));
                title { "One moment" }
                // Browsers would ask for one at another address.
                link rel="icon" href=(format!("{}{}", place.base(), assets::address("icon.svg"))) type="image/svg+xml";
            }
            body { p { a href=(address) { "Continue" } } }
        }
    };
    (HEADERS, document).into_response()
}
