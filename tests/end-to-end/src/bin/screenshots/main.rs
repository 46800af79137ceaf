//! Takes the pictures of the console that stand in the documentation: every main page, light and dark, on a
//! desktop and on a phone, always of the same week. `cargo xtask screenshots` builds everything and runs it.

mod palette;
mod studio;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use end_to_end::Embedded;
use end_to_end::browser::{Browser, Screen, Theme};

use studio::Studio;

/// Takes pictures of the console.
#[derive(Parser)]
struct Arguments {
    /// The folder for the pictures
    #[arg(long, default_value = "docs/screenshots", value_name = "DIR")]
    into: PathBuf,
    /// Only this page: services, connect, overview, users or timeline
    #[arg(long, value_name = "PAGE")]
    only: Option<String>,
}

const SCREENS: [(&str, Screen); 2] = [("desktop", Screen::DESKTOP), ("phone", Screen::PHONE)];
const THEMES: [Theme; 2] = [Theme::Light, Theme::Dark];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(take(&arguments))
}

async fn take(arguments: &Arguments) -> Result<()> {
    std::fs::create_dir_all(&arguments.into)?;
    let studio = Studio::open().await?;
    let browser = Browser::start(&studio.host.url).await?;
    browser.hide_scrollbars().await?;
    browser.set_time_zone(studio::ZONE).await?;
    browser.stop_clock(studio::now()?.as_millisecond()).await?;
    browser.sign_in(&studio.host.sign_in_path()).await?;
    for name in ["services", "connect", "overview", "users", "timeline"] {
        if arguments.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        go_to(&browser, &studio, name)
            .await
            .with_context(|| format!("the page “{name}” cannot be shown"))?;
        take_all(&browser, name, &arguments.into).await?;
    }
    browser.finish().await
}

async fn go_to(browser: &Browser, studio: &Studio, name: &str) -> Result<()> {
    let connection = &studio.connection;
    match name {
        "services" => browser.open("/").await?,
        "connect" => choose_a_workspace(browser, &studio.host).await?,
        "overview" => browser.open(&format!("/connections/{connection}")).await?,
        "users" => {
            let path = format!("/connections/{connection}/users");
            browser.open(&path).await?;
        }
        _ => {
            browser.open("/timeline?view=week&date=2026-03-06").await?;
            return browser.wait_for_text("Live: new entries").await;
        }
    }
    browser.wait_for_text("Northwind Studio").await
}

/// The token has been tested, and the workspaces are there to choose from.
async fn choose_a_workspace(browser: &Browser, host: &Embedded) -> Result<()> {
    browser.open("/connect").await?;
    browser.fill("API token", host.sandbox.token()).await?;
    browser.click_button("Test Connection").await?;
    browser.wait_for_path_below("/connect/").await?;
    Ok(())
}

async fn take_all(browser: &Browser, name: &str, folder: &Path) -> Result<()> {
    for (screen_name, screen) in SCREENS {
        browser.show_on(screen).await?;
        for theme in THEMES {
            browser.prefer(theme).await?;
            let ready =
                "document.fonts.status === 'loaded' && document.getAnimations().length === 0";
            browser.wait_until("a page that rests", ready).await?;
            let picture = palette::shrink(&browser.driver().screenshot_as_png().await?)?;
            let file = format!("{name}-{screen_name}-{}.png", theme.name());
            let path = folder.join(&file);
            std::fs::write(&path, &picture)
                .with_context(|| format!("{} cannot be written", path.display()))?;
            println!("{file:<30} {:>6.1} kB", picture.len() as f64 / 1000.0);
        }
    }
    Ok(())
}
