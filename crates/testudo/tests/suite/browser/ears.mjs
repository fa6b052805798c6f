// What the browser tells a screen reader of each page: its accessibility tree, in the order in which it is read.
import assert from "node:assert/strict";
import { ISSUER, button, eachPage, run, visitor } from "./browser.mjs";
import { invite, status, withAuthenticator } from "./authenticator.mjs";

/** What a person can operate. Each must have a name, and no two of one page the same one. */
const CONTROLS = ["button", "link", "textbox", "checkbox", "radio", "combobox", "switch", "slider"];
const LANDMARKS = ["banner", "main", "contentinfo"];
/** Parts of the tree that are not spoken: containers without a meaning, and the boxes of a line. */
const SILENT = ["none", "generic", "InlineTextBox", "LineBreak", "ListMarker"];
const STATES = ["disabled", "focused", "invalid", "required", "expanded", "pressed", "checked", "live", "level"];

/** Text that differs in each run. */
const steady = (text) =>
  text
    .replaceAll(new URL(ISSUER).port, "PORT")
    .replace(/u_[\w-]{20,}/g, "u_…")
    .replace(/\d{4}-\d\d-\d\d(,? | at |T)\d\d:\d\d(:\d\d)?( UTC|Z)?/g, "TIME")
    .replace(/\d{1,2} \w+ \d{4}(,| at)? \d\d:\d\d(:\d\d)?( UTC)?/g, "TIME")
    .replace(/\b[0-9a-zA-Z]{8}-[0-9a-zA-Z-]{8,}\b|\b[0-9A-Za-z]{20,}\b/g, "ID");

/** The nodes that are spoken, in order, each with its depth and its place on the screen. */
async function spoken(page) {
  const debug = await debugger_of(page);
  const { nodes } = await debug.send("Accessibility.getFullAXTree");
  const known = new Map(nodes.map((node) => [node.nodeId, node]));
  const found = [];
  const visit = async (node, depth, landmark, told) => {
    const role = node.role?.value;
    const name = node.name?.value ?? "";
    const isSilent = node.ignored || SILENT.includes(role);
    // The text of a button or of a heading is its name, which is spoken once.
    const isTold = role === "StaticText" && told.includes(name.trim());
    const isSpoken = !isSilent && !isTold;
    if (isSpoken) {
      const holds = ({ value }) => ![false, "false"].includes(value.value);
      const states = (node.properties ?? []).filter((state) => STATES.includes(state.name) && holds(state));
      const box = node.backendDOMNodeId && (await boxOf(debug, node.backendDOMNodeId));
      const value = node.value?.value;
      const description = node.description?.value;
      found.push({ role, name, value, description, states, depth, landmark, box });
    }
    // The text in a field is its value, which is spoken with it.
    const parts = role === "textbox" ? [] : (node.childIds ?? []);
    for (const id of parts) {
      const child = known.get(id);
      const isLandmark = LANDMARKS.includes(role);
      if (child) await visit(child, depth + (isSpoken ? 1 : 0), isLandmark ? role : landmark, isSpoken ? name : told);
    }
  };
  await visit(nodes[0], 0, null, "");
  return found;
}

/** The debugger of each page. It stays: where one ends, the authenticator of another one does not answer any more. */
const debuggers = new WeakMap();

async function debugger_of(page) {
  if (!debuggers.has(page)) {
    const debug = await page.context().newCDPSession(page);
    await debug.send("Accessibility.enable");
    await debug.send("DOM.enable");
    debuggers.set(page, debug);
  }
  return debuggers.get(page);
}

async function boxOf(debug, backendNodeId) {
  try {
    const { model } = await debug.send("DOM.getBoxModel", { backendNodeId });
    const [left, top, right, , , bottom] = model.border;
    return { left, top, right, bottom };
  } catch {
    // Nothing of it is on the screen.
    return undefined;
  }
}

const line = ({ role, name, value, description, states, depth }) => {
  const text = role === "StaticText" ? "text" : role;
  const parts = [text, name && JSON.stringify(name), value && `= ${JSON.stringify(value)}`];
  parts.push(description && `(${description})`);
  parts.push(...states.map((state) => `[${state.name}${state.value.value === true ? "" : ` ${state.value.value}`}]`));
  return `${"  ".repeat(depth)}${steady(parts.filter(Boolean).join(" "))}`;
};

