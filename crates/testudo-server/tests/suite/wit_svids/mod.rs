//! WIT-SVIDs at the token endpoint: a SPIFFE ID with the key of its workload. Rows of sections E and F.

mod clients;
mod configuration;
mod credentials;
mod faults;
mod nodes;
mod proofs;
mod workload_proofs;

use crate::world::{ISSUER, RULES, World, assert_answer_form, domains};
use serde_json::{Value, json};
use testudo_protocol::jose::{Algorithm, SigningKey};
use testudo_testkit::http::{Answer, Connection};
use testudo_testkit::token::Draft;
use testudo_testkit::{form, generate_key};

const WORKLOAD: &str = "spiffe://a.example/x/4";
const WIT: &str = "OAuth-Client-Attestation";
const POP: &str = "OAuth-Client-Attestation-PoP";

/// A server whose trust domains a and b have WIT keys, and a workload of a with a key.
struct Wits {
    world: World,
    a: SigningKey,
    b: SigningKey,
    key: SigningKey,
}

impl Wits {
    /// Trust domain b requires challenges, a does not.
    async fn start() -> Wits {
        Wits::start_with("", RULES).await
    }

    /// A server with this section `tokens`.
    async fn start_with(tokens: &str, rules: &str) -> Wits {
        let accepted = "credentials = [\"jwt_svid\", \"wit_svid\"]";
        let of_a = format!("{accepted}\nchallenge = \"none\"");
        let name_of_b = "name = \"b.example\"\n";
        let domains = domains(&of_a).replacen(name_of_b, &format!("{name_of_b}{accepted}\n"), 1);
        Wits::over(World::start_with(&format!("{tokens}\n{domains}"), rules).await).await
    }

    /// A server that accepts X.509-SVIDs, with this value of `challenge`.
    async fn beside_certificates(world: World, challenge: &str) -> Wits {
        accept(&world, challenge).await;
        Wits::over(world).await
    }

    /// Adds WIT keys to the bundles of a server.
    async fn over(world: World) -> Wits {
        let wits = Wits {
            world,
            a: generate_key(Algorithm::ES256, Some("wa1")),
            b: generate_key(Algorithm::ES256, Some("wb1")),
            key: generate_key(Algorithm::ES256, None),
        };
        wits.publish("a", &[&wits.a]).await;
        wits.publish("b", &[&wits.b]).await;
        wits
    }

    async fn publish(&self, name: &str, keys: &[&SigningKey]) {
        publish(&self.world, name, keys).await;
    }

    /// The WIT-SVID of the workload.
    fn wit(&self) -> Draft<'_> {
        self.signed_by(&self.a)
    }

    fn signed_by<'k>(&self, issuer: &'k SigningKey) -> Draft<'k> {
        Draft::wit_svid(issuer, WORKLOAD, &self.key, self.world.now())
    }

    /// `cnf.jwk` of the WIT-SVID, with one member changed.
    fn jwk(&self, member: &str, value: Value) -> Value {
        let mut jwk = self.wit().claims["cnf"]["jwk"].clone();
        jwk[member] = value;
        jwk
    }

    fn pop(&self, jti: &str) -> Draft<'_> {
        Draft::attestation_pop(&self.key, ISSUER, jti, self.world.now())
    }

    fn dpop<'k>(&self, key: &'k SigningKey, jti: &str) -> Draft<'k> {
        Draft::dpop(key, "https://as.example/token", jti, self.world.now())
    }

    /// A token request with these header fields and parameters.
    async fn send(&self, headers: &[(&str, &str)], parameters: &[(&str, &str)]) -> Answer {
        send(&mut self.world.connect().await, headers, parameters).await
    }

    /// A token request with this WIT-SVID and these proofs, each in its header field.
    async fn prove(&self, wit: &Draft<'_>, proofs: &[(&str, &Draft<'_>)]) -> Answer {
        let wit = wit.sign();
        let proofs: Vec<(&str, String)> = proofs.iter().map(|(name, proof)| (*name, proof.sign())).collect();
        let proofs = proofs.iter().map(|(name, proof)| (*name, proof.as_str()));
        let headers: Vec<(&str, &str)> = [(WIT, wit.as_str())].into_iter().chain(proofs).collect();
        self.send(&headers, &[]).await
    }

    /// A token request with this WIT-SVID and a valid PoP.
    async fn show(&self, wit: &Draft<'_>, jti: &str) -> Answer {
        self.prove(wit, &[(POP, &self.pop(jti))]).await
    }

    async fn metadata(&self) -> Value {
        let mut connection = self.world.connect().await;
        let answer = connection.get("/.well-known/oauth-authorization-server").await;
        answer.json()
    }
}

/// Lets trust domain a, which accepts JWT- and X.509-SVIDs, accept WIT-SVIDs.
pub async fn accept(world: &World, challenge: &str) {
    let path = world.folder.join("testudo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = format!("\"x509_svid\", \"wit_svid\"]\nchallenge = \"{challenge}\"");
    let accepted = text.replacen("\"x509_svid\"]", &more, 1);
    assert_ne!(accepted, text);
    std::fs::write(&path, accepted).unwrap();
    world.admin("POST", "/admin/v1/reload", json!({})).await;
}

/// Writes the bundle of a trust domain with these WIT keys, and has it read.
pub async fn publish(world: &World, name: &str, keys: &[&SigningKey]) {
    let path = world.folder.join(format!("{name}.json"));
    let mut bundle: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let all = bundle["keys"].as_array_mut().unwrap();
    all.retain(|key| key["use"] != "wit-svid");
    all.extend(keys.iter().map(|key| key.public_jwk("wit-svid", true)));
    std::fs::write(path, bundle.to_string()).unwrap();
    let path = format!("/admin/v1/trust/{name}.example/refresh");
    world.admin("POST", &path, json!({})).await;
}

/// A token request over this connection.
async fn send(connection: &mut Connection, headers: &[(&str, &str)], parameters: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("content-type", "application/x-www-form-urlencoded")];
    fields.extend(headers);
    let parameters = [&[("grant_type", "client_credentials")], parameters].concat();
    let answer = connection
        .send("POST", "/token", &fields, form(&parameters))
        .await;
    assert_answer_form(&answer);
    answer
}
