// Pages on which something is signed, made small for a phone: passkeys, times, and forms that are sent once.
import { showTimes } from "./parts/times.js";
import { helpForms } from "./parts/forms.js";
import { helpSigning } from "./parts/passkey.js";

showTimes(document);
helpForms(document);
helpSigning(document);
