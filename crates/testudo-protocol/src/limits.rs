//! Every bound on input, with its unit and its reason. A bound that an administrator may change is in the configuration
//! instead.

/// Form body of any protocol endpoint, bytes. The largest legal request (one assertion, a few parameters) is
/// under 20 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Header section of one request, bytes.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Heads, bodies and answers of all requests in flight together, bytes. Further requests are answered with 503, so that
/// memory is bounded for any number and size of requests.
pub const REQUESTS_BYTES_MAX: usize = 128 * 1024 * 1024;
/// The same bound for requests to `admin.listen`, and another for requests to the admin socket, bytes. They are
/// separate, so that probes, metrics and administration still work while the public listeners are flooded.
pub const ADMIN_REQUESTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Memory that is counted for each request in flight besides head, body and answer (task and buffers), bytes.
pub const REQUEST_BYTES: usize = 8 * 1024;
/// Parameters in one form.
pub const FORM_PARAMETERS_MAX: usize = 64;
/// A parameter that is a name or an identifier, bytes. [RFC6749 A] sets no bound; this is the bound of SPIFFE IDs.
pub const IDENTIFIER_BYTES_MAX: usize = 2048;
/// A `scope` parameter, bytes.
pub const SCOPE_BYTES_MAX: usize = 4096;
/// Scope values in one request.
pub const SCOPE_VALUES_MAX: usize = 128;
/// `resource` parameters in one request. [RFC8707 §2]
pub const RESOURCES_MAX: usize = 8;

/// The parameters of one authorization request that are kept until the person has signed in, bytes. Until then they
/// are in a URL of the sign-in page, and many servers and proxies accept no URL above 16 KiB.
pub const AUTHORIZATION_REQUEST_BYTES_MAX: usize = 8 * 1024;
/// `state` of an authorization request, bytes. It is returned in a URL.
pub const STATE_BYTES_MAX: usize = 2048;
/// `acr_values` of an authorization request, bytes.
pub const ACR_VALUES_BYTES_MAX: usize = 1024;
/// Values in `acr_values`.
pub const ACR_VALUES_MAX: usize = 16;
/// `login_hint`, bytes. An e-mail address has 254 at most.
pub const LOGIN_HINT_BYTES_MAX: usize = 512;
/// `max_age`, seconds: ten years. Above it, the parameter limits nothing.
pub const MAX_AGE_SECONDS_MAX: i64 = 315_360_000;
/// `exp` of a request object, seconds ahead. An older one is a request that was recorded.
pub const REQUEST_OBJECT_LIFETIME_SECONDS_MAX: i64 = 3_600;

/// One JWS in compact form, bytes, before any decoding.
pub const ASSERTION_BYTES_MAX: usize = 16 * 1024;
/// A decoded JOSE header, bytes.
pub const JOSE_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Nesting of JSON in a header or in claims.
pub const JSON_DEPTH_MAX: usize = 8;
/// Members of one JSON object in a header, in claims or in a key. The time to detect duplicates grows with its square.
pub const JSON_MEMBERS_MAX: usize = 64;
/// Values of an `aud` array that are read; only an array with one value is accepted.
pub const AUDIENCES_MAX: usize = 4;
/// `kid`, bytes.
pub const KEY_ID_BYTES_MAX: usize = 512;
/// `jti`, bytes.
pub const JWT_ID_BYTES_MAX: usize = 512;
/// Keys that are tried for a token without `kid`; each costs a signature verification. A valid token may need all of
/// them, because its key may be the last one, so a refused token costs no more than a valid one can.
pub const KEYS_WITHOUT_KID_MAX: usize = 8;

/// Certificates in a client's chain: the leaf and at most four more. The longest valid chain that we have seen has four
/// certificates.
pub const CHAIN_CERTIFICATES_MAX: usize = 5;
/// Certificates that a client may send in a TLS handshake. More than [`CHAIN_CERTIFICATES_MAX`] are refused by an HTTP
/// answer with the reason, more than this number by a TLS alert.
pub const HANDSHAKE_CERTIFICATES_MAX: usize = 10;
/// One certificate, bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;
/// Extensions of one certificate; each is parsed. Usual certificates have about ten.
pub const CERTIFICATE_EXTENSIONS_MAX: usize = 20;
/// One extension of a certificate, bytes. The largest usual extension is the list of a host's names.
pub const CERTIFICATE_EXTENSION_BYTES_MAX: usize = 4 * 1024;
/// The subject or the issuer of a certificate, bytes. Each attribute is read into a separate allocation.
pub const CERTIFICATE_NAME_BYTES_MAX: usize = 1024;
/// Authorities of a trust domain that are tried for one chain, if several have the name of the chain's last issuer.
/// Each costs a signature verification; a chain that none of them signed costs no more than this.
pub const AUTHORITIES_TRIED_MAX: usize = 4;

