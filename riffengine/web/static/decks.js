// @ts-check
/**
 * Decks: for each deck what is heard, the prompt and its target with the way between them (alpha), what shapes its loops,
 * its stems, and everything else that the tree has for it.
 *
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {import("./protocol.js").Parameter} Parameter
 * @typedef {{heard: HTMLElement, phase: HTMLElement, prompt: PromptField, to: PromptField}} DeckView
 */
import { make } from "./dom.js";
import { fillTrack, held } from "./fields.js";
import { PromptField } from "./prompt_field.js";

const SHAPE = ["density", "brightness", "energy", "transpose", "gain", "filter"];
/** What a performer needs seldom; a control that is in neither list is one of a new model, and is shown at once. */
const SELDOM = ["seed", "to_seed", "negative", "guidance", "strength", "init", "drift", "memory", "tension", "walk", "side",
  "chords", "takes"];
const PLACED = ["prompt", "to", "alpha", "mute", "again"];
const STEM_BUTTONS = [["mute", "M"], ["solo", "S"], ["freeze", "Freeze"], ["again", "Again"]];

export class Decks {
  /** @param {HTMLElement} root @param {import("./session.js").Session} session @param {import("./fields.js").Fields} fields */
  constructor(root, session, fields) {
    this.root = root;
    this.session = session;
    this.fields = fields;
    /** @type {Map<string, DeckView>} */
    this.views = new Map();
    session.on("figures", (figures) => this.showFigures(figures));
  }

  /** @param {Parameter[]} schema */
  build(schema) {
    this.root.replaceChildren();
    this.views.clear();
    const names = new Set(schema.filter((p) => p.deck && p.control === "prompt").map((p) => p.deck));
    this.root.dataset.decks = String(names.size);
    for (const name of names) this.buildDeck(name, schema.filter((p) => p.deck === name));
  }

  /** @param {string} name @param {Parameter[]} own */
  buildDeck(name, own) {
    const phase = make("span", { class: "phase" });
    const heard = make("p", { class: "now" });
    const section = make("section", { class: "deck panel", "data-deck": name, "aria-label": `Deck ${name.toUpperCase()}` });
    const buttons = make("div", { class: "buttons" });
    for (const [control, words] of [["again", "Again"], ["mute", "Mute"]]) this.append(buttons, `deck/${name}/${control}`, words, true);
    section.append(
      make("header", {}, make("h2", {}, name.toUpperCase()), make("div", { class: "hearing" }, heard, phase), buttons),
    );
    const prompt = this.promptField(section, `deck/${name}/prompt`, "Prompt");
    const to = this.promptField(section, `deck/${name}/to`, "Towards");
    if (prompt && to) this.views.set(name, { heard, phase, prompt, to });
    this.alpha(section, name);
    this.shape(section, name, own);
    this.stems(section, name, own);
    this.rest(section, name, own);
    this.root.append(section);
  }

  /** @param {HTMLElement} parent @param {string} path @param {string} [words] @param {boolean} [compact] */
  append(parent, path, words, compact) {
    const field = this.fields.make(path, { words, compact });
    if (field) parent.append(field);
  }

  /** @param {HTMLElement} section @param {string} path @param {string} words */
  promptField(section, path, words) {
    const deck = path.split("/")[1].toUpperCase();
    const field = new PromptField(this.session, `${words} of deck ${deck}`, (text) => void this.session.control.set(path, text));
    if (!this.session.may(path)) field.input.disabled = true;
    const holder = make("div", { class: "field prompt-line", "data-path": path }, make("span", { class: "label", "aria-hidden": "true" }, words), field.node);
    this.fields.add(path, holder, (value) => field.show(String(value)));
    section.append(holder);
    return field;
  }

