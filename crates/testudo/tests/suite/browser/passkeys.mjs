// A person with a passkey: the browser has an authenticator of its own, which its debugger makes.
import assert from "node:assert/strict";
import { invite, status, withAuthenticator } from "./authenticator.mjs";
import { ISSUER, arrived, button, pushed, run } from "./browser.mjs";

async function makePasskey(page, link) {
  await page.goto(link);
  // The token is not in the address any more, and so not in the history.
  await page.waitForURL(`${ISSUER}/invite`);
  await page.getByLabel("Name of this passkey").fill("laptop");
  await button(page, "Make a passkey").click();
  await page.waitForURL(`${ISSUER}/account`);
}

async function invited_person_signs_in() {
  const { page, passkeys } = await withAuthenticator();
  const invitation = invite();
  await makePasskey(page, invitation);
  assert.equal(await page.getByLabel("Passkey 1").inputValue(), "laptop");
  const [passkey, ...others] = await passkeys();
  assert.deepEqual(others, []);
  assert.equal(passkey.rpId, "localhost");
  assert.ok(passkey.isResidentCredential);

  // A second passkey in the same authenticator is not made.
  await button(page, "Add a passkey").click();
  await status(page).getByText("already registered").waitFor();

  await button(page, "Sign out").click();
  await page.goto(await pushed({ acr_values: "phr" }));
  await button(page, "Sign in with a passkey").click();
  await button(page, "Agree").click();
  await arrived(page);

  // The link was used.
  await page.goto(invitation);
  await button(page, "Make a passkey").click();
  await status(page).getByText("ask for a new one").waitFor();

  // The person lost the authenticator, and uses a link for that in another browser. The first one is signed out.
  const other = await withAuthenticator();
  await makePasskey(other.page, invite("--recover"));
  await page.goto(`${ISSUER}/account`);
  await button(page, "Sign in with a passkey").click();
  await page.getByText("you cannot sign in with this passkey").waitFor();
  // The browser blames the answers 403 of this walk.
  assert.ok(page.faults.every((fault) => fault.includes("403")), JSON.stringify(page.faults));
  assert.deepEqual(other.page.faults, []);
}

async function refused_by_the_browser() {
  const { page, passkeys, verify } = await withAuthenticator(false);
  await page.goto(invite());
  await button(page, "Make a passkey").click();
  await status(page).getByText("did not use a passkey").waitFor();
  assert.deepEqual(await passkeys(), []);
  // The person can try again on the same page.
  await verify(true);
  await button(page, "Make a passkey").click();
  await page.waitForURL(`${ISSUER}/account`);
  await page.goto(`${ISSUER}/login`);
  await verify(false);
  await button(page, "Sign in with a passkey").click();
  await status(page).getByText("did not use a passkey").waitFor();

  await page.goto(`${ISSUER}/invite`);
  await status(page).getByText("This link is not complete").waitFor();
  // The page is open already: a link changes the fragment of its address only.
  await verify(true);
  await makePasskey(page, invite("--recover"));
}

await run({ invited_person_signs_in, refused_by_the_browser });
