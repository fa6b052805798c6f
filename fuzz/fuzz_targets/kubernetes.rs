#![no_main]
//! The claims of service account tokens and the answers of TokenReview: neither panics, and what is accepted names a
//! namespace and an account.

use libfuzzer_sys::fuzz_target;
use testudo_protocol::kubernetes::{ReviewExpectation, ServiceAccount, TokenReview};

fuzz_target!(|parts: (&str, &str, &[u8])| {
    let (subject, claim, answer) = parts;
    let review = TokenReview::parse(answer);
    let claim = serde_json::from_str(claim).ok();
    if let Ok(account) = ServiceAccount::of_claims(subject, claim.as_ref()) {
        assert_eq!(account.username(), subject);
        let subject = account.subject();
        let (namespace, name) = subject.split_once('/').expect("two segments");
        assert!(!namespace.is_empty() && !name.is_empty() && !name.contains('/'));
        let expected = ReviewExpectation { account: &account, audiences: &["https://as.example"] };
        if let Ok(review) = review {
            let _ = review.check(expected);
        }
    }
});
