// People sign in at an OpenID provider of another project, oidc-provider. PROVIDER: its issuer, on loopback.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";
import { ISSUER, arrived, button, pushed, redeem, run, visitor } from "./browser.mjs";

const { PROVIDER, SECRET } = process.env;

const client = (client_id, more) => ({
  client_id,
  redirect_uris: [`${ISSUER}/login/callback/corp`],
  response_types: ["code"],
  grant_types: ["authorization_code"],
  ...more,
});
const provider = new Provider(PROVIDER, {
  clients: [
    client("by-key", {
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      jwks_uri: `${ISSUER}/login/jwks`,
    }),
    client("by-secret", { token_endpoint_auth_method: "client_secret_basic", client_secret: SECRET }),
  ],
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({
      sub,
      name: `${sub} Jones`,
      email: `${sub}@example.net`,
      email_verified: true,
      groups: ["staff"],
      hd: sub === "mallory" ? "other.example" : "example.net",
    }),
  }),
  claims: { openid: ["sub"], profile: ["name", "groups", "hd"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  // It fetches the keys of its client. Its own fetch refuses addresses on loopback.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
});
for (const event of ["grant.error", "server_error", "authorization.error"]) {
  provider.on(event, (_, error) => console.error(event, error.message, error.error_description, error.error_detail, error.cause));
}
const server = createServer(provider.callback());
await once(server.listen(new URL(PROVIDER).port, "127.0.0.1"), "listening");

/** Chooses the provider on the page of the server. */
const choose = (page) => page.getByRole("link", { name: "Company sign-in", exact: true }).click();

/** Types a name at the provider, and lets it tell the server who the person is. */
async function signInThere(page, name) {
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  await page.getByRole("button", { name: "Continue" }).click();
}

async function sign_in() {
  const page = await visitor();
  await page.goto(await pushed());
  await choose(page);
  await signInThere(page, "carol");
  await page.getByText("You are signed in as carol Jones").waitFor();
  await button(page, "Agree").click();
  const answer = await redeem(await arrived(page));
  const claims = JSON.parse(Buffer.from(answer.access_token.split(".")[1], "base64url"));
  assert.match(claims.sub, /^u_/);
  assert.ok(claims.auth_time > 0);
  await page.goto(`${ISSUER}/account`);
  await page.getByText("carol@example.net").waitFor();
}

async function again() {
  const page = await visitor();
  await page.goto(await pushed());
  await choose(page);
  await signInThere(page, "carol");
  await button(page, "Agree").waitFor();
  // The provider has a session too. With `prompt=login` it must ask nevertheless.
  await page.goto(await pushed({ prompt: "login" }));
  await choose(page);
  await page.locator("input[name=login]").waitFor();
}

async function refused() {
  const page = await visitor();
  await page.goto(await pushed());
  await choose(page);
  await signInThere(page, "mallory");
  await page.getByRole("heading", { name: /refused/ }).waitFor();
  assert.ok(page.url().startsWith(`${ISSUER}/login/callback/corp`), page.url());
  await page.goto(`${ISSUER}/account`);
  assert.ok(page.url().startsWith(`${ISSUER}/login`), "mallory is signed in");
  await page.context().close();

  const other = await visitor();
  await other.goto(await pushed());
  await choose(other);
  await other.getByRole("link", { name: /Cancel/ }).click();
  await other.getByRole("heading", { name: /refused/ }).waitFor();
}

await run({ sign_in, again, refused });
server.close();
