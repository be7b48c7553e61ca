// The terminal: xterm.js over a WebSocket. It asks for a ticket, sends it first, and says how much it has shown.
import "@xterm/xterm/css/xterm.css";
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { countDown } from "./parts/countdown.js";

const page = document.getElementById("terminal");
const place = page.querySelector("[data-term]");
const said = document.getElementById("said");
const again = page.querySelector("[data-again]");
const paste = document.getElementById("paste");
const styles = getComputedStyle(document.documentElement);
const colour = (name) => styles.getPropertyValue(name).trim();

const terminal = new Terminal({
  cursorBlink: false,
  fontFamily: colour("--mono"),
  fontSize: matchMedia("(max-width: 48rem)").matches ? 12 : 14,
  screenReaderMode: matchMedia("(prefers-reduced-motion)").matches,
  scrollback: 5000,
  theme: { background: colour("--term"), foreground: colour("--term-text") },
});
const fit = new FitAddon();
terminal.loadAddon(fit);
terminal.open(place);
fit.fit();
countDown(document);

const PIECE = 16 * 1024;
const encoder = new TextEncoder();
let socket;
let over = "";

const say = (text) => {
  said.textContent = text;
  page.querySelector("[data-state]").textContent = text;
};

// What is typed goes out as fast as the target takes it: a long paste waits here, not in the gateway.
const ON_THE_WAY = 256 * 1024;
let queue = [];
let onTheWay = 0;
const send = (bytes) => {
  for (let at = 0; at < bytes.length; at += PIECE) queue.push(bytes.slice(at, at + PIECE));
  flush();
};
const flush = () => {
  while (queue.length && onTheWay < ON_THE_WAY && open()) {
    const piece = queue.shift();
    onTheWay += piece.length;
    socket.send(piece);
  }
};

async function connect() {
  again.hidden = true;
  over = "";
  queue = [];
  onTheWay = 0;
  say("Connecting …");
  const answer = await fetch(page.dataset.ticket, {
    method: "POST",
    body: new URLSearchParams({ csrf: page.dataset.csrf }),
  });
  if (!answer.ok) {
    const told = answer.headers.get("content-type")?.includes("json") ? await answer.json() : null;
    return ended(told ? `${told.message} ${told.what_to_do}` : "The server gave no ticket. Open the page again.");
  }
  const { ticket } = await answer.json();
  const address = new URL(page.dataset.socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  socket?.close();
  // What comes late from a connection before this one is of that one, and is answered there or nowhere.
  const own = new WebSocket(address);
  socket = own;
  own.binaryType = "arraybuffer";
  own.addEventListener("open", () => {
    own.send(JSON.stringify({ ticket, size: [terminal.cols, terminal.rows] }));
    say("Connected. Everything is recorded.");
    terminal.focus();
  });
  own.addEventListener("message", ({ data }) => {
    if (own !== socket) return;
    if (data instanceof ArrayBuffer) {
      const bytes = new Uint8Array(data);
      terminal.write(bytes, () => {
        if (own.readyState === WebSocket.OPEN) own.send(JSON.stringify({ shown: bytes.length }));
      });
    } else {
      const { ended: status, took, refused } = JSON.parse(data);
      if (refused) {
        over = refused;
        return;
      }
      if (took) {
        onTheWay -= took;
        return flush();
      }
      over = status === 0 ? "The session has ended." : `The session has ended (${status}). What the gateway says stands above.`;
    }
  });
  own.addEventListener("close", () => own === socket && ended(over || "The connection was lost."));
}

function ended(why) {
  say(why);
  again.hidden = false;
}

const open = () => socket && socket.readyState === WebSocket.OPEN;
terminal.onData((text) => open() && send(encoder.encode(text)));
terminal.onBinary((text) => open() && send(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
terminal.onResize(({ cols, rows }) => open() && socket.send(JSON.stringify({ size: [cols, rows] })));
new ResizeObserver(() => fit.fit()).observe(place);

// Several lines at once run at once: asked first.
place.addEventListener(
  "paste",
  (event) => {
    const text = event.clipboardData.getData("text/plain");
    const lines = text.trimEnd().split(/\r\n|\r|\n/);
    if (lines.length < 2) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    paste.querySelector("[data-lines]").textContent = `${lines.length} lines`;
    paste.querySelector("pre").textContent = text;
    paste.querySelector("[data-paste]").onclick = () => {
      paste.hidePopover();
      terminal.paste(text);
      terminal.focus();
    };
    paste.showPopover();
  },
  true,
);

// The way out for the keyboard.
terminal.attachCustomKeyEventHandler((event) => {
  if (event.type === "keydown" && event.ctrlKey && event.shiftKey && event.code === "KeyL") {
    event.preventDefault();
    page.querySelector("[data-leave]").focus();
    return false;
  }
  return true;
});

// Keys that phones lack.
for (const key of page.querySelectorAll("[data-key]")) {
  key.addEventListener("click", () => {
    const sent = { esc: "\x1b", tab: "\t", up: "\x1b[A", down: "\x1b[B", pipe: "|", interrupt: "\x03" }[key.dataset.key];
    if (open() && sent) send(encoder.encode(sent));
    terminal.focus();
  });
}

again.addEventListener("click", () => {
  terminal.reset();
  connect().catch(() => ended("The server did not answer."));
});
connect().catch(() => ended("The server did not answer."));
