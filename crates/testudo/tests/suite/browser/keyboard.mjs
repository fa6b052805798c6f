// A person without a mouse, and one whose browser runs no script.
import assert from "node:assert/strict";
import { CALLBACK, ISSUER, arrived, button, pushed, redeem, run, signIn, visitor } from "./browser.mjs";

/** What has the focus, and how the browser shows it. */
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return { name: element.tagName, text: element.textContent.trim(), outlineStyle, outlineWidth };
  });

/** Presses Tab until the element with this text has the focus. Each element on the way must show its focus. */
async function tabTo(page, text) {
  for (let pressed = 0; pressed < 30; pressed += 1) {
    await page.keyboard.press("Tab");
    const found = await focused(page);
    if (found.name !== "BODY") {
      assert.equal(found.outlineStyle, "solid", JSON.stringify(found));
      assert.ok(Number.parseFloat(found.outlineWidth) >= 2, JSON.stringify(found));
    }
    if (found.text === text) return;
  }
  assert.fail(`${text} is not reached by the keyboard`);
}

async function keys() {
  const page = await visitor();
  await page.goto(await pushed());
  await tabTo(page, "Sign in as alice");
  await page.keyboard.press("Enter");
  await button(page, "Agree").waitFor();
  // Nothing has the focus on the consent page, so that a key that was pressed too long agrees to nothing.
  assert.equal((await focused(page)).name, "BODY");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Space");
  assert.ok(page.url().startsWith(ISSUER), page.url());
  await tabTo(page, "Agree");
  await page.keyboard.press("Tab");
  assert.equal((await focused(page)).text, "Refuse", "Refuse comes directly after Agree");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await arrived(page);

  await page.goto(`${ISSUER}/account`);
  await tabTo(page, "Sign out");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
}

async function without_script() {
  const page = await visitor({ javaScriptEnabled: false });
  await page.goto(await pushed());
  await signIn(page);
  await button(page, "Refuse").click();
  await page.waitForURL((url) => url.href.startsWith(CALLBACK));
  assert.equal(new URL(page.url()).searchParams.get("error"), "access_denied");

  await page.goto(await pushed({ response_mode: "form_post" }));
  await button(page, "Agree").click();
  const sent = page.waitForRequest((request) => request.url() === CALLBACK);
  await button(page, "Go on").click();
  const form = new URLSearchParams((await sent).postData());
  assert.ok(form.get("code") && form.get("iss") === ISSUER, String(form));
  await page.getByRole("heading", { name: "The shop" }).waitFor();
  await redeem(form.get("code"));

  await page.goto(`${ISSUER}/account`);
  await page.getByRole("button", { name: /^End the access of/ }).first().click();
  await page.getByText("No application has access to anything of yours.").waitFor();
  assert.deepEqual(page.faults, []);
}

await run({ keys, without_script });
