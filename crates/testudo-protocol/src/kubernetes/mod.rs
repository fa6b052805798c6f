//! Service account tokens of Kubernetes, and the answers of its TokenReview API.

mod name;
mod service_account;
mod token_review;

pub use service_account::{BoundObject, ServiceAccount, ServiceAccountError};
pub use token_review::{ReviewError, ReviewExpectation, TokenReview, review_request};
