// @ts-check
/**
 * Fields: one control for a parameter, made from what the tree says of it: kind, range, unit, choices. A field shows the
 * newest value whoever set it, and when a change of it will be heard: "beat 132" until then, and a flash when it is.
 *
 * @typedef {import("./protocol.js").Parameter} Parameter
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {{holder: HTMLElement, show: (value: Value) => void, lands: HTMLElement|null, timer: number}} Field
 */
import { button, make, nameOf } from "./dom.js";

const FLASH_MS = 900;
const SETTLED_MS = 400; // a value that was sent has come back by then
const WIDEST_INT = 128; // values that a slider still selects one by one
const WIDEST_FLOAT = 1e5;

export class Fields {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** @type {Map<string, Field[]>} */
    this.byPath = new Map();
    session.on("changes", (changes) => this.show(changes.values));
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, (event) => this.release(/** @type {PointerEvent} */ (event).pointerId));
  }

  /** Forget every field; the page is built anew. */
  clear() {
    this.byPath.clear();
  }

  /** Paths that have a field. */
  get paths() {
    return new Set(this.byPath.keys());
  }

  /**
   * A field for the parameter at `path`; null where there is none, or where this page may not set it.
   * @param {string} path
   * @param {{words?: string, compact?: boolean}} [how] `words` in place of the parameter's own name; compact: a short button
   */
  make(path, how = {}) {
    const parameter = this.session.parameter(path);
    if (!parameter || !this.session.may(path)) return null;
    const words = how.words ?? capitalised(parameter.control.replaceAll("_", " "));
    const title = `${parameter.help} (${parameter.allowed})`;
    const holder = make("div", { class: `field ${parameter.kind}`, "data-path": path, title });
    const full = nameOf(parameter, path);
    const name = full.toLowerCase().includes(words.toLowerCase()) ? full : `${words}: ${full}`; // for speech control too
    const show = this.fill(holder, parameter, words, name);
    this.add(path, holder, show, how.compact);
    return holder;
  }

  /** Show the value and the landings of `path` at `holder`. @param {string} path @param {HTMLElement} holder @param {(value: Value) => void} show @param {boolean} [compact] */
  add(path, holder, show, compact = false) {
    const lands = compact ? null : make("span", { class: "lands", "aria-hidden": "true" });
    if (lands) holder.append(lands);
    const known = this.byPath.get(path) ?? [];
    this.byPath.set(path, [...known, { holder, show, lands, timer: 0 }]);
    if (path in this.session.values) show(this.session.values[path]);
  }

  /** @param {HTMLElement} holder @param {Parameter} parameter @param {string} words @param {string} name @returns {(value: Value) => void} */
  fill(holder, parameter, words, name) {
    const { path, kind } = parameter;
    const { control } = this.session;
    if (kind === "trigger") {
      holder.append(button(words, () => void control.set(path, true), { "aria-label": name }));
      return () => {};
    }
    if (kind === "bool") {
      const toggle = button(words, () => void control.set(path, toggle.ariaPressed !== "true"), { "aria-label": name, "aria-pressed": "false" });
      holder.append(toggle);
      return (value) => toggle.setAttribute("aria-pressed", String(Boolean(value)));
    }
    if (kind === "choice") {
      const select = make("select", { "aria-label": name });
      for (const choice of parameter.choices ?? []) select.append(new Option(choice || "(none)", choice));
      select.addEventListener("change", () => void control.set(path, select.value));
      holder.append(make("label", {}, make("span", {}, words), select));
      return (value) => (select.value = String(value));
    }
    const input = make("input", { "aria-label": name });
    const label = make("label", {}, make("span", {}, words));
    holder.append(label);
    if (kind === "str") {
      input.type = "text";
      input.maxLength = parameter.longest ?? 400;
      input.autocomplete = "off";
      input.addEventListener("change", () => void control.set(path, input.value));
      label.append(input);
      return (value) => {
        if (document.activeElement !== input) input.value = String(value);
      };
    }
    return this.number(parameter, input, label);
  }

  /** @param {Parameter} parameter @param {HTMLInputElement} input @param {HTMLElement} label @returns {(value: Value) => void} */
  number(parameter, input, label) {
    const { path } = parameter;
    const { control } = this.session;
    const whole = parameter.kind === "int";
    const [low, high] = [Number(parameter.low), Number(parameter.high)];
    const bounded = parameter.low != null && parameter.high != null;
    if (!bounded || high - low > (whole ? WIDEST_INT : WIDEST_FLOAT)) {
      input.type = "number";
      input.step = whole ? "1" : "any";
      input.addEventListener("change", () => void control.set(path, input.valueAsNumber));
      label.append(input);
      return (value) => {
        if (document.activeElement !== input) input.value = String(value);
      };
    }
    const output = make("output");
    Object.assign(input, { type: "range", min: String(low), max: String(high), step: whole ? "1" : String((high - low) / 1000) });
    const tell = (/** @type {number} */ value) => {
      const text = readable(value, parameter);
      output.textContent = text;
      input.ariaValueText = text;
      if (parameter.control !== "crossfader") fillTrack(input, value, low < 0 && high > 0 && parameter.unit !== "dB" ? 0 : low);
    };
    input.addEventListener("input", () => {
      tell(input.valueAsNumber);
      control.move(path, input.valueAsNumber);
    });
    input.addEventListener("dblclick", () => parameter.default !== undefined && control.move(path, parameter.default));
    label.append(output, input);
    return (value) => {
      if (held(input)) return;
      input.value = String(value);
      tell(Number(value));
    };
  }

  /** @param {Record<string, Value>} values */
  show(values) {
    for (const [path, value] of Object.entries(values)) {
      for (const field of this.byPath.get(path) ?? []) field.show(value);
    }
  }

  /** A finger has left: once its last value is there, its slider shows what counts, which another hand may have set. @param {number} finger */
  release(finger) {
    const path = HELD.get(finger)?.closest("[data-path]")?.getAttribute("data-path") ?? "";
    HELD.delete(finger);
    setTimeout(() => path in this.session.values && this.show({ [path]: this.session.values[path] }), SETTLED_MS);
  }

  /** These changes will be heard, and no others. @param {import("./protocol.js").Promised[]} landings */
  expect(landings) {
    for (const fields of this.byPath.values()) for (const field of fields) settle(field);
    for (const { path, beat } of landings) this.promise(path, beat);
  }

  /** A change will be heard on `beat`. @param {string} path @param {number} beat */
  promise(path, beat) {
    for (const { holder, lands } of this.byPath.get(path) ?? []) {
      holder.classList.add("pending");
      if (lands) lands.textContent = `beat ${beat.toFixed(beat % 1 ? 1 : 0)}`;
    }
  }

  /** A change is heard. @param {string} path */
  heard(path) {
    for (const field of this.byPath.get(path) ?? []) {
      const { holder } = field;
      settle(field);
      holder.classList.add("heard");
      clearTimeout(field.timer);
      field.timer = setTimeout(() => holder.classList.remove("heard"), FLASH_MS);
    }
  }
}

