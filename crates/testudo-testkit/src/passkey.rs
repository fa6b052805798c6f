//! An authenticator as a program: it makes passkeys and signs with them, as browsers and their authenticators do together.
//! What it states can be changed, so that a test shows which statement a server must refuse. [WEBAUTHN §6]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testudo_protocol::jose::sha256;

/// The user is present. [WEBAUTHN §6.1]
pub const PRESENT: u8 = 0x01;
/// The user was verified.
pub const VERIFIED: u8 = 0x04;
/// The passkey can be copied to other devices of the user.
pub const BACKUP_ELIGIBLE: u8 = 0x08;
/// The passkey is copied.
pub const BACKED_UP: u8 = 0x10;
/// The data contains a new public key.
const HAS_KEY: u8 = 0x40;

/// An authenticator with its passkeys, and the browser in front of it.
pub struct Authenticator {
    /// The origin that the browser states.
    pub origin: String,
    /// The RP ID that the authenticator states; `None`: that of the options, or the host of the origin.
    pub rp_id: Option<String>,
    /// The challenge that the browser states; `None`: that of the options.
    pub challenge: Option<String>,
    /// What the browser states that it did; `None`: what it did.
    pub kind: Option<&'static str>,
    /// True if the browser states that a page of another origin contains the page.
    pub is_cross_origin: bool,
    /// What the authenticator states of the user.
    pub flags: u8,
    /// By how much the counter of a passkey grows with each use; 0: it has no counter.
    pub step: u32,
    /// The passkeys.
    pub passkeys: Vec<Passkey>,
}

/// A passkey.
pub struct Passkey {
    /// The credential id.
    pub id: Vec<u8>,
    /// The user handle.
    pub user: Vec<u8>,
    /// The signature counter.
    pub counter: u32,
    pair: EcdsaKeyPair,
}

impl Authenticator {
    /// An authenticator in front of a browser that opens pages of this origin. It verifies its user, and has a counter.
    pub fn new(origin: &str) -> Authenticator {
        Authenticator {
            origin: origin.to_owned(),
            rp_id: None,
            challenge: None,
            kind: None,
            is_cross_origin: false,
            flags: PRESENT | VERIFIED,
            step: 1,
            passkeys: Vec::new(),
        }
    }

    /// Makes a passkey, as `navigator.credentials.create` does with these options. Returns what the page sends to the
    /// server.
    pub fn create(&mut self, options: &Value) -> String {
        let text = |value: &Value| {
            URL_SAFE_NO_PAD
                .decode(value.as_str().expect("text"))
                .expect("base64url")
        };
        let algorithms = options["pubKeyCredParams"].as_array().expect("algorithms");
        assert!(algorithms.iter().any(|one| one["alg"] == json!(-7)), "{options}");
        let mut id = vec![0; 16];
        aws_lc_rs::rand::fill(&mut id).expect("randomness");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let passkey = Passkey {
            id,
            user: text(&options["user"]["id"]),
            counter: self.step,
            pair,
        };
        let rp_id = self.rp_id_of(&options["rp"]["id"]);
        let mut data = self.data(&rp_id, HAS_KEY, passkey.counter);
        data.extend([0; 16]);
        data.extend(u16::try_from(passkey.id.len()).expect("a short id").to_be_bytes());
        data.extend(&passkey.id);
        data.extend(passkey.cose_key());
        // {"fmt": "none", "attStmt": {}, "authData": …}
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData");
        object.extend(cbor_bytes(&data));
        let client_data = self.client_data("webauthn.create", options);
        let answer = answer(
            &passkey.id,
            json!({
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&client_data),
                "attestationObject": URL_SAFE_NO_PAD.encode(&object),
            }),
        );
        self.passkeys.push(passkey);
        answer
    }

    /// Signs with the newest passkey, as `navigator.credentials.get` does with these options. Returns what the page sends to
    /// the server.
    pub fn get(&mut self, options: &Value) -> String {
        let rp_id = self.rp_id_of(&options["rpId"]);
        let step = self.step;
        let passkey = self.passkeys.last_mut().expect("a passkey");
        passkey.counter += step;
        let counter = passkey.counter;
        let data = self.data(&rp_id, 0, counter);
        let client_data = self.client_data("webauthn.get", options);
        let passkey = self.passkeys.last().expect("a passkey");
        let signed = [data.as_slice(), &sha256(&client_data)].concat();
        let signature = passkey
            .pair
            .sign(&SystemRandom::new(), &signed)
            .expect("a signature");
        answer(
            &passkey.id,
            json!({
                "clientDataJSON": URL_SAFE_NO_PAD.encode(&client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(&data),
                "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
                "userHandle": URL_SAFE_NO_PAD.encode(&passkey.user),
            }),
        )
    }

    fn rp_id_of(&self, option: &Value) -> String {
        let stated = self.rp_id.as_deref().or(option.as_str());
        stated.expect("the options have an RP ID").to_owned()
    }

    fn data(&self, rp_id: &str, more: u8, counter: u32) -> Vec<u8> {
        let mut data = sha256(rp_id.as_bytes()).to_vec();
        data.push(self.flags | more);
        data.extend(counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = self.challenge.as_deref().or(options["challenge"].as_str());
        let data = json!({
            "type": self.kind.unwrap_or(kind),
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": self.is_cross_origin,
        });
        data.to_string().into_bytes()
    }
}

impl Passkey {
    /// The public key, for ES256. (RFC 9053, section 7.1.1)
    fn cose_key(&self) -> Vec<u8> {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (&point[1..33], &point[33..65]);
        // {1 (kty): 2 (EC2), 3 (alg): -7 (ES256), -1 (crv): 1 (P-256), -2 (x): …, -3 (y): …}
        let mut key = b"\xa5\x01\x02\x03\x26\x20\x01\x21".to_vec();
        key.extend(cbor_bytes(x));
        key.push(0x22);
        key.extend(cbor_bytes(y));
        key
    }
}

/// A byte string in CBOR. (RFC 8949, section 3.1)
fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut text = match bytes.len() {
        length @ 0..24 => vec![0x40 | length as u8],
        length @ 24..256 => vec![0x58, length as u8],
        length => [
            &[0x59],
            u16::try_from(length).expect("short").to_be_bytes().as_slice(),
        ]
        .concat(),
    };
    text.extend(bytes);
    text
}

fn answer(id: &[u8], response: Value) -> String {
    let id = URL_SAFE_NO_PAD.encode(id);
    let answer = json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": response,
        "extensions": {},
    });
    answer.to_string()
}
