// Asks the browser for a passkey, and sends what it answers with the form of the page.
"use strict";

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

const toText = (buffer) =>
  btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

// What the server answers has bytes as base64url, and the browser takes buffers.
const withBuffers = (options) => {
  const descriptors = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));
  const read = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) read.user = { ...options.user, id: toBytes(options.user.id) };
  if (options.excludeCredentials) read.excludeCredentials = descriptors(options.excludeCredentials);
  if (options.allowCredentials) read.allowCredentials = descriptors(options.allowCredentials);
  return read;
};

const answerOf = (credential) => {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  const rawId = toText(credential.rawId);
  return JSON.stringify({ id: rawId, rawId, type: credential.type, response, extensions: {} });
};

const form = document.getElementById("passkey-form");
const note = document.getElementById("passkey-status");
const button = form.querySelector("button");
const say = (text) => {
  note.textContent = text;
};

const ask = async () => {
  const answer = await fetch(form.dataset.options, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(new FormData(form)).toString(),
  });
  const asked = await answer.json();
  if (!answer.ok) throw new Error(`${asked.error} (request ${asked.request_id})`);
  const publicKey = withBuffers(asked.publicKey);
  say("Follow the steps that your browser shows.");
  const credential =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey })
      : await navigator.credentials.get({ publicKey });
  form.elements.namedItem("ceremony").value = asked.ceremony;
  form.elements.namedItem("credential").value = answerOf(credential);
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  button.disabled = true;
  say("");
  ask().then(
    () => form.submit(),
    (error) => {
      button.disabled = false;
      // The browser does not state whether the person cancelled, has no passkey for this server, or was too slow.
      say(error.name === "NotAllowedError" ? "Your browser did not use a passkey. You can try again." : error.message);
      // A button that is disabled loses the focus: a person with a keyboard or a screen reader would begin at the top again.
      button.focus();
    },
  );
});

// The token of an invitation is in the fragment, which browsers send to no server. It is removed from the address, so that it
// is in no history. A link that is opened while the page is open changes the fragment only, and does not load the page again.
const invitation = form.elements.namedItem("invitation");
const takeToken = () => {
  invitation.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  if (!window.PublicKeyCredential) return;
  say(invitation.value ? "" : "This link is not complete: open the whole link of your invitation.");
};
if (invitation) {
  takeToken();
  addEventListener("hashchange", takeToken);
}

if (!window.PublicKeyCredential) {
  button.disabled = true;
  say("This browser cannot use passkeys.");
}
