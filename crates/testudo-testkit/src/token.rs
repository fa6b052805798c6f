//! Decodes tokens, and builds valid and broken ones.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testudo_protocol::jose::{SigningKey, sha256};

/// The claims of a compact JWS, unverified.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of a compact JWS.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

fn part(token: &str, position: usize) -> Value {
    let text = token.split('.').nth(position).expect("a compact JWS");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON")
}

/// A token of exactly these parts, which this function encodes as base64url.
pub fn assemble(header: &[u8], payload: &[u8], signature: &[u8]) -> String {
    [header, payload, signature]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".")
}

/// base64url of the SHA-256 of this text.
fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(text.as_bytes()))
}

/// A disclosure of an SD-JWT, and its digest. [RFC9901 §4.2]
pub fn disclosure(parts: &Value) -> (String, String) {
    let text = URL_SAFE_NO_PAD.encode(parts.to_string());
    let digest = digest(&text);
    (text, digest)
}

/// A token before it is signed: header and claims that a test can change, and the signing key.
pub struct Draft<'k> {
    /// Header.
    pub header: Value,
    /// Claims.
    pub claims: Value,
    key: &'k SigningKey,
    /// The secret of a MAC in place of the signature.
    secret: Option<Vec<u8>>,
}

impl<'k> Draft<'k> {
    /// A token with this header and these claims.
    pub fn new(key: &'k SigningKey, header: Value, claims: Value) -> Draft<'k> {
        Draft {
            header,
            claims,
            key,
            secret: None,
        }
    }

    /// A token of this `typ`, whose header names its key by `kid`.
    pub fn by_kid(key: &'k SigningKey, typ: &str, claims: Value) -> Draft<'k> {
        let header = json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": typ });
        Draft::new(key, header, claims)
    }

    /// A proof of this `typ`. Its header has no `kid`: the key is in the credential of the holder, or in the proof.
    fn proof(key: &'k SigningKey, typ: &str, claims: Value) -> Draft<'k> {
        Draft::new(key, json!({ "alg": key.algorithm().name(), "typ": typ }), claims)
    }

    /// A valid JWT-SVID of `subject` for `audience`, which expires 240 s after `now`.
    pub fn svid(key: &'k SigningKey, subject: &str, audience: &str, now: i64) -> Draft<'k> {
        Draft::by_kid(
            key,
            "JWT",
            json!({ "sub": subject, "aud": [audience], "exp": now + 240, "iat": now }),
        )
    }

    /// A valid `private_key_jwt` assertion.
    pub fn assertion(key: &'k SigningKey, client_id: &str, audience: &str, jti: &str, now: i64) -> Draft<'k> {
        Draft::by_kid(
            key,
            "client-authentication+jwt",
            json!({
                "iss": client_id, "sub": client_id, "aud": audience, "jti": jti, "exp": now + 240, "iat": now,
            }),
        )
    }

    /// A valid DPoP proof for a POST to `uri`. [RFC9449 §4.2]
    pub fn dpop(key: &'k SigningKey, uri: &str, jti: &str, now: i64) -> Draft<'k> {
        let jwk: Value = serde_json::from_str(&key.proof_jwk()).expect("JSON");
        let claims = json!({ "jti": jti, "htm": "POST", "htu": uri, "iat": now });
        Draft::proof(key, "dpop+jwt", claims).header("jwk", jwk)
    }

    /// A valid attestation that `attested` is a key of `client_id`. [ABCA §4]
    pub fn attestation(
        attester: &'k SigningKey,
        client_id: &str,
        attested: &SigningKey,
        now: i64,
    ) -> Draft<'k> {
        let jwk: Value = serde_json::from_str(&attested.proof_jwk()).expect("JSON");
        Draft::by_kid(
            attester,
            "oauth-client-attestation+jwt",
            json!({
                "sub": client_id, "iat": now, "exp": now + 3600, "cnf": { "jwk": jwk },
            }),
        )
    }

    /// A valid WIT-SVID of `subject`, with the key of its workload. [WIT-SVID §3]
    pub fn wit_svid(issuer: &'k SigningKey, subject: &str, workload: &SigningKey, now: i64) -> Draft<'k> {
        let mut draft = Draft::attestation(issuer, subject, workload, now).header("typ", "wit+jwt");
        draft.claims["cnf"]["jwk"]["alg"] = workload.algorithm().name().into();
        draft
    }

    /// A valid token of the Kubernetes service account `NAMESPACE/NAME`, which is bound to no pod. [K8S-ACCOUNTS]
    pub fn service_account(
        cluster: &'k SigningKey,
        issuer: &str,
        account: &str,
        audience: &str,
        now: i64,
    ) -> Draft<'k> {
        let (namespace, account) = account.split_once('/').expect("NAMESPACE/NAME");
        Draft::new(
            cluster,
            json!({ "alg": cluster.algorithm().name(), "kid": cluster.kid() }),
            json!({
                "iss": issuer, "sub": format!("system:serviceaccount:{namespace}:{account}"), "aud": [audience],
                "iat": now, "nbf": now, "exp": now + 600, "jti": "8f1c5a6e",
                "kubernetes.io": {
                    "namespace": namespace,
                    "serviceaccount": { "name": account, "uid": format!("uid-of-{account}") },
                },
            }),
        )
    }

    /// The JWT of a valid SD-JWT VC about `subject`, with the key of its holder. [SD-JWT-VC §2.2]
    pub fn sd_jwt_vc(
        key: &'k SigningKey,
        [issuer, vct, subject]: [&str; 3],
        holder: &SigningKey,
        now: i64,
    ) -> Draft<'k> {
        Draft::attestation(key, subject, holder, now)
            .header("typ", "dc+sd-jwt")
            .claim("iss", issuer)
            .claim("vct", vct)
    }

    /// A valid credential of data model 2.0 about `subject`, with the key of its holder. [VC-JOSE-COSE §3.1.1]
    pub fn vc_jwt(
        key: &'k SigningKey,
        [issuer, name, subject]: [&str; 3],
        holder: &SigningKey,
        now: i64,
    ) -> Draft<'k> {
        Draft::attestation(key, subject, holder, now)
            .without_claim("sub")
            .header("typ", "vc+jwt")
            .claim("@context", json!(["https://www.w3.org/ns/credentials/v2"]))
            .claim("type", json!(["VerifiableCredential", name]))
            .claim("issuer", issuer)
            .claim("credentialSubject", json!({ "id": subject }))
    }

    /// The proof of the holder of an SD-JWT that ends with a tilde. [RFC9901 §4.3]
    pub fn key_binding(
        holder: &'k SigningKey,
        sd_jwt: &str,
        audience: &str,
        nonce: &str,
        now: i64,
    ) -> Draft<'k> {
        let hash = digest(sd_jwt);
        Draft::proof(
            holder,
            "kb+jwt",
            json!({ "iat": now, "aud": audience, "nonce": nonce, "sd_hash": hash }),
        )
    }

    /// A presentation of one credential of data model 2.0. [VC-JOSE-COSE §3.1.2]
    pub fn presentation(
        holder: &'k SigningKey,
        credential: &str,
        audience: &str,
        nonce: &str,
        now: i64,
    ) -> Draft<'k> {
        Draft::proof(
            holder,
            "vp+jwt",
            json!({
                "iat": now, "aud": audience, "nonce": nonce,
                "@context": ["https://www.w3.org/ns/credentials/v2"],
                "type": ["VerifiablePresentation"],
                "verifiableCredential": [{
                    "@context": ["https://www.w3.org/ns/credentials/v2"],
                    "type": "EnvelopedVerifiableCredential",
                    "id": format!("data:application/vc+jwt,{credential}"),
                }],
            }),
        )
    }

    /// A valid proof of the attested key. [ABCA §5.1]
    pub fn attestation_pop(attested: &'k SigningKey, audience: &str, jti: &str, now: i64) -> Draft<'k> {
        Draft::proof(
            attested,
            "oauth-client-attestation-pop+jwt",
            json!({ "aud": audience, "jti": jti, "iat": now }),
        )
    }

    /// A valid Workload Proof Token for a request to `uri` with this WIT. [WPT §2]
    pub fn workload_proof(workload: &'k SigningKey, wit: &str, uri: &str, jti: &str, now: i64) -> Draft<'k> {
        let hash = digest(wit);
        Draft::proof(
            workload,
            "wpt+jwt",
            json!({ "aud": uri, "exp": now + 60, "jti": jti, "wth": hash }),
        )
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Draft<'k> {
        self.claims[name] = value.into();
        self
    }

    /// Sets the claims that are the members of this object.
    #[must_use]
    pub fn more_claims(mut self, more: &Value) -> Draft<'k> {
        for (name, value) in more.as_object().expect("an object") {
            self.claims[name] = value.clone();
        }
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Draft<'k> {
        self.claims.as_object_mut().expect("an object").remove(name);
        self
    }

    /// Sets a header parameter.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Draft<'k> {
        self.header[name] = value.into();
        self
    }

    /// Removes a header parameter.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Draft<'k> {
        self.header.as_object_mut().expect("an object").remove(name);
        self
    }

    /// With `alg` HS256 and a MAC with this secret in place of the signature.
    #[must_use]
    pub fn mac(mut self, secret: &[u8]) -> Draft<'k> {
        self.secret = Some(secret.to_vec());
        self.header("alg", "HS256")
    }

    /// Signs it.
    pub fn sign(&self) -> String {
        self.sign_text(&self.header.to_string(), &self.claims.to_string())
    }

    /// Signs exactly these texts, for JSON that `serde_json::Value` cannot represent.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let Some(secret) = &self.secret else {
            let signed = self.key.sign_compact(header.as_bytes(), claims.as_bytes());
            return signed.expect("signing");
        };
        let input = [header, claims]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
        let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}
