//! One fetch of a status list: the request, the media type, the signature and the decompression.

use super::super::anchor::Anchor;
use crate::state::moment::Moment;
use std::sync::Arc;
use std::time::Duration;
use testudo_core::doors::{AuthorityKeys, ListFailure, ListForm, ListSource};
use testudo_core::identity::Signer;
use testudo_fetch::{Access, FetchFault, FetchLimits, Fetched, Fetcher, Outgoing};
use testudo_protocol::Seconds;
use testudo_protocol::credentials::CredentialError;
use testudo_protocol::credentials::status::StatusList;
use testudo_protocol::jose::Jws;
use testudo_protocol::limits::STATUS_LIST_TOKEN_BYTES_MAX;
use url::Url;

/// A request of a client waits for the list.
const LIMITS: FetchLimits = FetchLimits {
    body_bytes_max: STATUS_LIST_TOKEN_BYTES_MAX,
    deadline: Duration::from_secs(5),
};

/// The list that is fetched.
pub(super) struct Asked {
    pub(super) url: String,
    pub(super) issuer: String,
    pub(super) form: ListForm,
    /// The keys that verify it.
    pub(super) anchor: Arc<Anchor>,
    pub(super) now: Moment,
}

/// Why there is no list.
pub(super) enum Fault {
    /// The server of the list received no request, because of a limit of this server.
    Shed(String),
    /// It gave no document.
    Failed(String),
    /// The document is not a valid list of the issuer.
    Refused(String),
}

impl Fault {
    /// As the metric names it.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Fault::Shed(_) => "shed",
            Fault::Failed(_) => "failed",
            Fault::Refused(_) => "refused",
        }
    }

    pub(super) fn why(&self) -> &str {
        match self {
            Fault::Shed(why) | Fault::Failed(why) | Fault::Refused(why) => why,
        }
    }

    pub(super) fn into_failure(self, again_after: Seconds) -> ListFailure {
        match self {
            Fault::Shed(why) => ListFailure::Unavailable {
                why,
                again_after: Seconds(1),
            },
            Fault::Failed(why) => ListFailure::Unavailable { why, again_after },
            Fault::Refused(why) => ListFailure::Refused { why },
        }
    }
}

/// A list, and what verified it.
pub(super) struct Verified {
    pub(super) list: StatusList,
    pub(super) keys: AuthorityKeys,
    /// What is kept of the key.
    pub(super) signer: Option<Signer>,
}

/// Fetches the list and verifies it.
pub(super) async fn fetch(fetcher: &Fetcher, asked: &Asked) -> Result<Verified, Fault> {
    let document = document(fetcher, asked).await?;
    let list = Jws::parse_list(&document).map_err(|error| Fault::Refused(error.to_string()))?;
    let keys = keys(asked, &list).await?;
    let (form, now, with) = (asked.form, asked.now.wall(), keys.clone());
    let (url, issuer) = (asked.url.clone(), asked.issuer.clone());
    // The decompression of the largest list takes some 20 ms.
    let read = tokio::task::spawn_blocking(move || {
        let (url, issuer) = (&*url, &*issuer);
        let with = with.for_credential(&list, now)?;
        let read = ListSource { issuer, url, form }.read(&list, &with, now)?;
        Ok((read, with.signer_of(&list)))
    });
    let read: Result<Result<_, CredentialError>, _> = read.await;
    match read {
        Ok(Ok((list, signer))) => Ok(Verified { list, keys, signer }),
        Ok(Err(error)) => Err(Fault::Refused(error.to_string())),
        Err(error) => Err(Fault::Failed(format!("the list could not be read: {error}"))),
    }
}

/// What the server of the list publishes. [TSL §8.1] [TSL §8.2]
async fn document(fetcher: &Fetcher, asked: &Asked) -> Result<String, Fault> {
    let url = Url::parse(&asked.url).map_err(|error| Fault::Refused(error.to_string()))?;
    let accepted = asked.form.media_types().join(", ");
    let request = Outgoing {
        headers: vec![("accept", &accepted)],
        ..Outgoing::get(&url)
    };
    let fetched = fetcher.send_with(request, Access::default(), LIMITS).await;
    let fetched = fetched.map_err(|fault| match matches!(fault, FetchFault::Busy { .. }) {
        true => Fault::Shed(fault.to_string()),
        false => Fault::Failed(fault.to_string()),
    })?;
    if fetched.status != 200 {
        return Err(Fault::Failed(format!("the server answers {}", fetched.status)));
    }
    check_media_type(&fetched, asked.form)?;
    String::from_utf8(fetched.body).map_err(|_| Fault::Refused("it is not text".to_owned()))
}

fn check_media_type(fetched: &Fetched, form: ListForm) -> Result<(), Fault> {
    let field = fetched.values("content-type").next().unwrap_or_default();
    let media_type = field.split(';').next().unwrap_or_default().trim();
    let is_allowed = form
        .media_types()
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(media_type));
    if !is_allowed {
        let expected = form.media_types().join(" or ");
        // [SD-JWT-VC §2.2.2.3] The list of an SD-JWT VC must be a JWT, and readers of others choose the form. [TSL §8.1]
        let is_cwt = media_type.eq_ignore_ascii_case("application/statuslist+cwt");
        let form = if is_cwt {
            "the list is a CWT, which this server does not read: "
        } else {
            ""
        };
        return Err(Fault::Refused(format!(
            "{form}Content-Type is {media_type:?}; expected: {expected}"
        )));
    }
    // The request accepts no encoding, and an encoded body would pass the limit of its size.
    match fetched.values("content-encoding").next() {
        None | Some("identity") => Ok(()),
        Some(_) => Err(Fault::Refused(
            "the body has a Content-Encoding, which the request does not accept".to_owned(),
        )),
    }
}

/// The keys of the issuer. If it signed the list with a key that is not known, its keys are fetched once ahead of time, as
/// for a credential.
async fn keys(asked: &Asked, list: &Jws) -> Result<AuthorityKeys, Fault> {
    let current = || asked.anchor.current(asked.now);
    let missing = || Fault::Failed("there are no usable keys of the issuer".to_owned());
    let keys = current().ok_or_else(missing)?;
    match list.header.kid.as_deref() {
        Some(kid) if !keys.have_kid(kid) => {
            asked.anchor.refresh_early(asked.now).await;
            current().ok_or_else(missing)
        }
        Some(_) | None => Ok(keys),
    }
}
