//! What a rule says about people: how its clients ask for authorization, for how long it lasts, and who may grant it.

use super::redirect_uris::RedirectTemplate;
use super::rule_error::{RuleError, fault, fault_of_entry};
use super::spec::{ConsentForm, PushedAuthorization, RuleSpec};
use testudo_protocol::Seconds;
use testudo_protocol::oauth::Resource;
use testudo_protocol::oauth::redirect_uri::{Form, form};

/// The longest lifetime of a code. [RFC6749 §4.1.2]
pub const CODE_LIFETIME_MAX: Seconds = Seconds(600);

/// The text of `authorization_lifetime` for an authorization that does not end.
const NO_END: &str = "none";

/// What a rule says about people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each field is documented at RuleSpec, which it is compiled from"
)]
pub struct PeopleRule {
    pub pushed_authorization: PushedAuthorization,
    pub consent: ConsentForm,
    pub code_lifetime: Seconds,
    /// `None`: no end.
    pub authorization_lifetime: Option<Seconds>,
    pub refresh_token_idle_lifetime: Seconds,
    pub refresh_token_grace: Seconds,
    pub groups: Vec<String>,
    pub introspects: Vec<Resource>,
}

impl PeopleRule {
    /// Compiles the settings. `by_default` is what applies if `pushed_authorization` is absent, `redirect_uris` are those
    /// of the rule.
    pub(super) fn compile(
        spec: &RuleSpec,
        by_default: PushedAuthorization,
        redirect_uris: &[RedirectTemplate],
        faults: &mut Vec<RuleError>,
    ) -> PeopleRule {
        let people = PeopleRule {
            pushed_authorization: spec.pushed_authorization.unwrap_or(by_default),
            consent: spec.consent,
            code_lifetime: lifetime("code_lifetime", spec.code_lifetime.as_ref(), 60, faults),
            authorization_lifetime: match spec.authorization_lifetime.as_deref() {
                Some(NO_END) => None,
                Some(_) | None => Some(lifetime(
                    "authorization_lifetime",
                    spec.authorization_lifetime.as_ref(),
                    90 * 86_400,
                    faults,
                )),
            },
            refresh_token_idle_lifetime: lifetime(
                "refresh_token_idle_lifetime",
                spec.refresh_token_idle_lifetime.as_ref(),
                14 * 86_400,
                faults,
            ),
            refresh_token_grace: match spec.refresh_token_grace.as_deref() {
                // No grace: each refresh token is accepted once.
                Some("0s") => Seconds(0),
                Some(_) | None => lifetime(
                    "refresh_token_grace",
                    spec.refresh_token_grace.as_ref(),
                    30,
                    faults,
                ),
            },
            groups: spec.groups.clone(),
            introspects: introspects(spec, faults),
        };
        if people.code_lifetime > CODE_LIFETIME_MAX {
            faults.push(RuleError {
                hint: Some("a code is redeemed at once: leave code_lifetime out for 60 s"),
                ..fault("code_lifetime", "is longer than 10m")
            });
        }
        if people.refresh_token_grace >= people.refresh_token_idle_lifetime {
            faults.push(RuleError {
                hint: Some("some seconds are enough to repeat a request whose answer was lost"),
                ..fault(
                    "refresh_token_grace",
                    "is not shorter than refresh_token_idle_lifetime",
                )
            });
        }
        groups_are_names(&spec.groups, faults);
        if people.consent == ConsentForm::Trusted && redirect_uris.iter().any(is_on_the_device) {
            // [RFC8252 §8.6] Any other application of the device can receive the code.
            faults.push(RuleError {
                hint: Some(
                    "leave consent out, or make a rule of its own for clients on the devices of people",
                ),
                ..fault("consent", "is \"trusted\", and a redirect URI is not https")
            });
        }
        people
    }
}

fn is_on_the_device(template: &RedirectTemplate) -> bool {
    form(template.sample()) != Ok(Form::Https)
}

fn lifetime(
    key: &'static str,
    text: Option<&String>,
    default_seconds: i64,
    faults: &mut Vec<RuleError>,
) -> Seconds {
    let default = Seconds(default_seconds);
    let Some(text) = text else { return default };
    match Seconds::parse(text) {
        Ok(Seconds(0)) => faults.push(fault(key, "is zero")),
        Ok(seconds) => return seconds,
        Err(problem) => faults.push(fault(key, format!("{text:?} {problem}"))),
    }
    default
}

fn introspects(spec: &RuleSpec, faults: &mut Vec<RuleError>) -> Vec<Resource> {
    let mut resources = Vec::new();
    for (entry, text) in spec.introspects.iter().enumerate() {
        match Resource::parse(text) {
            Ok(resource) => resources.push(resource),
            Err(problem) => faults.push(RuleError {
                hint: Some("write the audience of the tokens: a value of `resources` of a rule"),
                ..fault_of_entry("introspects", entry, format!("{text:?} {problem}"))
            }),
        }
    }
    resources
}

