//! How pages look: the name, the style sheet and the logo of the configuration. Style sheet, script and logo are served at
//! paths with their digest, so browsers keep them for ever, and a reload gives them new paths.

use crate::config::PagesSettings;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use testudo_protocol::base64url;
use testudo_protocol::jose::sha256;
use testudo_protocol::oauth::IssuerUrl;

const SCRIPT: &str = include_str!("../pages/templates/passkey.js");
const STYLE: &str = include_str!("../pages/templates/style.css");
const SHIELD: &str = include_str!("../pages/templates/shield.svg");

/// How pages look.
#[derive(Debug, Clone)]
pub struct Look {
    /// The name of this server for people.
    pub name: String,
    /// The style sheet.
    pub style: Asset,
    /// The script of pages that ask the browser for a passkey. No other page runs a script.
    pub script: Asset,
    /// The logo, a PNG.
    pub logo: Option<Asset>,
    /// What browsers show at the tab: the logo, or a shield in the colour of the configuration.
    pub icon: Asset,
}

/// A file that pages load.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The path of its URL.
    pub path: String,
    content: Bytes,
    media_type: &'static str,
}

impl Asset {
    fn new(issuer: &IssuerUrl, content: Bytes, extension: &str, media_type: &'static str) -> Asset {
        let digest = base64url::text(&sha256(&content));
        Asset {
            path: format!("{}/assets/{digest}.{extension}", issuer.path()),
            content,
            media_type,
        }
    }

    /// The answer with the file, which never changes: a file with another content has another path.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.content.clone()));
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, self.media_type),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            // A file of its own shows nothing and runs nothing.
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(
            "cross-origin-resource-policy",
            HeaderValue::from_static("same-origin"),
        );
        response
    }
}

impl Look {
    /// The look of the pages of this issuer.
    pub fn of(settings: &PagesSettings, issuer: &IssuerUrl) -> Look {
        // The colour is six hexadecimal digits, so the text stays a style sheet.
        let style = format!(":root {{ --accent: {}; }}\n{STYLE}", settings.accent);
        let logo = settings.logo.as_ref().map(|logo| Bytes::copy_from_slice(logo));
        let logo = logo.map(|logo| Asset::new(issuer, logo, "png", "image/png"));
        let shield = || SHIELD.replace("ACCENT", &settings.accent.to_string());
        Look {
            icon: logo
                .clone()
                .unwrap_or_else(|| Asset::new(issuer, shield().into(), "svg", "image/svg+xml")),
            name: settings.name.clone(),
            style: Asset::new(issuer, style.into(), "css", "text/css; charset=utf-8"),
            script: Asset::new(issuer, SCRIPT.into(), "js", "text/javascript; charset=utf-8"),
            logo,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Colour;

    fn look(settings: &PagesSettings) -> Look {
        Look::of(settings, &IssuerUrl::parse("https://as.example").unwrap())
    }

    #[test]
    fn style_sheet_has_the_colour_of_the_configuration_and_a_path_of_its_content() {
        let default = look(&PagesSettings::default());
        let accent = Colour {
            red: 1,
            green: 2,
            blue: 3,
        };
        let other = look(&PagesSettings {
            accent,
            ..PagesSettings::default()
        });
        assert!(other.style.content.starts_with(b":root { --accent: #010203; }\n"));
        assert_ne!(default.style.path, other.style.path);
        assert_eq!(default.style.path, look(&PagesSettings::default()).style.path);
        let answer = default.style.response();
        assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
        assert!(
            answer.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }

    #[test]
    fn logo_is_served_as_a_picture_and_only_where_one_is_configured() {
        let settings = PagesSettings {
            logo: Some(b"\x89PNG".as_slice().into()),
            ..PagesSettings::default()
        };
        let logo = look(&settings).logo.unwrap();
        assert!(logo.path.starts_with("/assets/") && logo.path.ends_with(".png"));
        assert_eq!(logo.response().headers()["content-type"], "image/png");
        assert_eq!(look(&settings).icon.path, logo.path);
        let default = look(&PagesSettings::default());
        assert!(default.logo.is_none());
        let icon = String::from_utf8(default.icon.content.to_vec()).unwrap();
        assert!(
            icon.contains("fill=\"#1d4ed8\"") && !icon.contains("style"),
            "{icon}"
        );
        assert_eq!(default.icon.response().headers()["content-type"], "image/svg+xml");
    }

    #[test]
    fn script_is_served_at_a_path_of_its_content_and_writes_no_markup() {
        let script = look(&PagesSettings::default()).script;
        assert!(script.path.starts_with("/assets/") && script.path.ends_with(".js"));
        let answer = script.response();
        assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
        for markup in ["innerHTML", "outerHTML", "document.write", "eval(", "Function("] {
            assert!(!SCRIPT.contains(markup), "{markup}");
        }
    }

    /// The style sheet has no address: it can load nothing.
    #[test]
    fn style_sheet_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("//"));
        assert!(STYLE.contains("prefers-color-scheme: dark"));
    }
}