/// A SPIFFE ID, bytes. [SPIFFE-ID §2.3]
pub const SPIFFE_ID_BYTES_MAX: usize = 2048;
/// A trust domain name, bytes. [SPIFFE-ID §2.3]
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;

/// A bundle or key set document, bytes.
pub const BUNDLE_BYTES_MAX: usize = 1024 * 1024;
/// The metadata document of another issuer, bytes.
pub const ISSUER_METADATA_BYTES_MAX: usize = 64 * 1024;
/// Keys in one bundle or key set.
pub const BUNDLE_KEYS_MAX: usize = 1000;
/// Minimum size of an RSA modulus, bits: a shorter key is weak.
pub const RSA_BITS_MIN: usize = 2048;
/// Maximum size of the RSA modulus of an authority's key, bits: each verification with a longer key costs too much CPU.
pub const RSA_BITS_MAX: usize = 8192;
/// Maximum size of the RSA modulus of a client's key, bits. With 8192 bits, one request with the key of an unknown
/// client would cost 60 times the CPU of a request with a bad ES256 signature.
pub const CLIENT_RSA_BITS_MAX: usize = 4096;

/// A software statement that is not one JWS, bytes: a credential with its disclosures and the proof of its holder.
pub const CREDENTIAL_BYTES_MAX: usize = 32 * 1024;
/// Disclosures of one SD-JWT. Each costs a digest and a parse.
pub const DISCLOSURES_MAX: usize = 64;
/// One disclosure, bytes, before it is decoded.
pub const DISCLOSURE_BYTES_MAX: usize = 4 * 1024;
/// A DID, bytes. The longest usual one is a `did:jwk` of an RSA key.
pub const DID_BYTES_MAX: usize = 2048;
/// A DID document, bytes.
pub const DID_DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Verification methods of a DID document that are read.
pub const DID_DOCUMENT_KEYS_MAX: usize = 50;
/// The metadata document of an issuer of credentials, bytes. It may contain the key set itself.
pub const CREDENTIAL_ISSUER_METADATA_BYTES_MAX: usize = 256 * 1024;
/// Certificates of the authorities of an issuer of credentials.
pub const CREDENTIAL_AUTHORITIES_MAX: usize = 100;
/// A status list as it is sent, bytes: a million credentials of which every second one is revoked need 0.3 MiB.
pub const STATUS_LIST_TOKEN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The status values of one list, bytes after decompression: 2^26 entries of one bit. The compression ratio is not
/// limited, because a list without revoked credentials compresses 1,000 : 1.
pub const STATUS_LIST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The answer of an OpenID provider's token endpoint, bytes. It contains an ID token of at most 16 KiB.
pub const PROVIDER_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Values in `aud` of an ID token. Some providers list all clients of one project.
pub const ID_TOKEN_AUDIENCES_MAX: usize = 32;
/// `sub` of an ID token, bytes. [OIDCC §2]
pub const SUBJECT_BYTES_MAX: usize = 255;
/// A name or an e-mail address of a person, bytes.
pub const PERSON_LABEL_BYTES_MAX: usize = 255;
/// Groups of a person at one provider.
pub const GROUPS_MAX: usize = 500;
/// The name of a group, bytes.
pub const GROUP_BYTES_MAX: usize = 256;

/// Sign-ins of people from one address per minute: each writes a session. Many people can share an address.
pub const SIGN_INS_PER_MINUTE_PER_ADDRESS: u32 = 120;

/// Passkey ceremonies that browsers at one address begin per minute: each writes a record for five minutes. A person may
/// begin several times until the authenticator is at hand.
pub const CEREMONIES_PER_MINUTE_PER_ADDRESS: u32 = 240;
/// The longest answer of a browser to a ceremony, bytes of JSON. Only attestations are longer, and none is asked for.
pub const PASSKEY_ANSWER_BYTES_MAX: usize = 16 * 1024;
