// @ts-check
/** The page: it joins the session and the parts of the screen, and builds the controls that this page's role may use. */
import { Decks } from "./decks.js";
import { element } from "./dom.js";
import { Fields } from "./fields.js";
import { ListenButton } from "./listen_button.js";
import { logIn } from "./log_in.js";
import { Panels } from "./panels.js";
import { Parts } from "./parts.js";
import { Session } from "./session.js";
import { Sharing } from "./sharing.js";
import { Timeline } from "./timeline.js";
import { Together } from "./together.js";
import { Toolbar } from "./toolbar.js";
import { WebMidi } from "./web_midi.js";

const SPOKEN_MS = 8000; // that an answer stays

const session = new Session();
const { control, listen, clock } = session;
const parts = new Parts(session);
const fields = new Fields(session);
const timeline = new Timeline(element("lane"), element("landings"), session);
const decks = new Decks(element("decks"), session, fields);
const panels = new Panels(session, fields);
const toolbar = new Toolbar(element("toolbar"), session, fields, say);
const together = new Together(part("together"), session, say);
const sharing = new Sharing(part("sharing"), session, say);
const midi = new WebMidi(part("midi"), session);
new ListenButton(session);

/** Where a panel puts its own. @param {string} id */
function part(id) {
  return /** @type {HTMLElement} */ (element(id).querySelector(".body"));
}

/** Build every control: the tree or the role is new. */
function build() {
  const performs = session.welcome?.role === "performer";
  document.body.dataset.role = session.welcome?.role;
  fields.clear();
  decks.build(session.schema);
  panels.build();
  toolbar.build();
  panels.buildAllowed();
  panels.buildOthers();
  together.build();
  element("midi").hidden = !performs;
}

/** What the controls are made from: pages that connect again keep theirs while it is the same. */
let built = "";
/** Of Riffengine, when this page was loaded. */
let version = "";

session.on("connected", (/** @type {import("./protocol.js").Welcome} */ welcome) => {
  element("name").textContent = welcome.name;
  document.title = `${welcome.name} – Riffengine`;
  document.body.dataset.connected = "true";
  const role = welcome.role === "performer" ? "connected" : `connected as ${welcome.role}`;
  version ||= welcome.version;
  element("connection").textContent = version === welcome.version ? role : `${role}; Riffengine is ${welcome.version} now: reload this page`;
  const from = JSON.stringify([welcome.schema, welcome.role, welcome.guest]);
  if (from !== built) build();
  built = from;
  fields.show(session.values);
  fields.expect(welcome.landings);
  timeline.reset(welcome.landings);
  void sharing.open();
});
session.on("schema", () => {
  build();
  built = "";
});
session.on("disconnected", (/** @type {string} */ reason) => {
  document.body.dataset.connected = "false";
  element("connection").textContent = reason;
});
session.on("landing", (landing) => landing.seconds >= 0.1 && fields.promise(landing.path, landing.beat));
session.on("answer", (message) => {
  if (!message.ok || message.note) say(message.ok ? message.note : message.error, !message.ok);
});
session.on("event", (event) => {
  if (!event.text.includes(" landed on beat ")) say(event.text); // a landing is on the timeline
});
timeline.addEventListener("heard", (event) => fields.heard(/** @type {CustomEvent} */ (event).detail));

let spoken = 0;
/** @param {string} text @param {boolean} [wrong] */
function say(text, wrong = false) {
  const line = element("answer");
  line.classList.toggle("wrong", wrong);
  line.textContent = text;
  clearTimeout(spoken);
  spoken = setTimeout(() => (line.textContent = ""), SPOKEN_MS);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    void parts.show("play");
    decks.focus();
  }
});

const counts = [...element("count").children];
function draw() {
  const beat = clock.beat();
  element("beat").textContent = beat === null ? "–" : String(Math.floor(beat));
  element("bpm").textContent = clock.grid ? `${clock.grid.bpm.toFixed(1).replace(/\.0$/, "")} bpm` : "–";
  counts.forEach((dot, i) => dot.classList.toggle("now", beat !== null && (((Math.floor(beat) % 4) + 4) % 4) === i));
  if (parts.shown === "play") timeline.draw();
  else if (beat !== null) timeline.pass(beat);
  requestAnimationFrame(draw);
}

// For tests and for the curious: what the page knows.
Object.assign(globalThis, { riffengine: { control, listen, clock, timeline, session, parts, fields, midi } });
void logIn().then((given) => {
  sharing.moment = given.get("moment") ?? "";
  control.connect();
});
requestAnimationFrame(draw);
