// @ts-check
/** The page: it joins the control socket, the sound, and the parts of the screen. */
import { Parts } from "./parts.js";
import { Session } from "./session.js";
import { Timeline } from "./timeline.js";
import { Decks } from "./decks.js";
import { buildControls } from "./generated_controls.js";

/** @typedef {import("./protocol.js").Welcome} Welcome */

/** @param {string} id @returns {HTMLElement} */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}

/** Take token and moment out of the address; get a cookie for the token. */
async function logIn() {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  moment = given.get("moment") ?? "";
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (!token) return;
  await fetch("/api/login", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
  });
}

const session = new Session();
const { control, listen, clock } = session;
const parts = new Parts(session);
const timeline = new Timeline(element("lane"), element("landings"), clock);
const decks = new Decks(element("decks"), control, clock);
const crossfader = /** @type {HTMLInputElement} */ (element("crossfader"));
const listenButton = /** @type {HTMLButtonElement} */ (element("listen"));
/** @type {Welcome|null} */
let welcome = null;
let moment = ""; // of the link that was opened, until it is heard
/** @type {Map<string, (value: import("./protocol.js").Value) => void>} */
let shown = new Map();

session.on("connected", (/** @type {Welcome} */ message) => {
  welcome = message;
  element("name").textContent = message.name;
  element("connection").textContent = message.role === "performer" ? "connected" : `connected as ${message.role}`;
  decks.build(message);
  timeline.reset(message.landings);
  shown = buildControls(element("controls"), message.schema, control);
  element("mix").hidden = !message.schema.some((parameter) => parameter.path === "crossfader");
  show(message.values);
  if (moment) openMoment();
});
session.on("disconnected", () => (element("connection").textContent = "the server is away; the music continues"));
session.on("changes", (message) => show(message.values));
session.on("figures", (message) => {
  decks.showFigures(message);
});
session.on("landing", (message) => timeline.promise(message));
session.on("landed", (message) => timeline.land(message));
session.on("answer", (message) => {
  say(message.ok ? message.note : message.error, !message.ok);
});

/** @param {Record<string, import("./protocol.js").Value>} values */
function show(values) {
  decks.show(values);
  for (const [path, value] of Object.entries(values)) shown.get(path)?.(value);
  if ("crossfader" in values && document.activeElement !== crossfader) crossfader.value = String(values.crossfader);
}

/** @param {string} text @param {boolean} [wrong] */
function say(text, wrong = false) {
  const line = element("answer");
  line.classList.toggle("wrong", wrong);
  line.textContent = text;
}

/** Set what the link of the page holds. */
async function openMoment() {
  const answer = await control.ask({ type: "open", text: moment });
  moment = "";
  if (answer.type !== "opened") return;
  say(answer.same ? "The moment of this link: the same loops." : `The moment of this link: ${answer.notes.join("; ")}`);
}

element("share").addEventListener("click", async () => {
  const answer = await control.ask({ type: "share" });
  if (answer.type !== "shared") return;
  const link = `${location.origin}/#moment=${encodeURIComponent(answer.text)}`;
  const notes = answer.notes.length ? ` (${answer.notes.join("; ")})` : "";
  try {
    await navigator.clipboard.writeText(link);
    say(`The link is in the clipboard${notes}.`);
  } catch {
    say(`${link}${notes}`);
  }
});

crossfader.addEventListener("input", () => control.move("crossfader", crossfader.valueAsNumber));

listenButton.addEventListener("click", async () => {
  listenButton.disabled = true;
  try {
    if (listen.on) await listen.stop();
    else if (welcome) {
      const asked = new URLSearchParams(location.search).get("codec"); // ?codec=pcm: exact to the sample, 1.4 Mbit/s
      await listen.start(asked ? [asked] : welcome.codecs, welcome.sample_rate);
    }
  } catch (error) {
    element("sound").textContent = `no sound: ${/** @type {Error} */ (error).message}`;
  }
  listenButton.disabled = false;
  listenButton.textContent = listen.on ? "Stop listening" : "Listen";
  listenButton.setAttribute("aria-pressed", String(listen.on));
});
listen.addEventListener("played", () => {
  const played = listen.played;
  if (!played?.started) return;
  const late = played.shift > 0 ? ", repeating a loop until the network is back" : "";
  element("sound").textContent = `${Math.round((1000 * played.fill) / (listen.context?.sampleRate ?? 1))} ms behind${late}`;
});
listen.addEventListener("changed", () => {
  if (!listen.on) element("sound").textContent = "";
  if (listen.element) element("sound").textContent = "some seconds late: playing in phase needs HTTPS or this machine";
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    decks.focus();
  }
});

function draw() {
  const beat = clock.beat();
  element("beat").textContent = beat === null ? "–" : beat.toFixed(1);
  element("bpm").textContent = clock.grid ? clock.grid.bpm.toFixed(1) : "–";
  timeline.draw();
  requestAnimationFrame(draw);
}

// For tests and for the curious: what the page knows.
Object.assign(globalThis, { riffengine: { control, listen, clock, timeline, session, parts } });
logIn().then(() => control.connect());
requestAnimationFrame(draw);
