// A page that brings itself up to date says so when it can't: what stands there may be old, and is never taken away.
export function watchUpdates() {
  const box = document.getElementById("stale");
  if (!box) return;
  let fresh = new Date();

  const tell = (why) => {
    const at = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", hourCycle: "h23" }).format(fresh);
    const words = `${why} What you see is from ${at}.`;
    const place = box.querySelector("p");
    if (place.textContent !== words) place.textContent = words;
    box.hidden = false;
  };

  document.addEventListener("htmx:before:response", (event) => {
    const answer = event.detail.ctx.response.raw;
    if (answer.ok && !answer.redirected) {
      fresh = new Date();
      box.hidden = true;
      return;
    }
    event.preventDefault();
    const out = answer.redirected || answer.status === 401;
    tell(out ? "You are signed out: sign in again." : "The server can’t say how things stand now; it is asked again.");
  });
  document.addEventListener("htmx:error", () => tell("The server does not answer; it is asked again."));
}
