//! The forms in which a verifiable credential is sent: an SD-JWT, a JWT, or a presentation with a JWT in it.

use crate::identity::CredentialFormat;
use serde_json::{Map, Value};
use testudo_protocol::client_certificate::ExpectedName;
use testudo_protocol::credentials::claims::CredentialClaims;
use testudo_protocol::credentials::disclosures::{Concealed, DisclosureHash};
use testudo_protocol::credentials::key_binding::{self, HolderExpectation, HolderProof};
use testudo_protocol::credentials::presentation::Presentation;
use testudo_protocol::credentials::sd_jwt::{self, SdJwt};
use testudo_protocol::credentials::vc_jwt::{self, Model};
use testudo_protocol::credentials::x5c;
use testudo_protocol::credentials::{CredentialError, IssuerKeys};
use testudo_protocol::jose::Jws;

/// A credential as it was sent.
pub(super) enum Form {
    /// With disclosures, and with the proof of the holder at its end if there is one.
    SdJwt {
        /// The whole text.
        text: String,
        /// The JWT of the issuer in it.
        jws: Jws,
    },
    /// A JWT.
    Jwt {
        /// The JWT of the issuer.
        jws: Jws,
        model: Model,
        /// The presentation around it, if there is one.
        presentation: Option<Box<Presentation>>,
    },
}

/// How a credential names its issuer; nothing is verified.
pub(super) enum UnverifiedIssuer {
    /// By `iss`, `issuer` or the DID in `kid`.
    Named(String),
    /// An SD-JWT VC without `iss`: by these names of its certificate. [SD-JWT-VC §2.2.2.3]
    OfCertificate(Vec<ExpectedName>),
}

/// What the issuer signed.
pub(super) struct VerifiedForm {
    pub(super) claims: CredentialClaims,
    /// The whole payload, with every disclosed value in its place.
    pub(super) payload: Map<String, Value>,
    /// The hash function of an SD-JWT, which the proof of its holder uses as well.
    pub(super) hash: Option<DisclosureHash>,
    /// What an SD-JWT does not disclose.
    pub(super) concealed: Concealed,
}

impl Form {
    /// Splits and decodes; nothing is verified.
    pub(super) fn parse(statement: &str) -> Result<Form, CredentialError> {
        if statement.contains('~') {
            let jws = SdJwt::parse(statement)?.jws;
            // [SD-JWT-VC §2.2.1]
            if jws.header.typ.as_deref() != Some(sd_jwt::TYP) {
                return Err(CredentialError::Type {
                    expected: sd_jwt::TYP,
                    found: jws.header.typ,
                });
            }
            let text = statement.to_owned();
            return Ok(Form::SdJwt { text, jws });
        }
        let presentation = Presentation::parse(statement)?;
        let token = presentation.as_ref().map(|around| around.credential.as_str());
        let jws = Jws::parse_credential(token.unwrap_or(statement))?;
        let model = vc_jwt::model(&jws, &jws.unverified_claims()?)?;
        Ok(Form::Jwt {
            jws,
            model,
            presentation: presentation.map(Box::new),
        })
    }

    /// The JWT of the issuer.
    pub(super) fn jws(&self) -> &Jws {
        match self {
            Form::SdJwt { jws, .. } | Form::Jwt { jws, .. } => jws,
        }
    }

    pub(super) fn format(&self) -> CredentialFormat {
        match self {
            Form::SdJwt { .. } => CredentialFormat::SdJwtVc,
            Form::Jwt { model, .. } => match model {
                Model::Second => CredentialFormat::VcJwt,
                Model::First => CredentialFormat::Vc1Jwt,
            },
        }
    }

    /// The issuer that the credential names, to find its keys.
    pub(super) fn unverified_issuer(&self) -> Option<UnverifiedIssuer> {
        let jws = self.jws();
        let payload = jws.unverified_claims().ok()?;
        match (vc_jwt::unverified_issuer(jws, &payload), self) {
            (Some(issuer), _) => Some(UnverifiedIssuer::Named(issuer)),
            // [SD-JWT-VC §2.2.2.3] The certificate names the issuer.
            (None, Form::SdJwt { jws, .. }) => {
                let names = x5c::unverified_names(jws);
                (!names.is_empty()).then_some(UnverifiedIssuer::OfCertificate(names))
            }
            (None, Form::Jwt { .. }) => None,
        }
    }

    /// Verifies the signature of the issuer, and reads what it signed.
    pub(super) fn verify(&self, keys: IssuerKeys<'_>) -> Result<VerifiedForm, CredentialError> {
        match self {
            Form::SdJwt { text, .. } => {
                let disclosed = SdJwt::parse(text)?.verify(keys)?;
                Ok(VerifiedForm {
                    claims: sd_jwt::read(&disclosed)?,
                    payload: disclosed.payload,
                    hash: Some(disclosed.hash),
                    concealed: disclosed.concealed,
                })
            }
            Form::Jwt { jws, model, .. } => {
                keys.verify(jws)?;
                let payload = jws.unverified_claims()?;
                Ok(VerifiedForm {
                    claims: vc_jwt::read(*model, &payload)?,
                    payload,
                    hash: None,
                    concealed: Concealed::Nothing,
                })
            }
        }
    }

    /// True if the holder signed the statement, so that its signature must be verified.
    pub(super) fn has_proof(&self) -> Result<bool, CredentialError> {
        match self {
            Form::SdJwt { text, .. } => Ok(SdJwt::parse(text)?.key_binding.is_some()),
            Form::Jwt { presentation, .. } => Ok(presentation.is_some()),
        }
    }

    /// True if a DPoP proof, or an attestation of the key of the holder, may take the place of its signature. [RFC9901 §7.3]
    /// For an SD-JWT the KB-JWT also states which disclosures the holder sent.
    pub(super) fn may_be_proven_beside(&self) -> bool {
        match self {
            Form::SdJwt { .. } => false,
            Form::Jwt { .. } => true,
        }
    }

    /// Verifies the signature of the holder of the verified credential about `subject`.
    pub(super) fn verify_proof(
        &self,
        hash: Option<DisclosureHash>,
        subject: &str,
        expected: HolderExpectation<'_>,
    ) -> Result<HolderProof, CredentialError> {
        match self {
            Form::SdJwt { text, .. } => {
                let hash = hash.unwrap_or(DisclosureHash::Sha256);
                key_binding::verify(&SdJwt::parse(text)?, hash, expected)
            }
            Form::Jwt { presentation, .. } => match presentation {
                Some(presentation) => presentation.verify(subject, expected),
                None => Err(CredentialError::NotSdJwt("has no proof of its holder")),
            },
        }
    }
}
