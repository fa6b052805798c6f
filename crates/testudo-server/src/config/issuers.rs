//! `[[issuers]]`: authorities other than SPIFFE trust domains.

use super::bundle_origin::BundleSource;
use super::issuer_keys::IssuerKeysSection;
use super::token_review::{ReviewSource, TokenReviewSection};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use testudo_core::Authority;
use testudo_core::identity::ClaimSource;
use testudo_core::policy::{AuthorityPolicy, ChallengeUse, HolderBinding, StatusUse, Unbound};
use testudo_core::rules::FirstUse;
use testudo_core::rules::reserved_ids::ReservedIds;

/// `[[issuers]]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IssuerSection {
    /// Its name, with which its identities begin: `cluster-a:shop/pay`. Required.
    pub name: String,
    /// What sort of credentials it issues.
    pub kind: String,
    /// The `iss` of its credentials. No rule makes a client id that is equal to it.
    pub issuer: Option<String>,
    /// Where its public keys are: one of `file`, `url` and `discovery`.
    pub jwks: Option<IssuerKeysSection>,
    /// For `kubernetes`: the API server that is asked whether a token is still valid.
    pub token_review: Option<TokenReviewSection>,
    /// For `kubernetes`: whether tokens of the service account `default` are accepted, which every pod of a namespace has
    /// that names no other account. Default: `false`.
    pub default_service_accounts: Option<bool>,
    /// What its credentials may be used for: `client` (they authenticate clients), `registration` (they are software
    /// statements). For `attester` and `kubernetes`: `["client"]`. Each kind that this version supports needs it.
    pub r#use: Option<Vec<String>>,
    /// Names for claims that templates of rules may use: the value is the name of a claim, or with a leading `/` a JSON
    /// Pointer (RFC 6901). A claim that is no printable text of at most 512 bytes and no whole number is left out.
    pub captures: Option<BTreeMap<String, String>>,
    /// For `jwt`: the claim that names the client, instead of `sub`; a name or a JSON Pointer. In the `sub` of many CI
    /// systems, each branch would be a client. Default: `"sub"`.
    pub subject_claim: Option<String>,
    /// For `verifiable_credential`: the types of credential that are accepted: `vct` of an SD-JWT VC, or a type of a W3C
    /// credential. Default: none, required for this kind.
    pub types: Option<Vec<String>>,
    /// For `verifiable_credential`: the formats that are accepted: `dc+sd-jwt` (SD-JWT VC), `vc+jwt` (W3C data model 2.0 as
    /// a JWT), `vc1-jwt` (data model 1.1 as a JWT). Default: `["dc+sd-jwt", "vc+jwt"]`.
    pub formats: Option<Vec<String>>,
    /// For `verifiable_credential`: the members of client metadata that its credentials may state. `jwks` may be one of
    /// them, for credentials that name no key of a holder, and `token_endpoint_auth_method`. Default: none.
    pub attests: Option<Vec<String>>,
    /// For `verifiable_credential`: `required`: each registration needs a proof of the key that the credential names;
    /// `none`: a credential is accepted from every caller. Default: `"required"`.
    pub holder_binding: Option<HolderBinding>,
    /// For `verifiable_credential`: names of attesters. An attestation of one of them, of the key that the credential names,
    /// proves at the registration that the sender is the holder, and authenticates the client later. Default: none.
    pub attesters: Option<Vec<String>>,
    /// For `verifiable_credential`: whether a credential that names no key registers a client with the keys in `jwks` of
    /// the request. Default: `"refuse"`.
    pub unbound: Option<Unbound>,
    /// For `verifiable_credential`: whether the status of its credentials is checked, in a Token Status List (a JWT; a
    /// CWT is not read) or a Bitstring Status List. Default: `"if_present"`.
    pub status: Option<StatusUse>,
    /// For `verifiable_credential`: the origins from which status lists are fetched. A credential that names another one is
    /// refused. Default: none, required with `status = "required"`.
    pub status_origins: Option<Vec<String>>,
    /// For `verifiable_credential`: how long a status list is used after it should have been fetched again, while that
    /// fails. Default: `"0s"`.
    pub status_max_stale: Option<String>,
    /// For `jwt`, `kubernetes` and `verifiable_credential`: longest lifetime of its tokens or credentials; one with a longer
    /// lifetime is refused. A credential without an end gets this one. Default: `"24h"`, for `kubernetes` `"1h"`.
    pub lifetime_max: Option<String>,
    /// For `jwt` and `kubernetes`: further exact audience values, for a migration. Default: none, the issuer only.
    pub accept_audiences: Option<Vec<String>>,
    /// For `attester` and `verifiable_credential`: whether the proof of the attested key, or of the holder, must have a
    /// challenge of this server. A DPoP proof in its place then needs a nonce. Default: `"required"`.
    pub challenge: Option<ChallengeUse>,
    /// For `attester`: how old an attestation may be, even if it has not expired. Default: `"24h"`.
    pub attestation_age_max: Option<String>,
    /// For `attester` and `jwt`: claims of its credentials that may become client metadata. Default: none.
    pub attested_metadata: Vec<String>,
    /// What happens to an identity that was never seen. Clients of a `verifiable_credential` issuer only register at the
    /// registration endpoint. Default: `"on"`.
    pub first_use: Option<FirstUse>,
    /// New clients per minute. Default: `600`.
    pub registrations_per_minute: Option<u32>,
    /// Clients of this issuer, active and frozen. Default: `100000`.
    pub clients_max: Option<u64>,
}

/// What the `[[issuers]]` entries state.
#[derive(Default)]
pub(super) struct Issuers {
    /// The client ids that no template of a rule may produce.
    pub(super) reserved: ReservedIds,
    /// The entries of kinds that have a door.
    pub(super) policies: HashMap<Authority, AuthorityPolicy>,
    /// Where their keys come from.
    pub(super) sources: Vec<BundleSource>,
    /// The claims that they capture.
    pub(super) captures: HashMap<Authority, Vec<(String, ClaimSource)>>,
    /// The issuer identifier of this server.
    pub(super) ours: Option<String>,
    /// Where tokens are reviewed.
    pub(super) reviews: Reviews,
}

/// An entry as it is written.
#[derive(Clone, Copy)]
pub(super) struct IssuerEntry<'e> {
    /// Its key: `issuers[0]`.
    pub(super) key: &'e str,
    /// The authority that it names.
    pub(super) authority: &'e Authority,
    /// Its keys and values.
    pub(super) section: &'e IssuerSection,
}

/// Where tokens of clusters are reviewed.
pub type Reviews = HashMap<Authority, Arc<ReviewSource>>;
