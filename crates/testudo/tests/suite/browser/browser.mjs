// A person with Chromium: what the walks of this folder share. Node runs each of them with the variables of `mod.rs`.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { chromium } from "playwright-core";

export const { ISSUER, SVID_FILE, CLIENT_ID, RESOURCE, PICTURES } = process.env;
export const CALLBACK = "https://shop.example.net/callback";
/** Another site, which wants to misuse the session of the person. */
export const OTHER = "http://other.example";

/** How long a page may take, in milliseconds. The machine of the tests is small. */
const PATIENCE = 30_000;

/** What the other site shows, by path. */
export const shown = new Map();

const shop = (_request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>Shop</title><h1>The shop</h1>");
};
const other = (request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(`<!doctype html><title>Other</title>${shown.get(request.url) ?? ""}`);
};
const tls = { cert: await readFile("tls.crt"), key: await readFile("tls.key") };
const servers = [https.createServer(tls, shop), http.createServer(other)];
const [shopPort, otherPort] = await Promise.all(
  servers.map(async (server) => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    return server.address().port;
  }),
);

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    `--host-resolver-rules=MAP shop.example.net 127.0.0.1:${shopPort}, MAP other.example 127.0.0.1:${otherPort}`,
  ],
});

/** A browser profile of its own, with one page. `page.faults` has what the browser complains about. */
export async function visitor(options = {}) {
  // The certificate of the shop is of a root that the browser does not know.
  const context = await browser.newContext({ colorScheme: "light", ignoreHTTPSErrors: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.faults = [];
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  return page;
}

const VERIFIER = randomBytes(32).toString("base64url");

/** Sends a form to an endpoint of the server, with the SVID of the application. */
async function send(endpoint, form, status) {
  const response = await fetch(`${ISSUER}${endpoint}`, {
    method: "POST",
    body: new URLSearchParams({
      client_id: CLIENT_ID,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
      client_assertion: (await readFile(SVID_FILE, "utf8")).trim(),
      ...form,
    }),
  });
  assert.equal(response.status, status, await response.clone().text());
  return response.json();
}

/** The application pushes a request. Returns the address at which the person signs in. */
export async function pushed(more = {}) {
  const { request_uri } = await send(
    "/par",
    {
      response_type: "code",
      redirect_uri: CALLBACK,
      scope: "orders.read orders.write",
      resource: RESOURCE,
      state: "the-state",
      code_challenge: createHash("sha256").update(VERIFIER).digest("base64url"),
      code_challenge_method: "S256",
      ...more,
    },
    201,
  );
  return `${ISSUER}/authorize?${new URLSearchParams({ client_id: CLIENT_ID, request_uri })}`;
}

/** The application redeems a code: what the person granted begins. */
export const redeem = (code) =>
  send("/token", { grant_type: "authorization_code", code, redirect_uri: CALLBACK, code_verifier: VERIFIER }, 200);

export const button = (page, name) => page.getByRole("button", { name, exact: true });

/** Signs a person in at the page of the server that asks for it. */
export async function signIn(page, name = "alice") {
  await button(page, `Sign in as ${name}`).click();
}

/** The browser arrived at the application, with a code. */
export async function arrived(page) {
  await page.waitForURL((url) => url.href.startsWith(CALLBACK));
  const { searchParams } = new URL(page.url());
  assert.equal(searchParams.get("state"), "the-state");
  assert.equal(searchParams.get("iss"), ISSUER);
  assert.ok(searchParams.get("code"), page.url());
  return searchParams.get("code");
}

/** A person meets each page for people who sign in without a passkey. `seen` gets the name of each one while it is open. */
export async function eachPage(page, seen) {
  await page.goto(`${ISSUER}/login`);
  await seen("sign-in");
  // With a question also where the person agreed before.
  await page.goto(await pushed({ prompt: "consent" }));
  await seen("sign-in for an application");
  await signIn(page);
  await seen("consent");
  await button(page, "Agree").click();
  await redeem(await arrived(page));
  await page.goto(await pushed({ response_mode: "form_post" }));
  await seen("back to the application");
  await page.goto(`${ISSUER}/account`);
  await seen("account");
  await button(page, "Sign out").click();
  await seen("signed out");
  await page.goto(`${ISSUER}/authorize?client_id=nobody`);
  // The status of a refused page is told by the browser as an error of the resource.
  page.faults = page.faults.filter((fault) => !fault.includes("status of 400"));
  await seen("refused");
}

/** Runs the walk that the command line names, and prints what it returns as JSON. */
export async function run(walks) {
  const walk = walks[process.argv[2]];
  assert.ok(walk, `no walk ${process.argv[2]}`);
  const found = await walk();
  await browser.close();
  for (const server of servers) server.close();
  console.log(JSON.stringify(found ?? null));
}
