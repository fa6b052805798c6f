// What another site, a second tab and the buttons of the browser can do.
import assert from "node:assert/strict";
import { CALLBACK, ISSUER, OTHER, arrived, button, pushed, run, shown, signIn, visitor } from "./browser.mjs";

/** The person is signed in, and the page of the other site has this content. */
async function lured(content) {
  shown.set("/", content);
  const page = await visitor();
  await page.goto(`${ISSUER}/login`);
  await signIn(page);
  await page.getByRole("heading", { name: "Your account" }).waitFor();
  await page.goto(`${OTHER}/`);
  return page;
}

async function isSignedIn(page) {
  await page.goto(`${ISSUER}/account`);
  return page.getByRole("heading", { name: "Your account" }).isVisible();
}

async function frames() {
  for (const path of ["/login", "/account", "/authorize?client_id=shop"]) {
    const page = await lured(`<iframe src="${ISSUER}${path}"></iframe>`);
    await page.waitForTimeout(300);
    const frame = page.frames()[1];
    const text = await frame.evaluate(() => document.body?.innerText ?? "").catch(() => "");
    assert.ok(!/Sign in|Your account|This request/.test(text), `${path} is shown in a frame: ${text}`);
    assert.match(page.faults.join("\n"), /frame-ancestors/);
    await page.context().close();
  }
}

async function forged_forms() {
  for (const [path, fields] of [
    ["/logout", { token: "x" }],
    ["/account", { grant: "x", token: "x" }],
    ["/login", { name: "alice", flow: "x" }],
    ["/consent", { answer: "accept", consent: "x" }],
  ]) {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    const page = await lured(`<form method="post" action="${ISSUER}${path}">${inputs.join("")}<button>Win</button></form>`);
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().startsWith(`${ISSUER}${path}`)),
      button(page, "Win").click(),
    ]);
    assert.equal(answer.status(), 403, path);
    assert.ok(await isSignedIn(page), `${path}: the session has ended`);
    await page.context().close();
  }
}

async function buttons_of_the_browser() {
  const page = await visitor();
  const address = await pushed();
  await page.goto(address);
  await signIn(page);
  await button(page, "Agree").click();
  await arrived(page);
  // Back to the consent page, and agree again: no second code.
  await page.goBack();
  const again = button(page, "Agree");
  if (await again.isVisible()) await again.click();
  await page.getByRole("heading", { name: /refused/ }).waitFor();
  assert.ok(!page.url().startsWith(CALLBACK), page.url());
  // The same address once more, as from the history.
  await page.goto(address);
  await page.getByRole("heading", { name: /refused/ }).waitFor();
}

async function tabs() {
  const first = await visitor();
  const second = await first.context().newPage();
  await first.goto(await pushed());
  await second.goto(await pushed());
  await signIn(second);
  await button(second, "Agree").waitFor();
  await signIn(first);
  await button(first, "Agree").click();
  const one = await arrived(first);
  // The second tab shows a question of the session that the first has replaced: it is asked again, and then goes on.
  await button(second, "Agree").click();
  if (!second.url().startsWith(CALLBACK)) {
    await second.goto(await pushed());
    if (second.url().startsWith(ISSUER)) await button(second, "Agree").click();
  }
  assert.notEqual(await arrived(second), one);
}

await run({ frames, forged_forms, buttons_of_the_browser, tabs });
