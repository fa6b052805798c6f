//! What the parsers of a token request allocate for what a caller sends. Row PF-01.
//!
//! The global allocator of this test binary is that of `allocation-counter`, which counts for each thread alone. The inputs
//! are the same in each run; `fuzz/fuzz_targets/form.rs` looks for further ones with the same limit.

use crate::doors::{Presented, RequestHeaders, recognise};
use crate::grants::GrantRequest;
use crate::identity::{Authority, CredentialKind};
use crate::policy::{AuthorityPolicy, AuthorityUse, Issuers, Policy};
use crate::rejection::{Endpoint, Rejection};
use allocation_counter::AllocationInfo;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use testudo_protocol::jose::encode_segment;
use testudo_protocol::oauth::dpop::DpopProof;
use testudo_protocol::oauth::{ASSERTION_TYPE_JWT_BEARER, ASSERTION_TYPE_JWT_SPIFFE, Form};

const INPUTS: usize = 20_000;

/// An input is at most so large: the limit of a body.
const INPUT_BYTES_MAX: usize = testudo_protocol::limits::BODY_BYTES_MAX;

const KIB: u64 = 1024;

/// Bytes that the parsers may have allocated at one time, for each begun KiB of an input.
const HELD_PER_KIB_MAX: u64 = 8 * KIB;

/// Bytes that they may allocate in all, those included that they free.
const ALLOCATED_PER_KIB_MAX: u64 = 16 * KIB;

/// What of a token request is parsed before anything is verified.
struct Request {
    body: Vec<u8>,
    attestations: Vec<String>,
    dpop: Vec<String>,
}

