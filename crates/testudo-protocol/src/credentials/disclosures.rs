//! The disclosures of an SD-JWT: each replaces a digest in the payload by a value. [RFC9901 §4.2] [RFC9901 §7.1]
//!
//! A disclosure that nothing refers to, and a digest that occurs twice, refuse the whole SD-JWT: otherwise one signed
//! payload could be read in several ways. Each disclosure is read once, so nested disclosures cost no more than others.

use super::CredentialError;
use crate::json;
use crate::limits::{DISCLOSURE_BYTES_MAX, DISCLOSURES_MAX, JSON_DEPTH_MAX};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// A hash function of `_sd_alg`. [RFC9901 §4.1.1]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisclosureHash {
    /// `sha-256`, also where `_sd_alg` is missing.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl DisclosureHash {
    fn of(payload: &Map<String, Value>) -> Result<DisclosureHash, CredentialError> {
        match payload.get("_sd_alg").map(Value::as_str) {
            None | Some(Some("sha-256")) => Ok(DisclosureHash::Sha256),
            Some(Some("sha-384")) => Ok(DisclosureHash::Sha384),
            Some(Some("sha-512")) => Ok(DisclosureHash::Sha512),
            Some(_) => Err(CredentialError::member(
                "_sd_alg",
                "must be sha-256, sha-384 or sha-512",
            )),
        }
    }

    /// The digest of this text, as it stands in a payload. [RFC9901 §4.2.3] It is that of the encoded text, not of what
    /// the text encodes.
    pub fn digest(self, text: &str) -> String {
        let algorithm = match self {
            DisclosureHash::Sha256 => &digest::SHA256,
            DisclosureHash::Sha384 => &digest::SHA384,
            DisclosureHash::Sha512 => &digest::SHA512,
        };
        URL_SAFE_NO_PAD.encode(digest::digest(algorithm, text.as_bytes()))
    }
}

/// A payload in which every disclosed value stands in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Disclosed {
    /// The payload, without `_sd`, `_sd_alg` and placeholders.
    pub payload: Map<String, Value>,
    /// The hash function, which the proof of the holder uses as well.
    pub hash: DisclosureHash,
    /// The members at the top level that came from disclosures.
    pub disclosed: Vec<String>,
    /// The members at the top level whose value contains a disclosed one.
    pub disclosed_within: Vec<String>,
    /// What digests without a disclosure may conceal.
    pub concealed: Concealed,
}

/// What the digests without a disclosure may conceal. Decoys look the same. [RFC9901 §4.2.7]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concealed {
    /// Nothing: there is no such digest.
    Nothing,
    /// Values within the members that are shown.
    Within,
    /// Members of the payload itself, and perhaps values within others.
    Members,
}

/// Puts the disclosures into a payload whose signature verified.
pub fn resolve(payload: Map<String, Value>, disclosures: &[&str]) -> Result<Disclosed, CredentialError> {
    if disclosures.len() > DISCLOSURES_MAX {
        return Err(CredentialError::NotSdJwt("has more than 64 disclosures"));
    }
    let hash = DisclosureHash::of(&payload)?;
    let mut known = HashMap::with_capacity(disclosures.len());
    for (position, text) in disclosures.iter().enumerate() {
        let disclosure = Disclosure::parse(text, position)?;
        if known.insert(hash.digest(text), disclosure).is_some() {
            return Err(refused(position, "is sent twice"));
        }
    }
    let mut walk = Walk {
        known,
        seen: HashSet::new(),
        is_inside: false,
        used: 0,
    };
    let mut out = Disclosed {
        payload: Map::new(),
        hash,
        disclosed: Vec::new(),
        disclosed_within: Vec::new(),
        concealed: Concealed::Nothing,
    };
    let mut own = payload;
    own.remove("_sd_alg");
    let digests = walk.digests(&mut own)?;
    let conceals_members = digests.iter().any(|digest| !walk.known.contains_key(digest));
    for (name, value) in own {
        let used = walk.used;
        let value = walk.value(value, 1)?;
        if walk.used > used {
            out.disclosed_within.push(name.clone());
        }
        out.payload.insert(name, value);
    }
    for (name, value) in walk.members(digests, 1)? {
        if out.payload.contains_key(&name) {
            return Err(CredentialError::Disclosure {
                position: None,
                problem: "leads to a member that is there already",
            });
        }
        out.disclosed.push(name.clone());
        out.payload.insert(name, value);
    }
    // Every disclosure that was used has one digest of its own; the other digests have none.
    out.concealed = match (conceals_members, walk.seen.len() > walk.used) {
        (true, _) => Concealed::Members,
        (false, true) => Concealed::Within,
        (false, false) => Concealed::Nothing,
    };
    let unused = walk.known.into_values().min_by_key(|unused| unused.position);
    match unused {
        Some(unused) => Err(refused(
            unused.position,
            "has a digest that is not in the payload",
        )),
        None => Ok(out),
    }
}

fn refused(position: usize, problem: &'static str) -> CredentialError {
    CredentialError::Disclosure {
        position: Some(position),
        problem,
    }
}

/// A disclosure, read and not used yet.
struct Disclosure {
    position: usize,
    /// The name of a member; `None` for an element of an array.
    name: Option<String>,
    value: Value,
}

