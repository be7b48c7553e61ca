// Every page: htmx, times in the reader's zone, countdowns. Everything works without it, only less promptly.
import "htmx.org";
import { showTimes } from "./parts/times.js";
import { countDown } from "./parts/countdown.js";
import { helpForms, keepForms, takeFragment } from "./parts/forms.js";
import { watchUpdates } from "./parts/stale.js";

const settle = () => {
  showTimes(document);
  countDown(document);
  helpForms(document);
  keepForms(document);
};
settle();
watchUpdates();
takeFragment(document);
document.addEventListener("htmx:after:swap", settle);
