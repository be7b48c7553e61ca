// Passkeys: signing the text of a form, and making a new one.
//
// What is signed is SHA-256 of the exact text in the form (docs/formats/statement.md); the server has the same text and
// believes nothing else. The assertion goes back as armoured text, so that it can be kept beside the statement.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

export const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

export async function challengeOf(text) {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
}

// As SSH writes strings: the length in four bytes, then the bytes (RFC 4251, 5).
const string = (buffer) => {
  const out = new Uint8Array(4 + buffer.byteLength);
  new DataView(out.buffer).setUint32(0, buffer.byteLength);
  out.set(new Uint8Array(buffer), 4);
  return out;
};

function armor(credential) {
  const { authenticatorData, clientDataJSON, signature } = credential.response;
  const parts = [
    new TextEncoder().encode("WEBAUTHN"),
    new Uint8Array([0, 0, 0, 1]),
    ...[credential.rawId, authenticatorData, clientDataJSON, signature].map(string),
  ];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const lines = btoa(String.fromCharCode(...all)).match(/.{1,70}/g);
  return ["-----BEGIN WEBAUTHN ASSERTION-----", ...lines, "-----END WEBAUTHN ASSERTION-----", ""].join("\n");
}

export async function sign(text, credential) {
  const allowCredentials = credential ? [{ type: "public-key", id: bytes(credential) }] : [];
  const publicKey = {
    challenge: await challengeOf(text),
    allowCredentials,
    userVerification: "required",
    timeout: 120_000,
  };
  return armor(await navigator.credentials.get({ publicKey }));
}

export const supported = () => "credentials" in navigator && "PublicKeyCredential" in window && !!crypto.subtle;

// Why it failed, for a person; browsers tell pages little on purpose.
export function why(error) {
  if (error.name === "NotAllowedError") return "Nothing was signed: it was cancelled, took too long, or no passkey of yours is here.";
  if (error.name === "SecurityError") return "This address can’t use your passkey. Open Breakglass by its proper name.";
  if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
  return `The browser did not sign (${error.name}).`;
}

export function helpSigning(root) {
  for (const form of root.querySelectorAll("form[data-sign]")) {
    if (!supported()) continue;
    const button = form.querySelector("[data-passkey]");
    const failed = form.querySelector("[data-failed]");
    button.disabled = false;
    for (const hint of form.querySelectorAll("[data-without]")) hint.hidden = true;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.getAttribute("aria-busy") === "true") return;
      button.setAttribute("aria-busy", "true");
      if (failed) failed.hidden = true;
      try {
        const { text, credential, signature } = form.elements;
        signature.value = await sign(text.value, credential.value);
        form.submit();
      } catch (error) {
        button.removeAttribute("aria-busy");
        if (!failed) throw error;
        failed.querySelector("span").textContent = why(error);
        failed.hidden = false;
      }
    });
  }
}