/** Nothing of `field` is on its way. @param {Field} field */
function settle({ holder, lands }) {
  holder.classList.remove("pending");
  if (lands) lands.textContent = "";
}

/** @type {Map<number, HTMLInputElement>} the slider under each finger */
const HELD = new Map();
addEventListener("pointerdown", (event) => {
  const { target, pointerId } = /** @type {PointerEvent} */ (event);
  if (target instanceof HTMLInputElement && target.type === "range") HELD.set(pointerId, target);
});

/** Colour the track of `input` from `origin` to `value`. @param {HTMLInputElement} input @param {number} value @param {number} origin */
export function fillTrack(input, value, origin) {
  const [low, high] = [Number(input.min), Number(input.max)];
  const [from, to] = [Math.min(origin, value), Math.max(origin, value)].map((at) => `${(100 * (at - low)) / (high - low)}%`);
  input.style.setProperty("--from", from);
  input.style.setProperty("--to", to);
}

/** Whether `input` is being moved: then it does not follow what others set. @param {HTMLInputElement} input */
export function held(input) {
  return [...HELD.values()].includes(input);
}

/** @param {number} value @param {Parameter} parameter */
export function readable(value, parameter) {
  const [low, high] = [Number(parameter.low), Number(parameter.high)];
  const digits = parameter.kind === "int" ? 0 : high - low > 40 ? 1 : 2;
  const sign = low < 0 && high > 0 && value > 0 && parameter.unit !== "dB" ? "+" : "";
  const unit = parameter.unit === "semitones" ? "st" : parameter.unit;
  return `${sign}${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`;
}

/** @param {string} text */
function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