/** What must hold on every page. */
function judge(name, found, lang) {
  const count = (role) => found.filter((node) => node.role === role).length;
  const tell = (why, node) => `${name}: ${why}: ${JSON.stringify(node)}`;
  assert.equal(lang, "en", name);
  for (const role of LANDMARKS) assert.equal(count(role), 1, `${name}: ${role}`);
  const headings = found.filter((node) => node.role === "heading");
  const levels = headings.map((node) => node.states.find((state) => state.name === "level").value.value);
  assert.equal(levels.filter((level) => level === 1).length, 1, `${name}: one main heading`);
  assert.equal(levels[0], 1, `${name}: the main heading is the first one`);
  levels.forEach((level, at) => assert.ok(at === 0 || level <= levels[at - 1] + 1, `${name}: a level is left out`));
  assert.equal(headings[0].landmark, "main", name);
  const named = new Map();
  for (const node of found) {
    const isRoot = node.depth === 0 || LANDMARKS.includes(node.role);
    assert.ok(isRoot || node.landmark, tell("is in no landmark", node));
    if (!CONTROLS.includes(node.role)) continue;
    assert.ok(node.name.trim(), tell("has no name", node));
    const same = named.get(node.name);
    assert.equal(same, undefined, tell("has the name of another control", node));
    named.set(node.name, node);
  }
  // What is spoken next is not above, and on one line not to the left.
  const placed = found.filter((node) => node.box && (CONTROLS.includes(node.role) || node.role === "StaticText"));
  placed.slice(1).forEach((next, at) => {
    const before = placed[at];
    assert.ok(next.box.bottom > before.box.top, tell(`is above "${before.name}"`, next));
    const isOneLine = next.box.top < before.box.bottom && before.box.top < next.box.bottom;
    assert.ok(!isOneLine || next.box.right > before.box.left, tell(`is left of "${before.name}"`, next));
  });
  return placed.length;
}

/** Listens to a page that is open, as it is shown on a large and on a small screen. */
async function listen(page, name, told) {
  await page.waitForLoadState();
  const lang = await page.evaluate(() => document.documentElement.lang);
  let found;
  for (const width of [320, 1024]) {
    await page.setViewportSize({ width, height: 768 });
    found = await spoken(page);
    assert.ok(judge(`${name}, ${width} px`, found, lang) > 2, name);
  }
  assert.ok(found[0].name.length > 3, `${name}: the page has a title`);
  told.push({ page: name, lines: found.map(line) });
  return found;
}

/** A message of the page was announced, and belongs to the button that has the focus. */
function assertAnnounced(found, text, buttonName) {
  const region = found.find((node) => node.states.some((state) => state.name === "live" && state.value.value !== "off"));
  assert.ok(region, "a region whose changes are spoken");
  const at = found.indexOf(region);
  const inside = found.slice(at + 1).filter((node) => node.depth > region.depth);
  assert.ok(inside.some((node) => node.name.includes(text)) || region.name.includes(text), JSON.stringify(found.slice(at)));
  const focused = found.find((node) => node.role === "button" && node.states.some((state) => state.name === "focused"));
  assert.equal(focused?.name, buttonName, "the focus is where the person can try again");
  assert.ok(focused.description?.includes(text), `the button has the message: ${JSON.stringify(focused)}`);
}

async function told() {
  const told = [];
  const page = await visitor();
  await eachPage(page, (name) => listen(page, name, told));
  await passkeys(told);
  return told;
}

/** The pages on which a person makes and uses passkeys, and what they say when the browser uses none. */
async function passkeys(told) {
  const { page, verify } = await withAuthenticator(false);
  await page.goto(`${ISSUER}/invite`);
  const incomplete = await listen(page, "invitation, the link is not complete", told);
  assert.ok(incomplete.some((node) => node.name.includes("This link is not complete")), "the reason is in the page");
  await page.goto(invite());
  await listen(page, "invitation", told);
  await page.getByLabel("Name of this passkey").fill("laptop");
  await button(page, "Make a passkey").click();
  await status(page).getByText("did not use a passkey").waitFor();
  assertAnnounced(
    await listen(page, "invitation, no passkey was made", told),
    "Your browser did not use a passkey",
    "Make a passkey",
  );
  await verify(true);
  await button(page, "Make a passkey").click();
  await page.waitForURL(`${ISSUER}/account`);
  await listen(page, "account with a passkey", told);
  await page.goto(`${ISSUER}/login`);
  await verify(false);
  await button(page, "Sign in with a passkey").click();
  await status(page).getByText("did not use a passkey").waitFor();
  assertAnnounced(
    await listen(page, "sign-in, no passkey was used", told),
    "Your browser did not use a passkey",
    "Sign in with a passkey",
  );
  // A browser without passkeys: the button cannot be pressed, and the page says why.
  const old = await visitor();
  await old.addInitScript(() => delete window.PublicKeyCredential);
  await old.goto(`${ISSUER}/login`);
  const found = await listen(old, "sign-in, the browser has no passkeys", told);
  const unusable = found.find((node) => node.name === "Sign in with a passkey");
  assert.ok(unusable.states.some((state) => state.name === "disabled"), JSON.stringify(unusable));
  assert.ok(unusable.description.includes("cannot use passkeys"), JSON.stringify(unusable));
}

/** A server that signs nobody in. */
async function closed() {
  const told = [];
  const page = await visitor();
  await page.goto(`${ISSUER}/authorize?client_id=shop&response_type=code`);
  await listen(page, "no sign-in", told);
  return told;
}

await run({ told, closed });
