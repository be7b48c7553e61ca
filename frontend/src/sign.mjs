// Pages on which something is signed, made small for a phone: times, and forms that are sent once.
import { showTimes } from "./parts/times.js";
import { helpForms } from "./parts/forms.js";

showTimes(document);
helpForms(document);
