// Forms: what is chosen opens what belongs to it, a form that is being sent is not sent twice, and what is hard to type
// again stays where it is when the server refuses it.
const helped = new WeakSet();

export function helpForms(root) {
  for (const choice of root.querySelectorAll("input[data-opens]")) {
    if (helped.has(choice)) continue;
    helped.add(choice);
    choice.addEventListener("change", () => open(choice));
    if (choice.checked) open(choice);
  }
  for (const form of root.querySelectorAll("form[data-once]")) {
    if (helped.has(form)) continue;
    helped.add(form);
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      sent = true;
      for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-busy", "true");
    });
    // Whoever comes back to the page may send it again.
    window.addEventListener("pageshow", () => {
      sent = false;
      for (const button of form.querySelectorAll("button[type=submit]")) button.removeAttribute("aria-busy");
    });
  }
}

// A refusal comes into the form, and its fields are kept; the page is left once they were taken.
export function keepForms(root) {
  for (const form of root.querySelectorAll("form[data-kept]")) {
    if (helped.has(form)) continue;
    helped.add(form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button[type=submit]");
      if (button.hasAttribute("aria-busy")) return;
      button.setAttribute("aria-busy", "true");
      try {
        const body = new URLSearchParams(new FormData(form));
        const answer = await fetch(form.action, { method: "POST", body, signal: AbortSignal.timeout(30_000) });
        if (answer.redirected) return location.assign(answer.url);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const said = page.querySelector("[data-refusal]") ?? page.querySelector("main");
        form.querySelector("[data-refusal]").replaceChildren(...said.childNodes);
        for (const now of page.querySelectorAll(`form[action="${form.getAttribute("action")}"] input[type=hidden]`))
          form.elements[now.name].value = now.value;
      } catch {
        form.querySelector("[data-refusal]").textContent = "The server does not answer. What you typed is still here: try again.";
      }
      button.removeAttribute("aria-busy");
    });
  }
}

function open(choice) {
  for (const other of choice.form.querySelectorAll("input[data-opens]")) {
    const place = document.getElementById(other.dataset.opens);
    if (place instanceof HTMLDetailsElement) place.open = other === choice;
  }
}

// A code that came behind the # of a link is filled in and sent: it stands in no address that leaves the browser.
export function takeFragment(root) {
  const field = root.querySelector("input[data-from-fragment]");
  if (!field || !location.hash) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  field.form.requestSubmit();
}
