//! On what a page is looked at, and under which conditions.

use anyhow::Result;
use serde_json::{Value, json};

use super::Browser;

/// A screen to show pages on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Width, in CSS pixels.
    pub width: u32,
    /// Height, in CSS pixels.
    pub height: u32,
    /// Device pixels in a CSS pixel, along an edge.
    pub scale: u32,
    /// Whether it is touched and pages fit themselves to it.
    pub is_phone: bool,
}

impl Screen {
    /// A small laptop's window.
    pub const DESKTOP: Self = Self {
        width: 1280,
        height: 800,
        scale: 1,
        is_phone: false,
    };
    /// A phone of today.
    pub const PHONE: Self = Self {
        width: 390,
        height: 844,
        scale: 2,
        is_phone: true,
    };
    /// The narrowest phone that pages must fit.
    pub const NARROW: Self = Self {
        width: 360,
        height: 640,
        scale: 2,
        is_phone: true,
    };

    /// A window of this width, in CSS pixels, that is not touched.
    pub const fn window(width: u32) -> Self {
        Self {
            width,
            ..Self::DESKTOP
        }
    }
}

/// What a person prefers to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark text on a light ground.
    Light,
    /// Light text on a dark ground.
    Dark,
}

impl Theme {
    /// As media queries and file names have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Browser {
    /// Shows pages on this screen from now on.
    pub async fn show_on(&self, screen: Screen) -> Result<()> {
        let metrics = json!({
            "width": screen.width, "height": screen.height,
            "deviceScaleFactor": screen.scale, "mobile": screen.is_phone,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        let touch = json!({ "enabled": screen.is_phone });
        self.devtools("Emulation.setTouchEmulationEnabled", touch)
            .await
    }

    /// Tells pages what the person prefers; nothing moves from here on.
    pub async fn prefer(&self, theme: Theme) -> Result<()> {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": theme.name() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    /// Shows pages in a few colours the person chose, as Windows' contrast themes do.
    pub async fn force_colours(&self) -> Result<()> {
        let features = json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    /// Shows no scrollbars, which look different on every system.
    pub async fn hide_scrollbars(&self) -> Result<()> {
        self.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true }))
            .await
    }

    /// Puts the person into a time zone, such as `Asia/Tokyo`.
    pub async fn set_time_zone(&self, zone: &str) -> Result<()> {
        self.devtools(
            "Emulation.setTimezoneOverride",
            json!({ "timezoneId": zone }),
        )
        .await
    }

    /// Cuts the network or restores it.
    pub async fn set_offline(&self, is_offline: bool) -> Result<()> {
        let conditions = json!({
            "offline": is_offline, "latency": 0,
            "downloadThroughput": -1, "uploadThroughput": -1,
        });
        self.devtools("Network.emulateNetworkConditions", conditions)
            .await
    }

    /// Forgets every asset that was kept, and keeps none, or keeps them again.
    pub async fn set_cache(&self, is_on: bool) -> Result<()> {
        let off = json!({ "cacheDisabled": !is_on });
        self.devtools("Network.setCacheDisabled", off).await
    }

    /// Runs no script of any page that is opened from here on; tests can still ask the page.
    pub async fn turn_scripts_off(&self) -> Result<()> {
        self.set_scripts_off(true).await
    }

    /// Runs scripts again.
    pub async fn turn_scripts_on(&self) -> Result<()> {
        self.set_scripts_off(false).await
    }

    async fn set_scripts_off(&self, are_off: bool) -> Result<()> {
        let off = json!({ "value": are_off });
        self.devtools("Emulation.setScriptExecutionDisabled", off)
            .await
    }

    /// Has the clock of every page that is opened from here on stand at this time, in milliseconds since 1970.
    pub async fn stop_clock(&self, now_ms: i64) -> Result<()> {
        let script = format!(
            "{{ const Real = Date;
                globalThis.Date = class extends Real {{
                    constructor(...given) {{ given.length ? super(...given) : super({now_ms}); }}
                    static now() {{ return {now_ms}; }}
                }}; }}"
        );
        let source = json!({ "source": script });
        self.devtools("Page.addScriptToEvaluateOnNewDocument", source)
            .await
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Result<()> {
        self.driver().cdp().send_raw(command, parameters).await?;
        Ok(())
    }
}
