// @ts-check
/** Panels beside the decks: tempo and harmony, scenes, and every parameter that has no place of its own. */
import { button, make, nameOf } from "./dom.js";

/** @param {string} id @returns {HTMLElement} */
function body(id) {
  return /** @type {HTMLElement} */ (document.querySelector(`#${id} .body`));
}

const TEMPO = ["transport/tempo", "transport/tap", "transport/quantum", "key", "chords", "master/gain"];
const SCENES = ["scene/morph_bars", "scene/previous", "scene/next"];
const MOST_CONTROLS_OPEN = 24; // of a group that is shown unfolded

export class Panels {
  /** @param {import("./session.js").Session} session @param {import("./fields.js").Fields} fields */
  constructor(session, fields) {
    this.session = session;
    this.fields = fields;
    this.scenes = make("div", { class: "chips", role: "group", "aria-label": "Scenes" });
    this.scenesShown = "";
    session.on("figures", (figures) => this.showScenes(figures));
  }

  build() {
    this.fill("tempo", TEMPO);
    this.buildMix();
    this.buildScenes();
  }

  /** @param {string} id @param {string[]} paths @returns {HTMLElement} */
  fill(id, paths) {
    const root = body(id);
    root.replaceChildren();
    for (const path of paths) {
      const field = this.fields.make(path, path === "master/gain" ? { words: "Master gain" } : {});
      if (field) root.append(field);
    }
    /** @type {HTMLElement} */ (root.parentElement).hidden = !root.children.length;
    return root;
  }

  buildMix() {
    const section = this.fill("mix", ["crossfader"]);
    const input = section.querySelector("input");
    const decks = new Set(this.session.schema.filter((p) => p.deck && p.control === "prompt").map((p) => p.deck));
    /** @type {HTMLElement} */ (section.parentElement).hidden = !input || decks.size < 2;
    if (input) input.id = "crossfader";
  }

  buildScenes() {
    const root = this.fill("scenes", SCENES);
    this.scenesShown = "";
    root.prepend(this.scenes);
    if (!this.session.may("scene/store") || !this.session.parameter("scene/store")) return;
    const name = make("input", { type: "text", maxlength: 40, placeholder: "name", autocomplete: "off", "aria-label": "Name of a new scene" });
    const store = () => {
      if (name.value.trim()) void this.session.control.set("scene/store", name.value.trim()).then((answer) => (name.value = "ok" in answer && answer.ok ? "" : name.value));
    };
    name.addEventListener("keydown", (event) => event.key === "Enter" && store());
    const holder = make("div", { class: "field store", "data-path": "scene/store" }, name, button("Store", store, { "aria-label": "Store the scene" }));
    this.fields.add("scene/store", holder, () => {}, true);
    root.append(holder);
    if (this.session.welcome) this.showScenes(this.session.welcome.figures);
  }

  /** @param {import("./protocol.js").Figures} figures */
  showScenes(figures) {
    const text = JSON.stringify([figures.scenes, figures.scene, this.session.may("scene/recall")]);
    if (!figures.scenes || text === this.scenesShown) return;
    this.scenesShown = text;
    this.scenes.replaceChildren(...figures.scenes.map((name) => {
      const chip = button(name, () => void this.session.control.set("scene/recall", name), { "aria-pressed": String(name === figures.scene) });
      chip.disabled = !this.session.may("scene/recall");
      return chip;
    }));
    if (!figures.scenes.length) this.scenes.replaceChildren(make("p", { class: "soft" }, "No scene yet: name one and store it."));
  }

  /** Every parameter without a field, by group; call it last. */
  buildOthers() {
    const root = body("others");
    root.replaceChildren();
    const taken = this.fields.paths;
    /** @type {Map<string, HTMLElement[]>} */
    const groups = new Map();
    for (const parameter of this.session.schema) {
      if (taken.has(parameter.path)) continue;
      const place = parameter.path.split("/").slice(0, -1).join(" ") || "session";
      const field = this.fields.make(parameter.path);
      if (field) groups.set(place, [...(groups.get(place) ?? []), field]);
    }
    for (const [place, fields] of groups) {
      const grid = make("div", { class: "shape" }, ...fields);
      if (fields.length > MOST_CONTROLS_OPEN) root.append(make("details", {}, make("summary", {}, place), grid));
      else root.append(make("h3", {}, place), grid);
    }
    /** @type {HTMLElement} */ (root.parentElement).hidden = !groups.size;
  }

  /** What guests may set, for a page of a guest. */
  buildAllowed() {
    const root = body("allowed");
    root.replaceChildren();
    for (const path of this.session.welcome?.guest ?? []) {
      const field = this.fields.byPath.has(path) ? null : this.fields.make(path, { words: nameOf(this.session.parameter(path), path) });
      if (field) root.append(field);
    }
    /** @type {HTMLElement} */ (root.parentElement).hidden = !root.children.length;
  }
}
