// A browser with an authenticator of its own, which its debugger makes.
import { execFileSync } from "node:child_process";
import { visitor } from "./browser.mjs";

/** A browser with an authenticator that verifies its user by a fingerprint, or does not. */
export async function withAuthenticator(isVerified = true) {
  const page = await visitor();
  const debug = await page.context().newCDPSession(page);
  await debug.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2",
    transport: "internal",
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: isVerified,
    automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await debug.send("WebAuthn.addVirtualAuthenticator", { options });
  const passkeys = async () => (await debug.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  const verify = (isUserVerified) => debug.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  return { page, passkeys, verify };
}

/** The link that `testudo user invite` prints for `carol`. */
export const invite = (...more) =>
  execFileSync(process.env.TESTUDO, ["user", "invite", "carol", ...more], { encoding: "utf8" }).trim();

/** Where a page with passkeys says what happens. */
export const status = (page) => page.locator("#passkey-status");
