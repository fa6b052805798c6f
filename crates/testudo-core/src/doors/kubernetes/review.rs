//! TokenReview of a verified service account token: what must be asked, and what follows from the answer.
//! [K8S-REVIEW]
//!
//! It follows the verification of the signature and the steps of `admission/governed.rs`, so that neither a forged token
//! nor an identity that no rule governs costs the API server anything. It is asked for remembered verdicts too: otherwise a token would be accepted after its pod was deleted.

use super::claimed_account;
use crate::doors::shared::presented::Presented;
use crate::identity::{AttestedIdentity, Authority, CredentialKind};
use crate::policy::{Policy, ReviewPolicy};
use crate::rejection::{Rejection, ServiceAccountReason};
use testudo_protocol::Seconds;
use testudo_protocol::kubernetes::{
    ReviewError, ReviewExpectation, ServiceAccount, TokenReview, review_request,
};

/// A review that a verified token needs.
pub struct ReviewNeeded<'p> {
    /// The cluster that issued the token.
    pub cluster: &'p Authority,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    policy: ReviewPolicy,
    token: &'p str,
    audiences: Vec<&'p str>,
}

/// What is asked, and what the answer must state.
pub struct ReviewQuestion {
    /// The document to send. It contains the token.
    pub document: Vec<u8>,
    account: ServiceAccount,
    audiences: Vec<String>,
}

impl ReviewQuestion {
    /// Reads an answer.
    pub fn read(&self, answer: &[u8]) -> Result<(), ReviewError> {
        let audiences: Vec<&str> = self.audiences.iter().map(String::as_str).collect();
        TokenReview::parse(answer)?.check(ReviewExpectation {
            account: &self.account,
            audiences: &audiences,
        })
    }
}

/// What came of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reviewed {
    /// The API server answered.
    Answered(Result<(), ReviewError>),
    /// It did not answer in time, or with a status of 500 or more.
    Outage {
        /// What happened.
        why: String,
    },
    /// It could not be asked, or refused the request of this server.
    Failed {
        /// What happened.
        why: String,
    },
}

impl<'p> ReviewNeeded<'p> {
    /// The review that the policy demands for this identity, which the credential proved.
    pub fn of(
        presented: &'p Presented,
        identity: &'p AttestedIdentity,
        policy: &'p Policy,
    ) -> Result<Option<ReviewNeeded<'p>>, Rejection> {
        if identity.kind != CredentialKind::Kubernetes {
            return Ok(None);
        }
        let Some(cluster) = policy.authority(&identity.authority) else {
            return Ok(None);
        };
        let Some(review) = cluster.review else {
            return Ok(None);
        };
        let others = cluster.accept_audiences.iter().map(String::as_str);
        Ok(Some(ReviewNeeded {
            cluster: &identity.authority,
            digest: presented.digest,
            policy: review,
            token: presented.assertion()?,
            audiences: std::iter::once(policy.issuer.as_str()).chain(others).collect(),
        }))
    }

    /// What is asked if there is no answer yet.
    pub fn question(&self) -> Result<ReviewQuestion, Rejection> {
        Ok(ReviewQuestion {
            document: review_request(self.token, &self.audiences),
            account: claimed_account(self.token)?,
            audiences: self
                .audiences
                .iter()
                .map(|&audience| audience.to_owned())
                .collect(),
        })
    }

    /// Whether the token is accepted. `outage` is how long the API server has not answered.
    pub fn decide(&self, reviewed: &Reviewed, outage: Seconds) -> Result<Acceptance, Rejection> {
        match reviewed {
            Reviewed::Answered(Ok(())) => Ok(Acceptance::Reviewed),
            Reviewed::Answered(Err(error)) => Err(ServiceAccountReason::Review(error.clone()).into()),
            Reviewed::Outage { .. } if self.policy.accept_for.is_some_and(|accepted| outage <= accepted) => {
                Ok(Acceptance::InOutage)
            }
            Reviewed::Outage { why } | Reviewed::Failed { why } => Err(ServiceAccountReason::NotReviewed {
                cluster: self.cluster.clone(),
                why: why.clone(),
            }
            .into()),
        }
    }
}

/// Why a token is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// The API server stated that it is valid.
    Reviewed,
    /// The API server does not answer, and the configuration accepts that for a time.
    InOutage,
}
