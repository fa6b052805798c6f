//! A request on its way from a listener to its endpoint.

use crate::peer::Peer;
use hyper::Request;

/// A request, the other end of its connection, and the request id that its answer and events contain.
pub(super) struct Incoming<'r, B> {
    pub(super) peer: &'r Peer,
    pub(super) request: Request<B>,
    pub(super) id: &'r str,
}
