// @ts-check
/**
 * WebMidi: a controller on this machine's browser. The browser asks for permission when MIDI in is switched on, never before.
 *
 * Learn: touch a control of the page, then move a knob. A knob takes a value over when it passes it, so that nothing
 * jumps. What was learnt stays in this browser.
 *
 * @typedef {{path: string, taken: boolean, last: number|null}} Link
 */
import { button, make, nameOf } from "./dom.js";

const STORE = "riffengine-midi";
const NEAR = 0.04; // of the range: a knob this close to the value has it

export class WebMidi {
  /** @param {HTMLElement} root @param {import("./session.js").Session} session */
  constructor(root, session) {
    this.session = session;
    /** @type {Map<string, Link>} by channel and controller, such as "1 cc 7" */
    this.links = new Map(Object.entries(stored()).map(([key, path]) => [key, { path, taken: false, last: null }]));
    /** @type {MIDIAccess|null} */
    this.access = null;
    this.touched = "";
    this.learning = false;
    this.state = make("p", { class: "soft", role: "status" });
    this.switch = button("MIDI in", () => void this.open(), { id: "midi-in", "aria-pressed": "false" });
    this.learn = button("Learn", () => this.startLearning(), { id: "midi-learn", "aria-pressed": "false", disabled: true });
    this.forget = button("Forget all", () => this.forgetAll(), { disabled: true });
    this.list = make("ul", { class: "links" });
    root.replaceChildren(make("div", { class: "chips" }, this.switch, this.learn, this.forget), this.state, this.list);
    for (const type of ["pointerdown", "focusin"]) document.addEventListener(type, (event) => this.touch(event.target));
    session.on("changes", (changes) => {
      for (const link of this.links.values()) if (link.path in changes.values) this.compare(link);
    });
    this.show();
    if (!navigator.requestMIDIAccess) {
      this.switch.disabled = true;
      this.state.textContent = isSecureContext ? "This browser has no MIDI." : "MIDI needs HTTPS, or the page on this machine.";
    }
  }

  async open() {
    try {
      this.access = await navigator.requestMIDIAccess();
    } catch {
      this.state.textContent = "The browser was not allowed to use MIDI.";
      return;
    }
    this.switch.setAttribute("aria-pressed", "true");
    this.learn.disabled = false;
    this.access.addEventListener("statechange", () => this.listen());
    this.listen();
  }

  listen() {
    const inputs = [...(this.access?.inputs.values() ?? [])];
    for (const input of inputs) input.onmidimessage = (event) => this.receive(event.data ?? new Uint8Array());
    this.state.textContent = inputs.length ? inputs.map((input) => input.name).join(", ") : "No controller is connected.";
  }

  startLearning() {
    this.learning = !this.learning;
    this.touched = "";
    this.learn.setAttribute("aria-pressed", String(this.learning));
    if (this.learning) this.state.textContent = "Touch a control of the page, then move a knob or press a pad.";
  }

  /** @param {EventTarget|null} target */
  touch(target) {
    const field = target instanceof Element ? target.closest("[data-path]") : null;
    if (!this.learning || !(field instanceof HTMLElement) || !field.dataset.path) return;
    this.touched = field.dataset.path;
    this.state.textContent = `Now move a knob for ${this.name(this.touched)}.`;
  }

  /** @param {Uint8Array} bytes one message of a controller */
  receive(bytes) {
    const kind = bytes[0] & 0xf0;
    if (kind !== 0xb0 && kind !== 0x90 && kind !== 0x80) return;
    const channel = (bytes[0] & 0x0f) + 1;
    const key = `${channel} ${kind === 0xb0 ? "cc" : "note"} ${bytes[1]}`;
    const value = kind === 0x80 ? 0 : bytes[2] / 127;
    if (this.learning && this.touched && value > 0) {
      this.links.set(key, { path: this.touched, taken: false, last: null });
      this.startLearning();
      this.state.textContent = `${key}: ${this.name(this.links.get(key)?.path ?? "")}`;
      this.store();
      return;
    }
    const link = this.links.get(key);
    if (link) this.play(link, value);
  }

  /** @param {Link} link @param {number} value 0 to 1 */
  play(link, value) {
    const parameter = this.session.parameter(link.path);
    if (!parameter || !this.session.may(link.path)) return;
    const { kind } = parameter;
    if (kind === "trigger" || kind === "bool") {
      const pressed = value >= 0.5 && (link.last ?? 0) < 0.5;
      link.last = value;
      if (pressed) void this.session.control.set(link.path, kind === "trigger" || !this.session.values[link.path]);
      return;
    }
    if (kind === "choice") {
      const choices = parameter.choices ?? [];
      void this.session.control.set(link.path, choices[Math.round(value * (choices.length - 1))] ?? "");
      return;
    }
    if (kind === "str" || parameter.low == null || parameter.high == null) return;
    const now = this.position(link);
    const passed = link.last !== null && (link.last - now) * (value - now) <= 0;
    link.taken ||= Math.abs(value - now) < NEAR || passed;
    link.last = value;
    if (!link.taken) return;
    const moved = parameter.low + value * (parameter.high - parameter.low);
    this.session.control.move(link.path, kind === "int" ? Math.round(moved) : moved);
  }

  /** Where the parameter of `link` is in its range, 0 to 1. @param {Link} link */
  position(link) {
    const parameter = this.session.parameter(link.path);
    const [low, high] = [Number(parameter?.low), Number(parameter?.high)];
    return (Number(this.session.values[link.path]) - low) / (high - low);
  }

  /** Another hand has moved the parameter away from the knob: the knob must pass it again. @param {Link} link */
  compare(link) {
    if (link.last !== null && Math.abs(this.position(link) - link.last) > 2 * NEAR) link.taken = false;
  }

  forgetAll() {
    this.links.clear();
    this.store();
  }

  store() {
    const text = JSON.stringify(Object.fromEntries([...this.links].map(([key, { path }]) => [key, path])));
    try {
      localStorage.setItem(STORE, text);
    } catch { /* a browser that keeps nothing: the links last as long as the page */ }
    this.show();
  }

  show() {
    this.forget.disabled = !this.links.size;
    this.list.replaceChildren(...[...this.links].map(([key, { path }]) => make("li", {}, `channel ${key}: ${this.name(path)}`)));
  }

  /** @param {string} path */
  name(path) {
    return nameOf(this.session.parameter(path), path);
  }
}

/** @returns {Record<string, string>} */
function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}
