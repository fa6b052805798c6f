//! Generates `docs/reference/` from the code, so that code and reference agree.

mod configuration;
mod events;
mod logs;
mod metrics;

use crate::{command_line, root};
use testudo_core::members::{Kind, LabelKind, MEMBERS, Member, StatedBy};
use testudo_server::config::sections::ConfigFile;

/// Writes the files, or, with `check`, fails if one is out of date.
pub fn run(check: bool) -> Result<(), String> {
    let schema = schemars::schema_for!(ConfigFile);
    let text = serde_json::to_string_pretty(&schema).map_err(|error| error.to_string())? + "\n";
    file("docs/reference/testudo.schema.json", &text, check)?;
    let api = testudo_server::admin::openapi();
    let text = serde_json::to_string_pretty(&api).map_err(|error| error.to_string())? + "\n";
    file("docs/reference/admin-api.json", &text, check)?;
    let mut specifications = String::from(
        "# Specifications\n\nGenerated from `protocol::specifications`. Citations in code and tests use the short names.\n\n| short name | document | status |\n|---|---|---|\n",
    );
    for specification in testudo_protocol::specifications::SPECIFICATIONS {
        specifications.push_str(&format!(
            "| {} | [{}]({}) | {} |\n",
            specification.short_name,
            specification.title,
            specification.url(),
            specification.status
        ));
    }
    file("docs/reference/specifications.md", &specifications, check)?;
    file("docs/reference/client-metadata.md", &client_metadata(), check)?;
    file("docs/reference/configuration.md", &configuration::page()?, check)?;
    file("docs/reference/cli.md", &command_line::reference(), check)?;
    file("docs/reference/events.md", &events::page()?, check)?;
    file("docs/reference/logs.md", &logs::page(), check)?;
    file("docs/reference/metrics.md", &metrics::page(), check)
}

fn client_metadata() -> String {
    let mut text = String::from(
        "# Members of client metadata\n\nGenerated from `core::members`. Members that are not in this table are ignored, except the members for subjects of certificates (`tls_client_auth_subject_dn` and similar ones), which are refused. A claim of a credential is used only if `attested_metadata` of its authority lists it. If the claim is not listed, it is ignored, and so is the member of the same name in the request. A rule may set `client_name`, `client_uri` and `logo_uri`; the value of the rule is used instead of others.\n\n| member | value | languages | who may state it |\n|---|---|---|---|\n",
    );
    for member in MEMBERS {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            member.name,
            value_of(member),
            if member.is_taggable { "yes" } else { "" },
            stated_by(member)
        ));
    }
    text
}

fn value_of(member: &Member) -> String {
    match member.kind {
        Kind::Label(LabelKind::Name { characters_max }) => {
            format!("text of 1 to {characters_max} visible characters on one line")
        }
        Kind::Label(LabelKind::Url) => "https URL that people may open; it is never fetched".to_owned(),
        Kind::Label(LabelKind::Text { bytes_max }) => format!("visible text of 1 to {bytes_max} bytes"),
        Kind::Label(LabelKind::Texts {
            items_max,
            characters_max,
        }) => format!("at most {items_max} texts of 1 to {characters_max} visible characters"),
        Kind::Field(_) => "see [registration](../registration.md)".to_owned(),
    }
}

fn stated_by(member: &Member) -> String {
    let client = match member.needs_own_host {
        true => "client, on a host of its redirect URIs",
        false => "client",
    };
    match member.stated_by {
        StatedBy::Client => client.to_owned(),
        StatedBy::ClientUnlessClaimed => format!("{client}, unless its credential has a claim of this name"),
        StatedBy::AttesterOrClient if member.label_kind().is_none() => {
            "attester, by a claim; a client may narrow the value".to_owned()
        }
        StatedBy::AttesterOrClient => format!("attester, by a claim; else {client}"),
        StatedBy::AttesterAndClient => {
            format!("attester, by a claim, and {client}: in force if either of them states `true`")
        }
        StatedBy::Attester => "attester, by a claim".to_owned(),
    }
}

fn file(name: &str, text: &str, check: bool) -> Result<(), String> {
    let path = root().join(name);
    if !check {
        return std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()));
    }
    match std::fs::read_to_string(&path) {
        Ok(found) if found == text => Ok(()),
        _ => Err(format!(
            "{name} is out of date: run `cargo xtask generate` and commit the result"
        )),
    }
}
