//! Every bound on input, with its unit and its reason. A bound that an administrator may change lives in the
//! configuration instead.

/// Form body of any protocol endpoint, bytes. The largest legal request (one assertion, a few parameters) is
/// under 20 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Header section of one request, bytes.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Heads, bodies and answers of all requests in flight together, bytes. Beyond, requests are answered 503: memory
/// stays bounded whatever connections send.
pub const REQUESTS_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The same for requests to `admin.listen`, and again for those to the admin socket, bytes. They have their own, so
/// that a flood of the public listeners leaves probes, metrics and administration alone.
pub const ADMIN_REQUESTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What one request in flight is taken to hold besides head, body and answer (its task, its buffers), bytes.
pub const REQUEST_BYTES: usize = 8 * 1024;
/// Parameters in one form.
pub const FORM_PARAMETERS_MAX: usize = 64;
/// A parameter that is a name or an identifier, bytes. [RFC6749 A] puts no bound; SPIFFE IDs have this one.
pub const IDENTIFIER_BYTES_MAX: usize = 2048;
/// A `scope` parameter, bytes.
pub const SCOPE_BYTES_MAX: usize = 4096;
/// Scope values in one request.
pub const SCOPE_VALUES_MAX: usize = 128;
/// `resource` parameters in one request. [RFC8707 §2]
pub const RESOURCES_MAX: usize = 8;

/// One JWS in compact form, bytes, before any decoding.
pub const ASSERTION_BYTES_MAX: usize = 16 * 1024;
/// A decoded JOSE header, bytes.
pub const JOSE_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Nesting of JSON in a header or in claims.
pub const JSON_DEPTH_MAX: usize = 8;
/// Members of any one JSON object in a header, in claims or in a key. Duplicate detection is quadratic in it.
pub const JSON_MEMBERS_MAX: usize = 64;
/// Values of an `aud` array that are looked at; one is ever accepted.
pub const AUDIENCES_MAX: usize = 4;
/// `kid`, bytes.
pub const KEY_ID_BYTES_MAX: usize = 512;
/// `jti`, bytes.
pub const JWT_ID_BYTES_MAX: usize = 512;
/// Keys tried for a token without `kid`. Each costs a signature verification. So many are tried for a good token
/// too, whose key may be the last one, so a refused token costs no more than the dearest good one.
pub const KEYS_WITHOUT_KID_MAX: usize = 8;

/// Certificates in a client's chain: the leaf and at most four more. The longest honest one seen has four in all.
pub const CHAIN_CERTIFICATES_MAX: usize = 5;
/// Certificates that a handshake may bring. What is over [`CHAIN_CERTIFICATES_MAX`] is refused by an answer that
/// the client can read, what is over this by an alert.
pub const HANDSHAKE_CERTIFICATES_MAX: usize = 10;
/// One certificate, bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// Extensions of one certificate. Honest ones have about ten; each is read.
pub const CERTIFICATE_EXTENSIONS_MAX: usize = 20;
/// One extension of a certificate, bytes. The largest honest one lists a host's names.
pub const CERTIFICATE_EXTENSION_BYTES_MAX: usize = 4 * 1024;
/// The subject or the issuer of a certificate, bytes. Each attribute of it is read into memory of its own.
pub const CERTIFICATE_NAME_BYTES_MAX: usize = 1024;
/// Authorities of a trust domain that are tried for one chain, where several have the name of its last issuer. Each
/// costs a signature verification, which is all that a stranger's chain costs.
pub const AUTHORITIES_TRIED_MAX: usize = 4;

/// A SPIFFE ID, bytes. [SPIFFE-ID §2.3]
pub const SPIFFE_ID_BYTES_MAX: usize = 2048;
/// A trust domain name, bytes. [SPIFFE-ID §2.3]
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// A bundle or key set document, bytes.
pub const BUNDLE_BYTES_MAX: usize = 1024 * 1024;
/// Keys in one bundle or key set.
pub const BUNDLE_KEYS_MAX: usize = 1000;
/// RSA modulus, bits. Below, the key is weak; above, one verification becomes a way to burn our CPU.
pub const RSA_BITS_MIN: usize = 2048;
/// See [`RSA_BITS_MIN`]. Of an authority's key.
pub const RSA_BITS_MAX: usize = 8192;
/// See [`RSA_BITS_MIN`]. Of a key that a client brings: with 8192 bits, a stranger's key would cost 60 times what a
/// bad ES256 signature costs.
pub const CLIENT_RSA_BITS_MAX: usize = 4096;
