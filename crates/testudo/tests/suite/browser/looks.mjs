// Looks at each page: rules of accessibility (axe), width of 320 px, dark mode, text of double size, forced colours, and
// the complaints of the browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { ISSUER, PICTURES, eachPage, run, visitor } from "./browser.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// WCAG 2.0, 2.1 and 2.2, levels A and AA, and what axe recommends beyond them.
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Each way in which each page is looked at. */
const WAYS = {
  "wide, light": { viewport: { width: 1024, height: 768 } },
  "wide, dark": { viewport: { width: 1024, height: 768 }, colorScheme: "dark" },
  "320 px, light": { viewport: { width: 320, height: 640 } },
  "320 px, dark": { viewport: { width: 320, height: 640 }, colorScheme: "dark" },
  "forced colours": { viewport: { width: 1024, height: 768 }, forcedColors: "active" },
};

/** The pictures of the documentation. */
const PICTURED = {
  "sign-in for an application": ["wide, light"],
  consent: ["wide, light", "320 px, dark"],
  account: ["wide, light"],
  invitation: ["wide, light"],
};

async function look(page, name, way, found) {
  await page.waitForLoadState();
  const result = await page.evaluate(
    async ({ source, rules }) => {
      // The policy of the pages allows no script. The test runs axe through the debugger, which it does not bind.
      (0, eval)(source);
      const { violations, passes, incomplete, testEngine } = await window.axe.run(document, {
        runOnly: { type: "tag", values: rules },
      });
      const told = ({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => `${html}: ${failureSummary}`) });
      const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
      const normal = overflow();
      document.documentElement.style.fontSize = "200%";
      const doubled = overflow();
      document.documentElement.style.fontSize = "";
      return {
        axe: testEngine.version,
        passes: passes.length,
        violations: violations.map(told),
        incomplete: incomplete.map(told),
        overflow: normal,
        overflow_of_doubled_text: doubled,
        lang: document.documentElement.lang,
        title: document.title,
        headings: document.querySelectorAll("h1").length,
      };
    },
    { source: AXE, rules: RULES },
  );
  const faults = page.faults.splice(0);
  found.push({ page: name, way, ...result, faults });
  if (PICTURES && PICTURED[name]?.includes(way)) {
    const file = `${name.replaceAll(" ", "-")}${way === "wide, light" ? "" : "-narrow-dark"}.png`;
    const box = await page.locator("body").boundingBox();
    const clip = { x: 0, y: 0, width: box.width, height: box.height };
    await page.screenshot({ path: `${PICTURES}/${file}`, clip, fullPage: true });
  }
}

async function pages() {
  const found = [];
  for (const [way, options] of Object.entries(WAYS)) {
    const page = await visitor(options);
    const seen = (name) => look(page, name, way, found);
    await page.goto(`${ISSUER}/invite#AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA`);
    await seen("invitation");
    await eachPage(page, seen);
    await page.context().close();
  }
  return found;
}

/** A server that signs nobody in. */
async function closed() {
  const found = [];
  for (const [way, options] of Object.entries(WAYS)) {
    const page = await visitor(options);
    await page.goto(`${ISSUER}/authorize?client_id=shop&response_type=code`);
    page.faults = page.faults.filter((fault) => !/status of 4/.test(fault));
    await look(page, "no sign-in", way, found);
    await page.context().close();
  }
  assert.equal(found.length, Object.keys(WAYS).length);
  return found;
}

await run({ pages, closed });
