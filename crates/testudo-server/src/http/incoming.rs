//! A request as a listener brings it to its endpoint.

use crate::peer::Peer;
use hyper::Request;

/// A request, who is at the other end of its connection, and the id that its answer and its events carry.
pub(super) struct Incoming<'r, B> {
    pub(super) peer: &'r Peer,
    pub(super) request: Request<B>,
    pub(super) id: &'r str,
}
