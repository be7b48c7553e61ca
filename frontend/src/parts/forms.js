// Forms: what is chosen opens what belongs to it, and a form that is being sent is not sent twice.
export function helpForms(root) {
  for (const choice of root.querySelectorAll("input[data-opens]")) {
    choice.addEventListener("change", () => open(choice));
    if (choice.checked) open(choice);
  }
  for (const form of root.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", () => {
      for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-busy", "true");
      form.addEventListener("submit", (again) => again.preventDefault(), { once: true });
    });
  }
}

function open(choice) {
  for (const other of choice.form.querySelectorAll("input[data-opens]")) {
    const place = document.getElementById(other.dataset.opens);
    if (place instanceof HTMLDetailsElement) place.open = other === choice;
  }
}
