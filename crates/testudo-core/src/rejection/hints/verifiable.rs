//! Hints for verifiable credentials.

use crate::rejection::VerifiableReason;
use std::borrow::Cow;

pub(in crate::rejection) fn of_verifiable(reason: &VerifiableReason) -> Cow<'static, str> {
    match reason {
        VerifiableReason::Refused(_) => {
            "compare the credential with the entry: its issuer, its keys (`testudo trust show NAME`), lifetime_max, and the clock of the issuer".into()
        }
        VerifiableReason::UnknownIssuer => {
            "to trust the issuer, add an [[issuers]] entry with kind = \"verifiable_credential\" and exactly its `iss` or `issuer`; a credential without `iss` needs jwks.x5c with a name of its certificate".into()
        }
        VerifiableReason::SeveralIssuers { .. } => {
            "the issuer must state iss; or only one entry must have this uri_san or dns_san, with the certificates of all its authorities in anchors".into()
        }
        VerifiableReason::FormatNotAllowed { issuer, format } => {
            format!("to accept it, add \"{format}\" to formats of {issuer}").into()
        }
        VerifiableReason::KeyIdMissing => {
            "the issuer must set kid to the DID URL of its key, such as did:web:issuer.example#key-1".into()
        }
        VerifiableReason::IssuerDiffers { .. } => {
            "iss, issuer and the DID in kid must all be `issuer` of the entry, byte for byte".into()
        }
        VerifiableReason::TypeNotAllowed { issuer, .. } => {
            format!("to accept the type, add it to types of {issuer}").into()
        }
        VerifiableReason::Concealed { claim } => {
            format!("the client must disclose {claim}; if the credential does not have it, the issuer must state it, or leave nothing to be disclosed, or attests, captures and claims of rules must not name it").into()
        }
        VerifiableReason::KeysMayBeConcealed => {
            "the client must disclose everything at the top level; if it does and this remains, the issuer must leave out decoy digests, or put the key of the client into cnf.jwk".into()
        }
        VerifiableReason::KeyWithdrawn { issuer } => {
            let name = issuer.name();
            format!("the client must register with a credential that a present key signed (`testudo trust show {name}`); if the key was removed by mistake, publish it again").into()
        }
        VerifiableReason::MemberNotAttested { member, .. } => {
            format!("the client must register again, and then does not get {member} from its credential").into()
        }
        VerifiableReason::LifetimeReduced { issuer } => {
            format!("the client must register with a newer credential, or one with a shorter lifetime; or raise lifetime_max of {issuer}").into()
        }
        VerifiableReason::RegisteredUnproven { .. } => {
            "the client must register again with a proof of its key".into()
        }
        VerifiableReason::RegisteredUnbound { .. } => {
            "the issuer must put the key of the client into cnf.jwk, and the client must register again".into()
        }
        VerifiableReason::Superseded => {
            "the client must register with its newest credential; if that one was issued by mistake, the issuer must issue another".into()
        }
        VerifiableReason::HolderKeysDiffer => {
            "the issuer must put the key of the DID of the subject into cnf, or leave cnf out".into()
        }
        VerifiableReason::HolderKeyMissing => {
            "the issuer must put the key of the client into cnf.jwk; without keys of holders, set holder_binding = \"none\" and list jwks in attests".into()
        }
        VerifiableReason::HolderProofMissing | VerifiableReason::HolderKeyNotProven => {
            "the client gets a registration_nonce from /challenge, and signs a KB-JWT (SD-JWT) or a presentation (JWT) with its key".into()
        }
        VerifiableReason::HolderCertificateDiffers => {
            "the client must connect with the certificate whose SHA-256 is cnf.x5t#S256 of its credential; after a change of the certificate it needs a new credential".into()
        }
        VerifiableReason::HolderProof(_) => {
            "the proof must have aud with the issuer identifier of this server alone, the present time in iat, and be signed with the key that the credential names".into()
        }
        VerifiableReason::NonceNotAccepted | VerifiableReason::ProofReplayed => {
            "the client must get a new registration_nonce from /challenge for each registration, and use it within five minutes".into()
        }
        VerifiableReason::NoClientKey => {
            "the issuer must put the key of the client into cnf.jwk; or list jwks in attests of the entry if the credential states jwks".into()
        }
        VerifiableReason::OtherKeysRegistered => {
            "if the client did not send this itself, another party has a copy of its credential; for another key, the issuer must issue a credential with the key in cnf.jwk".into()
        }
        VerifiableReason::ClientIdNotIdentity { rule } => {
            format!("remove client_id, client and {{instance}} from rule `{rule}`, or write another rule for these identities").into()
        }
    }
}
