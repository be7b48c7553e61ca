// Making a passkey with a one-time link. The link's token stands behind the #, which browsers never send by themselves.
import { base64url, challengeOf, supported, why } from "./parts/passkey.js";

const form = document.getElementById("enrol");
const who = form.querySelector("[data-who]");
const failed = form.querySelector("[data-failed]");
const button = form.querySelector("[data-passkey]");
const token = location.hash.slice(1);
let asked;

const fail = (text) => {
  failed.querySelector("span").textContent = text;
  failed.hidden = false;
};

async function lookAtLink() {
  if (!token) return fail("This address lacks its second half. Open the link as it was sent to you.");
  if (!supported()) return fail("This browser makes no passkeys here. Use a newer one, and open the address with https.");
  const answer = await fetch("/enrol/text", { method: "POST", body: new URLSearchParams({ token }) });
  const said = await answer.json();
  if (!answer.ok) {
    who.textContent = "";
    return fail(`${said.message} ${said.what_to_do}`);
  }
  asked = said;
  who.textContent = `For ${said.name} (${said.login}).`;
  button.disabled = false;
}

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!asked || button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  failed.hidden = true;
  try {
    const made = await navigator.credentials.create({
      publicKey: {
        challenge: await challengeOf(asked.text),
        rp: { id: asked.rp, name: "Breakglass" },
        user: { id: new TextEncoder().encode(asked.id), name: asked.login, displayName: asked.name },
        pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        excludeCredentials: asked.known.map((id) => ({ type: "public-key", id: bytes(id) })),
        attestation: "none",
        timeout: 120_000,
      },
    });
    form.elements.token.value = token;
    form.elements.text.value = asked.text;
    form.elements.authenticator_data.value = base64url(made.response.getAuthenticatorData());
    form.elements.client_data.value = base64url(made.response.clientDataJSON);
    form.submit();
  } catch (error) {
    button.removeAttribute("aria-busy");
    fail(why(error));
  }
});

lookAtLink().catch(() => fail("The server did not answer. Open the link again."));
