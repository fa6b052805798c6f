//! Labels that a rule sets for its clients: texts and URLs with captures.

use super::redirect_uris::RedirectTemplate;
use crate::members::{LabelKind, Member, member};
use testudo_protocol::oauth::is_label_url;

/// A label of a rule.
#[derive(Debug)]
pub struct ConfiguredLabel {
    /// The name of the label.
    pub member: &'static Member,
    /// Its value, with captures.
    pub template: LabelTemplate,
}

/// The value of a label of a rule.
#[derive(Debug)]
pub enum LabelTemplate {
    /// Captures are inserted as they are.
    Text(String),
    /// Captures are inserted as into redirect URIs.
    Url(RedirectTemplate),
}

/// The error of a label: a sentence without the key, and a hint.
pub(super) type LabelProblem = (String, Option<&'static str>);

impl ConfiguredLabel {
    /// Compiles the label of this name. `captures` are the names that may be used.
    pub(super) fn parse(name: &str, text: &str, captures: &[&str]) -> Result<ConfiguredLabel, LabelProblem> {
        let row = member(name).and_then(|member| Some((member, member.label_kind()?)));
        match row {
            Some((member, LabelKind::Name { .. } | LabelKind::Text { .. })) => Ok(ConfiguredLabel {
                member,
                template: text_template(text, captures)?,
            }),
            Some((member, LabelKind::Url)) => Ok(ConfiguredLabel {
                member,
                template: url_template(text, captures).map_err(|problem| (problem, None))?,
            }),
            Some((_, LabelKind::Texts { .. })) | None => Err((
                "is a label that is not a single text, so a rule cannot set it".to_owned(),
                None,
            )),
        }
    }
}

fn text_template(text: &str, captures: &[&str]) -> Result<LabelTemplate, LabelProblem> {
    match unknown_capture(text, captures) {
        Some(name) => Err((
            format!("{text:?} uses {{{name}}}, which not every pattern of the rule captures"),
            Some("capture it in `identities`"),
        )),
        None => Ok(LabelTemplate::Text(text.to_owned())),
    }
}

fn url_template(text: &str, captures: &[&str]) -> Result<LabelTemplate, String> {
    let template =
        RedirectTemplate::parse(text, captures).map_err(|problem| format!("{text:?} {problem}"))?;
    if !is_label_url(template.sample()) {
        return Err(format!("{text:?} must be an https URL"));
    }
    Ok(LabelTemplate::Url(template))
}

/// The first `{name}` in `text` that is not among `captures`.
fn unknown_capture<'t>(text: &'t str, captures: &[&str]) -> Option<&'t str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .find(|name| !captures.contains(name))
}
