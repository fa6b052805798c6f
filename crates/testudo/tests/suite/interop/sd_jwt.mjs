// An issuer and a holder of SD-JWT VCs, made with libraries of another project. The keys are in the folder FOLDER; if it has
// none, they are created, and the key set of the issuer is written. It prints a presentation for the server ISSUER, and
// writes a status list in which the second entry is revoked.
// NONCE: the nonce of the server. STATUS_URI: the URL of the list. INDEX: the entry of the credential.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ES256, digest, generateSalt } from "@sd-jwt/crypto-nodejs";
import { StatusList, createHeaderAndPayload } from "@sd-jwt/jwt-status-list";
import { SDJwtVcInstance } from "@sd-jwt/sd-jwt-vc";
import { SignJWT, importJWK } from "jose";

const { FOLDER, ISSUER, NONCE, STATUS_URI, INDEX } = process.env;
const file = `${FOLDER}/keys.json`;
if (!existsSync(file)) {
  const keys = { issuer: await ES256.generateKeyPair(), holder: await ES256.generateKeyPair() };
  writeFileSync(file, JSON.stringify(keys));
  const { kty, crv, x, y } = keys.issuer.publicKey;
  writeFileSync(`${FOLDER}/jwks.json`, JSON.stringify({ keys: [{ kty, crv, x, y, kid: "k1" }] }));
}
const { issuer, holder } = JSON.parse(readFileSync(file));
const now = Math.floor(Date.now() / 1000);

const list = new StatusList([0, 1, 0, 0, 0, 0, 0, 0], 1);
const claims = { iss: "https://issuer.example", sub: STATUS_URI, iat: now, exp: now + 3600, ttl: 60 };
const { header, payload } = createHeaderAndPayload(list, claims, { alg: "ES256", kid: "k1" });
const signed = await new SignJWT(payload).setProtectedHeader(header).sign(await importJWK(issuer.privateKey, "ES256"));
writeFileSync(`${FOLDER}/list.jwt`, signed);

const sdjwt = new SDJwtVcInstance({
  signer: await ES256.getSigner(issuer.privateKey),
  signAlg: "ES256",
  kbSigner: await ES256.getSigner(holder.privateKey),
  kbSignAlg: "ES256",
  hasher: digest,
  hashAlg: "sha-256",
  saltGenerator: generateSalt,
});
const { kty, crv, x, y } = holder.publicKey;
const credential = await sdjwt.issue(
  {
    iss: "https://issuer.example",
    vct: "https://vct.example/oauth-client/1",
    sub: "urn:example:agent:7",
    iat: now,
    exp: now + 600,
    client_name: "Agent 7",
    redirect_uris: ["https://app.example/cb"],
    contacts: ["agent@app.example"],
    cnf: { jwk: { kty, crv, x, y } },
    status: { status_list: { idx: Number(INDEX), uri: STATUS_URI } },
  },
  { _sd: ["redirect_uris", "contacts"], _sd_decoy: 2 },
  { header: { kid: "k1" } },
);
const presentation = await sdjwt.present(
  credential,
  { redirect_uris: true },
  { kb: { payload: { iat: now, aud: ISSUER, nonce: NONCE } } },
);
console.log(presentation);