  /** The way from the prompt to its target. @param {HTMLElement} section @param {string} name */
  alpha(section, name) {
    const path = `deck/${name}/alpha`;
    if (!this.session.parameter(path) || !this.session.may(path)) return;
    const output = make("output");
    const input = make("input", { type: "range", min: 0, max: 1, step: 0.001, "aria-label": `${name.toUpperCase()} alpha, from the prompt to its target` });
    const tell = (/** @type {number} */ value) => {
      const target = this.session.values[`deck/${name}/to`];
      output.textContent = value.toFixed(2);
      fillTrack(input, value, 0);
      input.ariaValueText = target ? `${value.toFixed(2)}, towards ${target}` : value.toFixed(2);
    };
    input.addEventListener("input", () => {
      tell(input.valueAsNumber);
      this.session.control.move(path, input.valueAsNumber);
    });
    const ends = make("div", { class: "ends", "aria-hidden": "true" }, make("span", {}, "prompt"), output, make("span", {}, "target"));
    const holder = make("div", { class: "field alpha", "data-path": path }, ends, input);
    this.fields.add(path, holder, (value) => {
      if (held(input)) return;
      input.value = String(value);
      tell(Number(value));
    });
    section.append(holder);
  }

  /** @param {HTMLElement} section @param {string} name @param {Parameter[]} own */
  shape(section, name, own) {
    const grid = make("div", { class: "shape" });
    for (const control of SHAPE) this.append(grid, `deck/${name}/${control}`);
    const placed = [...PLACED, ...SHAPE, ...SELDOM];
    for (const parameter of own) {
      if (!parameter.stem && !parameter.group && !placed.includes(parameter.control)) this.append(grid, parameter.path);
    }
    if (grid.children.length) section.append(grid);
  }

  /** @param {HTMLElement} section @param {string} name @param {Parameter[]} own */
  stems(section, name, own) {
    const names = new Set(own.filter((p) => p.stem).map((p) => p.stem));
    const list = make("div", { class: "stems", role: "group", "aria-label": `Stems of deck ${name.toUpperCase()}` });
    for (const stem of names) {
      const path = `deck/${name}/stem/${stem}`;
      const row = make("div", { class: "stem" });
      this.append(row, `${path}/gain`, names.size > 1 ? stem : "all stems");
      for (const [control, words] of STEM_BUTTONS) this.append(row, `${path}/${control}`, words, true);
      if (row.children.length) list.append(row);
    }
    if (list.children.length) section.append(list);
  }

  /** What is left, folded away. @param {HTMLElement} section @param {string} name @param {Parameter[]} own */
  rest(section, name, own) {
    const effects = own.filter((p) => /(^|\/)fx\//.test(`${p.group}/`));
    const seldom = own.filter((p) => !effects.includes(p) && !this.fields.byPath.has(p.path));
    for (const [title, parameters] of /** @type {[string, Parameter[]][]} */ ([["More of this deck", seldom], ["Effects and plugins", effects]])) {
      const grid = make("div", { class: "shape" });
      for (const parameter of parameters) this.append(grid, parameter.path, parameter.group ? wordsOf(parameter) : undefined);
      if (grid.children.length) section.append(make("details", {}, make("summary", {}, title), grid));
    }
  }

  /** @param {import("./protocol.js").Figures} figures */
  showFigures(figures) {
    for (const [name, deck] of Object.entries(figures.decks)) {
      const view = this.views.get(name);
      if (!view) continue;
      const { prompt, to } = deck.sounding;
      setText(view.heard, !prompt ? "the first loop is on its way" : to && to !== prompt ? `${prompt} → ${to}` : prompt);
      setText(view.phase, deck.phase === "playing" ? "" : `next: ${deck.phase}`);
    }
  }

  /** Put the cursor into the first prompt. */
  focus() {
    for (const { prompt } of this.views.values()) {
      prompt.input.focus();
      prompt.input.select();
      return;
    }
  }
}

/** @param {Parameter} parameter */
function wordsOf(parameter) {
  return [parameter.stem, parameter.group.replaceAll("/", " "), parameter.control.replaceAll("_", " ")].filter((word) => word).join(" ");
}

/** @param {HTMLElement} node @param {string} text */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