/// A group is a plain name, or that of a provider and of its group with a slash between.
fn groups_are_names(groups: &[String], faults: &mut Vec<RuleError>) {
    for (entry, group) in groups.iter().enumerate() {
        let is_text = |part: &str| {
            let ends_in_text = part.trim() == part && !part.is_empty();
            ends_in_text && !part.chars().any(char::is_control)
        };
        let is_name = match group.split_once('/') {
            None => is_text(group),
            Some((provider, name)) => is_text(provider) && is_text(name),
        };
        if !is_name {
            faults.push(RuleError {
                hint: Some("write PROVIDER/GROUP for a group of a provider, or the plain name of a group"),
                ..fault_of_entry("groups", entry, format!("{group:?} is not the name of a group"))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    fn compile(edit: impl FnOnce(&mut RuleSpec)) -> Result<PeopleRule, Vec<RuleError>> {
        let mut spec = RuleSpec {
            name: "web".to_owned(),
            identities: vec!["spiffe://a.example/{service}".to_owned()],
            ..RuleSpec::default()
        };
        edit(&mut spec);
        Rule::compile(&spec).map(|rule| rule.people)
    }

    #[track_caller]
    fn refused(edit: impl FnOnce(&mut RuleSpec), path: &str, problem: &str) {
        let faults = compile(edit).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].path(), path);
        assert!(faults[0].problem.contains(problem), "{faults:?}");
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn rule_that_says_nothing_of_people_has_the_documented_defaults() {
        let people = compile(|_| {}).unwrap();
        let expected = PeopleRule {
            pushed_authorization: PushedAuthorization::Required,
            consent: ConsentForm::Explicit,
            code_lifetime: Seconds(60),
            authorization_lifetime: Some(Seconds(90 * 86_400)),
            refresh_token_idle_lifetime: Seconds(14 * 86_400),
            refresh_token_grace: Seconds(30),
            groups: Vec::new(),
            introspects: Vec::new(),
        };
        assert_eq!(people, expected);
        let configured = Rule::compile_for_client(&RuleSpec::default()).unwrap();
        let pushed = configured.people.pushed_authorization;
        assert_eq!(pushed, PushedAuthorization::Optional, "[[clients]]");
    }

    #[test]
    fn code_lives_at_most_ten_minutes() {
        let at_the_limit = compile(|spec| spec.code_lifetime = text("10m")).unwrap();
        assert_eq!(at_the_limit.code_lifetime, CODE_LIFETIME_MAX);
        refused(
            |spec| spec.code_lifetime = text("601s"),
            "code_lifetime",
            "longer than 10m",
        );
        refused(|spec| spec.code_lifetime = text("0s"), "code_lifetime", "is zero");
    }

    #[test]
    fn authorization_without_end_is_the_word_none() {
        let endless = compile(|spec| spec.authorization_lifetime = text("none")).unwrap();
        assert_eq!(endless.authorization_lifetime, None);
        for (wrong, problem) in [
            ("never", "is not a duration"),
            ("0d", "is zero"),
            ("", "is not a duration"),
        ] {
            refused(
                |spec| spec.authorization_lifetime = text(wrong),
                "authorization_lifetime",
                problem,
            );
        }
    }

    #[test]
    fn refresh_tokens_need_an_idle_lifetime_that_is_longer_than_the_grace() {
        let without_grace = compile(|spec| spec.refresh_token_grace = text("0s")).unwrap();
        assert_eq!(without_grace.refresh_token_grace, Seconds(0));
        assert!(compile(|spec| spec.refresh_token_idle_lifetime = text("31s")).is_ok());
        refused(
            |spec| spec.refresh_token_idle_lifetime = text("30s"),
            "refresh_token_grace",
            "is not shorter",
        );
        refused(
            |spec| spec.refresh_token_idle_lifetime = text("none"),
            "refresh_token_idle_lifetime",
            "is not a duration",
        );
    }

    #[test]
    fn trusted_client_has_no_redirect_uri_on_the_device_of_a_person() {
        let trusted = |uri: &'static str| {
            move |spec: &mut RuleSpec| {
                spec.consent = ConsentForm::Trusted;
                spec.redirect_uris = vec![uri.to_owned()];
            }
        };
        let people = compile(trusted("https://{service}.apps.example/cb")).unwrap();
        assert_eq!(people.consent, ConsentForm::Trusted);
        for uri in ["http://127.0.0.1/cb", "http://localhost/cb"] {
            refused(trusted(uri), "consent", "redirect URI is not https");
            let explicit = compile(|spec| spec.redirect_uris = vec![uri.to_owned()]);
            assert!(explicit.is_ok(), "{uri}");
        }
    }

    #[test]
    fn groups_are_plain_names_or_those_of_a_provider() {
        let with = |group: &'static str| move |spec: &mut RuleSpec| spec.groups = vec![group.to_owned()];
        for group in ["staff", "corp/staff", "corp/a/b", "corp/Domain Users"] {
            assert_eq!(compile(with(group)).unwrap().groups, [group]);
        }
        for group in ["", " staff", "corp/", "/staff", "corp/ staff", "a\nb"] {
            refused(with(group), "groups[0]", "is not the name of a group");
        }
    }

    #[test]
    fn introspected_audiences_are_resources() {
        let with = |uri: &'static str| move |spec: &mut RuleSpec| spec.introspects = vec![uri.to_owned()];
        let people = compile(with("https://api.example/orders")).unwrap();
        assert_eq!(people.introspects.len(), 1);
        for uri in ["", "orders", "https://api.example/#x"] {
            assert!(compile(with(uri)).is_err(), "{uri}");
        }
    }
}