impl Disclosure {
    /// [RFC9901 §4.2.1 §4.2.2] Salt, name and value, or salt and value.
    fn parse(text: &str, position: usize) -> Result<Disclosure, CredentialError> {
        let refused = |problem| refused(position, problem);
        if text.len() > DISCLOSURE_BYTES_MAX {
            return Err(refused("is larger than 4 KiB"));
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| refused("is not canonical unpadded base64url"))?;
        let array = std::str::from_utf8(&bytes).map_err(|_| refused("is not UTF-8"))?;
        // An array is checked as the member of an object: depth, number of members, duplicates.
        let object = json::from_slice::<Map<String, Value>>(format!(r#"{{"d":{array}}}"#).as_bytes());
        let object = object.map_err(|_| refused("is not JSON within the limits"))?;
        let parts = match object.into_iter().next() {
            Some((_, Value::Array(parts))) => parts,
            Some(_) | None => return Err(refused("is not an array")),
        };
        let mut parts = parts.into_iter();
        let disclosure = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Value::String(_)), Some(value), None, None) => Disclosure {
                position,
                name: None,
                value,
            },
            (Some(Value::String(_)), Some(Value::String(name)), Some(value), None) => Disclosure {
                position,
                name: Some(name),
                value,
            },
            _ => {
                return Err(refused(
                    "must have salt, name and value, or salt and value, and the salt and the name must be strings",
                ));
            }
        };
        match disclosure.name.as_deref() {
            Some("_sd" | "..." | "_sd_alg") => {
                Err(refused("has the name of a member that SD-JWT itself uses"))
            }
            Some(_) | None => Ok(disclosure),
        }
    }
}

/// One pass over the payload and the disclosed values.
struct Walk {
    /// The disclosures that were not used yet, by digest.
    known: HashMap<String, Disclosure>,
    /// Every digest that was seen.
    seen: HashSet<String>,
    is_inside: bool,
    used: usize,
}

impl Walk {
    /// Takes the digests of an object out of it.
    fn digests(&mut self, object: &mut Map<String, Value>) -> Result<Vec<String>, CredentialError> {
        if self.is_inside && object.contains_key("_sd_alg") {
            return Err(CredentialError::member(
                "_sd_alg",
                "is allowed at the top level only",
            ));
        }
        self.is_inside = true;
        let digests = match object.remove("_sd") {
            None => Vec::new(),
            Some(Value::Array(digests)) => digests,
            Some(_) => return Err(CredentialError::member("_sd", "must be an array")),
        };
        if object.contains_key("...") {
            return Err(CredentialError::member(
                "...",
                "is allowed only alone, in an element of an array",
            ));
        }
        digests
            .into_iter()
            .map(|digest| match digest.as_str() {
                Some(digest) => self.once(digest.to_owned()),
                None => Err(CredentialError::member("_sd", "must contain strings only")),
            })
            .collect()
    }

    /// [RFC9901 §7.1 (4)] No digest occurs twice.
    fn once(&mut self, digest: String) -> Result<String, CredentialError> {
        if self.seen.insert(digest.clone()) {
            return Ok(digest);
        }
        Err(CredentialError::Disclosure {
            position: None,
            problem: "occurs twice",
        })
    }

    /// The members that the disclosures of these digests contain. A digest without a disclosure is ignored: it may be a
    /// decoy. [RFC9901 §4.2.7]
    fn members(
        &mut self,
        digests: Vec<String>,
        depth: usize,
    ) -> Result<Vec<(String, Value)>, CredentialError> {
        let mut members: Vec<(String, Value)> = Vec::new();
        for digest in digests {
            let Some(disclosure) = self.known.remove(&digest) else {
                continue;
            };
            self.used += 1;
            let position = disclosure.position;
            let Some(name) = disclosure.name else {
                return Err(refused(
                    position,
                    "is of an array element, and its digest is in an object",
                ));
            };
            if members.iter().any(|(known, _)| *known == name) {
                return Err(refused(position, "has a name that is there already"));
            }
            members.push((name, self.value(disclosure.value, depth + 1)?));
        }
        Ok(members)
    }

    fn value(&mut self, value: Value, depth: usize) -> Result<Value, CredentialError> {
        if depth > 2 * JSON_DEPTH_MAX {
            return Err(CredentialError::NotSdJwt("is nested too deep"));
        }
        match value {
            Value::Object(mut object) => {
                let digests = self.digests(&mut object)?;
                let mut out = Map::new();
                for (name, value) in object {
                    out.insert(name, self.value(value, depth + 1)?);
                }
                for (name, value) in self.members(digests, depth)? {
                    if out.insert(name, value).is_some() {
                        return Err(CredentialError::Disclosure {
                            position: None,
                            problem: "leads to a member that is there already",
                        });
                    }
                }
                Ok(Value::Object(out))
            }
            Value::Array(elements) => {
                let mut out = Vec::with_capacity(elements.len());
                for element in elements {
                    if let Some(element) = self.element(element, depth)? {
                        out.push(element);
                    }
                }
                Ok(Value::Array(out))
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Ok(plain),
        }
    }

    /// An element, where a placeholder stands for its disclosure, or for nothing. [RFC9901 §4.2.4.2]
    fn element(&mut self, element: Value, depth: usize) -> Result<Option<Value>, CredentialError> {
        let alone = element.as_object().filter(|object| object.len() == 1);
        let placeholder = alone.and_then(|object| object.get("..."));
        let Some(placeholder) = placeholder else {
            return self.value(element, depth + 1).map(Some);
        };
        let digest = placeholder
            .as_str()
            .ok_or(CredentialError::member("...", "must be a string"))?;
        let digest = self.once(digest.to_owned())?;
        let Some(disclosure) = self.known.remove(&digest) else {
            return Ok(None);
        };
        self.used += 1;
        if disclosure.name.is_some() {
            return Err(refused(
                disclosure.position,
                "is of a member, and its digest is in an array",
            ));
        }
        self.value(disclosure.value, depth + 1).map(Some)
    }
}
