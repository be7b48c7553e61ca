// Forms: what is chosen opens what belongs to it, and a form that is being sent is not sent twice.
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
