//! Checks of the API servers that review tokens: they can be reached, and this server may ask them.

use super::finding::{Finding, finding, problem};
use crate::config::Configuration;
use crate::trust::token_reviews::probe;
use testudo_fetch::Fetcher;

pub(super) async fn examine(configuration: &Configuration, fetcher: &Fetcher) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut reviews: Vec<_> = configuration.reviews.iter().collect();
    reviews.sort_by_key(|(authority, _)| *authority);
    for (authority, source) in reviews {
        let outcome = match probe(fetcher, source).await {
            Ok(()) => Ok(format!("{} answers", source.url)),
            Err(why) => Err(problem(format!("{}: {why}", source.url), hint(&why))),
        };
        findings.push(finding(format!("token review of {authority}"), outcome));
    }
    findings
}

fn hint(why: &str) -> &'static str {
    match why {
        _ if why.contains(" answers 401") => {
            "set `token` of token_review to a token that this API server accepts; it must not have expired"
        }
        _ if why.contains(" answers 403") => {
            "bind the cluster role system:auth-delegator to the account of `token`"
        }
        _ if why.contains(" answers 404") => {
            "the path of `url` must be /apis/authentication.k8s.io/v1/tokenreviews"
        }
        _ => {
            "try the URL with curl from this machine; set `ca` of token_review to the certificate authority of the cluster"
        }
    }
}