impl Request {
    fn size(&self) -> usize {
        let fields = self.attestations.iter().chain(&self.dpop);
        self.body.len() + fields.map(String::len).sum::<usize>()
    }
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    NoForm,
    NoMechanism,
    NoCredential,
    /// A credential of this kind, whose signature comes next.
    Credential(&'static str),
}

/// Parses a request as the token endpoint does, up to the first signature.
fn parse(request: Request, policy: &Policy) -> (Reached, bool) {
    let Request {
        body,
        attestations,
        dpop,
    } = request;
    let has_proof = dpop.iter().any(|proof| DpopProof::parse(proof).is_ok());
    let Ok(mut form) = Form::parse(&body) else {
        return (Reached::NoForm, has_proof);
    };
    // A request without a grant is refused; the credential in it is parsed nevertheless, so that more is tested.
    if let Err(rejection) = GrantRequest::parse(&form) {
        assert_is_refusal(&rejection);
    }
    let client_id = form.get("client_id").map(str::to_owned);
    let headers = RequestHeaders {
        client_attestations: attestations,
        ..RequestHeaders::default()
    };
    let presented = match Presented::find(&mut form, headers) {
        Ok((presented, _)) => presented,
        Err(rejection) => {
            assert_is_refusal(&rejection);
            return (Reached::NoMechanism, has_proof);
        }
    };
    let presented = presented
        .of_client(client_id.as_deref(), policy, |_| false)
        .of_issuer(policy);
    let kind = presented.kind;
    match recognise(&presented) {
        Ok(credential) => {
            // The facts that would be gathered next.
            let _ = credential.lookups();
            (Reached::Credential(kind.name()), has_proof)
        }
        Err(rejection) => {
            assert_is_refusal(&rejection);
            (Reached::NoCredential, has_proof)
        }
    }
}

#[track_caller]
fn assert_is_refusal(rejection: &Rejection) {
    let answer = rejection.answer(Endpoint::None);
    assert!((400..500).contains(&answer.status), "{rejection:?}");
}

/// True if an input of this size may cost what was measured.
fn is_within_limits(size: usize, measured: &AllocationInfo) -> bool {
    let begun = (size as u64).div_ceil(KIB).max(1);
    measured.bytes_max <= begun * HELD_PER_KIB_MAX && measured.bytes_total <= begun * ALLOCATED_PER_KIB_MAX
}

// Row PF-01.
#[test]
fn parsers_of_a_token_request_never_panic_and_allocate_at_most_8_kib_for_each_kib_of_input() {
    let policy = policy();
    let mut random = Random(0x5eed_0f01);
    let mut reached: BTreeMap<Reached, usize> = BTreeMap::new();
    let (mut proofs, mut smallest, mut largest) = (0, usize::MAX, 0);
    for number in 0..INPUTS {
        let request = random.request();
        let size = request.size();
        (smallest, largest) = (smallest.min(size), largest.max(size));
        let mut came = (Reached::NoForm, false);
        let allocated = allocation_counter::measure(|| came = parse(request, &policy));
        assert!(
            is_within_limits(size, &allocated),
            "input {number} of {size} bytes, {came:?}: {allocated:?}"
        );
        *reached.entry(came.0).or_default() += 1;
        proofs += usize::from(came.1);
    }
    // The inputs reach every parser, and have every size.
    assert!(
        smallest <= 2 && largest > INPUT_BYTES_MAX - KIB as usize,
        "{smallest} {largest}"
    );
    for kind in [
        CredentialKind::JwtSvid,
        CredentialKind::PrivateKeyJwt,
        CredentialKind::IssuerJwt,
        CredentialKind::Kubernetes,
        CredentialKind::Attestation,
        CredentialKind::WitSvid,
        CredentialKind::Public,
    ] {
        let found = reached.get(&Reached::Credential(kind.name())).copied();
        assert!(found.unwrap_or_default() >= 30, "{kind:?}: {reached:?}");
    }
    for refused in [Reached::NoForm, Reached::NoMechanism, Reached::NoCredential] {
        assert!(
            reached.get(&refused).is_some_and(|count| *count >= 500),
            "{reached:?}"
        );
    }
    assert!(proofs >= 50, "{proofs}");
}

#[test]
fn code_that_allocates_more_than_a_limit_is_found() {
    for (held, times, is_found) in [
        (8 * 1024, 1, false),
        (8 * 1024 + 1, 1, true),
        (4 * 1024, 4, false),
        (4 * 1024, 5, true),
    ] {
        let measured = allocation_counter::measure(|| {
            for _ in 0..times {
                drop(vec![0_u8; held]);
            }
        });
        for size in [1, 1024] {
            assert_eq!(is_within_limits(size, &measured), !is_found, "{held} {times}");
        }
        assert!(is_within_limits(1025, &measured), "two KiB have begun");
    }
}

/// A policy with two issuers of tokens, so that the `iss` of assertions is read.
fn policy() -> Policy {
    let issuer = |kind, issuer: &str| {
        let mut trusted = AuthorityPolicy::of_tests();
        trusted.credentials = vec![kind];
        trusted.issuer = Some(issuer.to_owned());
        trusted.uses = vec![AuthorityUse::Client];
        trusted
    };
    let authorities = HashMap::from([
        (
            Authority::issuer("j1").unwrap(),
            issuer(CredentialKind::IssuerJwt, "https://j1.example"),
        ),
        (
            Authority::issuer("k1").unwrap(),
            issuer(CredentialKind::Kubernetes, "https://k1.example"),
        ),
    ]);
    Policy {
        issuers: Issuers::of(&authorities),
        authorities,
        ..Policy::of_tests()
    }
}

/// Numbers that are the same in each run. [xorshift64*]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn one_of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.below(all.len())]
    }

    /// A size between 1 and this, small ones as often as large ones.
    fn size(&mut self, max: usize) -> usize {
        let most = max >> self.below(max.ilog2() as usize + 1);
        1 + self.below(most)
    }

    fn request(&mut self) -> Request {
        if self.one_in(4) {
            let size = self.size(INPUT_BYTES_MAX);
            return Request {
                body: self.bytes(size),
                attestations: Vec::new(),
                dpop: Vec::new(),
            };
        }
        let mut request = self.valid_form();
        if self.one_in(3) {
            for _ in 0..=self.below(8) {
                self.change(&mut request.body);
            }
        }
        request
    }

    /// Text of a form, or bytes of any kind.
    fn bytes(&mut self, size: usize) -> Vec<u8> {
        const OF_FORMS: &[u8] = b"=&%+abc012.{}[]\":,-_ resource grant_type client_id";
        let is_text = !self.one_in(4);
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            bytes.push(match is_text {
                true => OF_FORMS[self.below(OF_FORMS.len())],
                false => self.next() as u8,
            });
        }
        bytes
    }

    /// Changes a byte, removes some, or repeats some.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.below(bytes.len());
        match self.below(3) {
            0 => bytes[at] = self.next() as u8,
            1 => {
                let end = (at + self.size(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + self.size(1024)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
                bytes.truncate(INPUT_BYTES_MAX);
            }
        }
    }

    /// A request with one credential, or none, whose parts are in most cases well-formed.
    fn valid_form(&mut self) -> Request {
        let mut parameters: Vec<(String, String)> = vec![(
            "grant_type".into(),
            self.one_of(&["client_credentials", "authorization_code", "refresh_token", "x"])
                .into(),
        )];
        let (mut attestations, mut dpop) = (Vec::new(), Vec::new());
        match self.below(4) {
            0 => {
                let kinds = [ASSERTION_TYPE_JWT_SPIFFE, ASSERTION_TYPE_JWT_BEARER];
                parameters.push(("client_assertion_type".into(), self.one_of(&kinds).into()));
                parameters.push((
                    "client_assertion".into(),
                    self.jws(&["JWT", "client-authentication+jwt"]),
                ));
            }
            1 => attestations.push(self.jws(&["wit+jwt", "oauth-client-attestation+jwt"])),
            _ => parameters.push(("client_id".into(), self.text(64))),
        }
        if self.one_in(3) {
            dpop.push(self.jws(&["dpop+jwt"]));
        }
        let names = [
            "scope",
            "resource",
            "code",
            "code_verifier",
            "refresh_token",
            "redirect_uri",
            "y",
        ];
        let count = self.below(8);
        for name in names.into_iter().take(count) {
            let name = match self.one_in(8) {
                true => self.text(16),
                false => name.to_owned(),
            };
            let most = self.size(INPUT_BYTES_MAX / 8);
            parameters.push((name, self.text(most)));
        }
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let mut body = form.extend_pairs(parameters).finish();
        // Many small parameters, or one that is as long as the limit of a body allows.
        match self.below(16) {
            0 => body.extend((0..self.size(256)).map(|number| format!("&p{number}=%41"))),
            1 => {
                let rest = INPUT_BYTES_MAX.saturating_sub(body.len() + 4);
                body.push_str("&z=");
                body.push_str(&"%41".repeat(self.size(rest.max(3)) / 3));
            }
            2 => {
                let rest = INPUT_BYTES_MAX.saturating_sub(body.len() + 4);
                body.push_str("&z=");
                body.push_str(&"a".repeat(rest));
            }
            _ => {}
        }
        let mut body = body.into_bytes();
        body.truncate(INPUT_BYTES_MAX);
        Request {
            body,
            attestations,
            dpop,
        }
    }

    fn text(&mut self, most: usize) -> String {
        let size = self.size(most);
        let letters = ["a", "b7", "-", "_", ".", "%", " ", "\u{e9}", "\u{1f600}"];
        let plain = self.one_in(2);
        let mut text = String::new();
        while text.len() < size {
            text.push_str(match plain {
                true => "Ab9",
                false => self.one_of(&letters),
            });
        }
        text
    }

    /// A token of one of these types, without a valid signature.
    fn jws(&mut self, types: &[&str]) -> String {
        let typ = self.one_of(types);
        let alg = self.one_of(&["ES256", "ES256", "RS256", "EdDSA", "none", "HS256"]);
        let mut header = format!(r#"{{"alg":"{alg}","typ":"{typ}""#);
        if typ == "dpop+jwt" {
            header.push_str(r#","jwk":"#);
            header.push_str(JWK);
        } else {
            header.push_str(r#","kid":"k""#);
        }
        let mut claims = String::from(r#"{"exp":1795000240,"iat":1795000000,"nbf":1795000000"#);
        for (name, values) in CLAIMS {
            if !self.one_in(24) {
                write!(claims, r#","{name}":{}"#, self.one_of(values)).unwrap();
            }
        }
        for (number, part) in [(8, &mut header), (4, &mut claims)] {
            if self.one_in(number) {
                for member in 0..self.size(80) {
                    let value = self.json(0);
                    write!(part, r#","m{member}":{value}"#).unwrap();
                }
            }
            part.push('}');
        }
        let mut token = String::new();
        encode_segment(header.as_bytes(), &mut token);
        token.push('.');
        encode_segment(claims.as_bytes(), &mut token);
        token.push('.');
        let most = if self.one_in(16) { 4096 } else { 64 };
        let size = self.size(most);
        let signature = self.bytes(size);
        encode_segment(&signature, &mut token);
        token
    }

    /// A value of JSON: shallow and long, or deep.
    fn json(&mut self, depth: usize) -> String {
        match self.below(6) {
            0 => self.next().to_string(),
            1 => format!("[{}1]", "1,".repeat(self.size(200))),
            2 => format!("[{}\"\"]", "\"\",".repeat(self.size(200))),
            3 if depth < 12 => format!(
                "{{\"a\":{},\"b\":[{}]}}",
                self.json(depth + 1),
                self.json(depth + 1)
            ),
            4 => format!("\"{}\"", "\\u0041".repeat(self.size(100))),
            _ => format!("\"{}\"", "x".repeat(self.size(2000))),
        }
    }
}

/// The key of the example in RFC 7515, A.3.
const JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// Claims with values that some credential has, and some that none has.
const CLAIMS: [(&str, &[&str]); 9] = [
    (
        "sub",
        &[
            r#""spiffe://a.example/x/1""#,
            r#""spiffe://a.example/x/1""#,
            r#""c6""#,
            "7",
        ],
    ),
    (
        "aud",
        &[
            r#""https://as.example""#,
            r#"["https://as.example"]"#,
            r#"["a","b","c","d","e"]"#,
        ],
    ),
    (
        "iss",
        &[
            r#""c6""#,
            r#""c6""#,
            r#""https://j1.example""#,
            r#""https://j1.example""#,
            r#""https://k1.example""#,
            r#""https://k1.example""#,
            r#""https://at1.example""#,
            "[]",
        ],
    ),
    (
        "kubernetes.io",
        &[
            r#"{"namespace":"shop","serviceaccount":{"name":"orders","uid":"u1"},"pod":{"name":"orders-1","uid":"u2"},"node":{"name":"n1","uid":"u3"}}"#,
            r#"{"namespace":"shop","serviceaccount":{"name":"orders","uid":"u1"}}"#,
            r#"{"namespace":[]}"#,
        ],
    ),
    ("jti", &[r#""1""#, r#""0d1c6d6a-91d5-4f5a-8b57-2d6a3a1f1b11""#]),
    ("htm", &[r#""POST""#]),
    ("htu", &[r#""https://as.example/token""#]),
    ("ath", &[r#""fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo""#]),
    (
        "cnf",
        &[
            r#"{"jwk":{"kty":"EC","alg":"ES256","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}}"#,
            r#"{"jwk":{"kty":"EC"}}"#,
        ],
    ),
];
