// An authorization server of another project that accepts client attestations. It prints its issuer URL.
// ATTESTER_JWK: the public key of the attester. CLIENT_ID, BOUND_CLIENT_ID: a client that sends PoPs, and one that sends
// DPoP proofs in their place. RESOURCE: the API.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { importJWK } from "jose";
import { Provider } from "oidc-provider";

const { ATTESTER_JWK, CLIENT_ID, BOUND_CLIENT_ID, RESOURCE } = process.env;
const attester = await importJWK(JSON.parse(ATTESTER_JWK), "ES256");
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const client = (client_id, token_endpoint_auth_method) => ({
    client_id,
    token_endpoint_auth_method,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
  });
  const provider = new Provider(issuer, {
    clients: [
      client(CLIENT_ID, "attest_jwt_client_auth"),
      client(BOUND_CLIENT_ID, "attest_jwt_client_auth_dpop"),
    ],
    clientAuthMethods: ["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"],
    scopes: ["orders.read"],
    features: {
      attestClientAuth: {
        enabled: true,
        ack: "draft-12",
        challengeSecret: randomBytes(32),
        getAttestationSignaturePublicKey: () => attester,
        assertAttestationJwtAndPop: () => {},
      },
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: randomBytes(32) },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: "orders.read", audience: RESOURCE, accessTokenFormat: "jwt" }),
      },
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
