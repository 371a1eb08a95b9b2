// @ts-check
/**
 * Watch: the endless spectrogram with its playhead, beats, landings and prompts, as hills or as a flat picture.
 *
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {{control: EventTarget, clock: import("./stage_clock.js").StageClock, values: Record<string, Value>,
 *   welcome: import("./protocol.js").Welcome|null, on: (type: string, act: (message: any) => void) => void}} Session
 * @typedef {import("./watch_labels.js").Label} Label
 * @typedef {import("./landscape.js").Landscape|import("./landscape_flat.js").FlatLandscape} View
 */
import { part } from "./dom.js";
import { FlatLandscape } from "./landscape_flat.js";
import { Landscape } from "./landscape.js";
import { SpectrumRing } from "./spectrum_ring.js";
import { spectrumSocket } from "./spectrum_socket.js";
import { StageLoops } from "./stage_loops.js";
import { WatchLabels } from "./watch_labels.js";

const SLOW_MS = 66; // a frame; slower than this for SLOW_FRAMES the picture becomes simpler
const SLOW_FRAMES = 45;
const HEARD_BEATS = 6; // that a landing stays
const MOST_MARKS = 24;
const STILL_MS = 250; // between two pictures with little motion

/**
 * @param {HTMLElement} element @param {Session} session
 * @param {{bare?: boolean}} [options] bare: no controls
 */
export function mount(element, session, options = {}) {
  const watch = new Watch(element, session, options.bare ?? false);
  return { show: (/** @type {boolean} */ visible) => watch.show(visible), watch };
}

export class Watch {
  /** @param {HTMLElement} element @param {Session} session @param {boolean} bare */
  constructor(element, session, bare) {
    this.session = session;
    this.ring = new SpectrumRing();
    this.loops = new StageLoops((frame) => session.clock.beatAt(frame), () => this.ring.forget(this.beat));
    /** @type {Map<string, Label>} */
    this.marks = new Map();
    /** @type {Record<string, {prompt: string, to: string}>} */
    this.sounding = {};
    this.beat = 0;
    this.set = ""; // which one is shown
    /** @type {View|null} */
    this.view = null;
    /** @type {import("./lasting_socket.js").LastingSocket|null} */
    this.socket = null;
    this.visible = false;
    this.asked = 0; // the next frame, so that there is never more than one
    this.slow = 0;
    this.lastFrame = 0;
    this.quality = 1;
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const asked = new URLSearchParams(location.search).get("view");
    this.forced = asked === "3d" || asked === "flat";
    this.flat = asked === "flat" || (asked !== "3d" && (this.still || !hasWebgl()));
    this.holder = part("div", "watch-holder", element);
    this.labels = new WatchLabels(part("div", "watch-labels", this.holder));
    this.caption = part("div", "watch-caption", this.holder);
    this.legend = part("div", "watch-legend", this.holder);
    element.classList.add("watch", ...(bare ? ["bare"] : []));
    this.coloured = bare;
    if (!bare) this.buttons(element);
    this.listen();
    new ResizeObserver(() => this.view?.resize()).observe(this.holder);
  }

  /** @param {HTMLElement} element */
  buttons(element) {
    const bar = part("div", "watch-bar", element);
    bar.setAttribute("role", "toolbar");
    bar.setAttribute("aria-label", "View");
    const toggle = (/** @type {string} */ text, /** @type {() => boolean} */ pressed, /** @type {() => void} */ act) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      const show = () => button.setAttribute("aria-pressed", String(pressed()));
      button.addEventListener("click", () => (act(), show()));
      show();
      bar.append(button);
    };
    toggle("Flat", () => this.flat, () => this.open(!this.flat, true));
    toggle("Colour the stems", () => this.coloured, () => (this.coloured = !this.coloured));
    const link = document.createElement("a");
    link.href = "/watch";
    link.className = "button";
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Full screen";
    bar.append(link);
  }

  listen() {
    const { session } = this;
    session.on("connected", (welcome) => this.begin(welcome));
    session.on("changes", (message) => this.loops.show(message.values));
    session.on("figures", (message) => this.figures(message));
    session.on("landing", (message) => this.promise(message));
    session.on("landed", (message) => this.land(message));
    session.on("disconnected", (reason) => (this.caption.textContent = reason));
    if (session.welcome) {
      this.begin(session.welcome);
      this.loops.show(session.values);
    }
  }

  /** @param {import("./protocol.js").Welcome} welcome */
  begin(welcome) {
    if (welcome.set !== this.set) this.loops.forget();
    this.set = welcome.set;
    this.loops.show(welcome.values);
    this.marks.clear();
    for (const landing of welcome.landings) this.promise(landing);
    if (welcome.figures.decks) this.figures(welcome.figures);
  }

  /** @param {import("./protocol.js").Figures} figures */
  figures(figures) {
    this.loops.figures(figures.decks);
    const beat = this.session.clock.beat() ?? 0;
    const lines = [];
    for (const [name, deck] of Object.entries(figures.decks)) {
      const { prompt = "", to = "" } = deck.sounding;
      const before = this.sounding[name];
      if (before && before.prompt !== prompt && ![...this.marks.values()].some((mark) => mark.text === prompt)) {
        this.mark({ key: `heard/${name}/${beat.toFixed(1)}`, beat, text: prompt, kind: "prompt", heard: true });
      }
      this.sounding[name] = { prompt, to };
      if (prompt) lines.push(to && to !== prompt ? `${prompt}  →  ${to}` : prompt);
    }
    const text = lines.join("\n");
    if (this.caption.textContent !== text) this.caption.textContent = text;
    this.legendOf(this.coloured ? this.loops.stems : []);
  }

  /** @param {import("./protocol.js").Promised} landing */
  promise(landing) {
    if (landing.seconds < 0.1) return;
    const parts = landing.path.split("/");
    const control = parts[parts.length - 1];
    const kind = control === "prompt" || control === "to" ? "prompt" : "landing";
    const value = landing.value === true || landing.value === null ? "" : `: ${landing.value}`;
    const text = control === "prompt" ? String(landing.value) : `${parts.slice(1).join(" ") || landing.path}${value}`;
    this.mark({ key: landing.path, beat: landing.beat, text: text.slice(0, 80), kind, heard: false });
    if (parts[0] === "deck") this.loops.lands(parts[1], landing.beat);
  }

  /** @param {import("./protocol.js").Landed} landed */
  land(landed) {
    const mark = this.marks.get(landed.path);
    if (mark) mark.beat = landed.beat;
    const deck = landed.path.split("/");
    if (deck[0] === "deck") this.loops.lands(deck[1], -1);
  }

  /** @param {Label} label */
  mark(label) {
    this.marks.delete(label.key);
    this.marks.set(label.key, label);
    for (const key of [...this.marks.keys()].slice(0, Math.max(0, this.marks.size - MOST_MARKS))) this.marks.delete(key);
  }

  /** @param {string[]} stems */
  legendOf(stems) {
    if (this.legend.dataset.stems === stems.join(" ")) return;
    this.legend.dataset.stems = stems.join(" ");
    this.legend.replaceChildren(
      ...stems.map((stem, k) => {
        const entry = document.createElement("span");
        entry.className = `stem-${Math.min(k, 2)}`;
        entry.textContent = stem;
        return entry;
      }),
    );
  }

  /** @param {boolean} visible */
  show(visible) {
    if (visible === this.visible) return;
    this.visible = visible;
    if (visible) {
      this.socket = spectrumSocket((first, levels) => this.ring.heard(first, levels, this.loops.at));
      void this.open(this.flat, this.forced);
      this.asked = requestAnimationFrame((now) => this.frame(now));
    } else {
      cancelAnimationFrame(this.asked);
      this.socket?.close();
      this.socket = null;
      this.view?.close();
      this.view = null;
    }
  }

  /** Change the view. @param {boolean} flat @param {boolean} forced it stays, however slow it is */
  async open(flat, forced) {
    this.flat = flat;
    this.forced = forced;
    this.view?.close();
    this.view = null;
    this.slow = 0;
    this.canvas?.remove(); // a canvas keeps its first kind of context
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    this.canvas = canvas;
    this.holder.prepend(canvas);
    if (flat) {
      this.view = new FlatLandscape(canvas, this.ring, this.still);
      return;
    }
    try {
      const view = await Landscape.open(canvas, this.ring, this.quality);
      if (this.canvas !== canvas) return view.close();
      this.view = view;
      canvas.addEventListener("webglcontextlost", (event) => {
        event.preventDefault();
        if (this.view === view) this.open(false, this.forced);
      });
    } catch {
      if (this.canvas === canvas) await this.open(true, true); // no WebGL after all
    }
  }

  /** @param {number} now */
  frame(now) {
    this.asked = requestAnimationFrame((next) => this.frame(next));
    if (this.still && now - this.lastFrame < STILL_MS) return;
    this.judge(now - this.lastFrame);
    this.lastFrame = now;
    const beat = this.session.clock.beat();
    if (beat !== null) this.draw(beat);
  }

  /** Draw the picture of `beat`. @param {number} beat */
  draw(beat) {
    this.beat = beat;
    this.ring.advance(beat, this.loops.at);
    const { view } = this;
    if (!view) return;
    for (const [key, mark] of this.marks) {
      mark.heard = mark.beat <= beat;
      if (mark.beat < beat - HEARD_BEATS) this.marks.delete(key);
    }
    const marks = [...this.marks.values()];
    view.coloured = this.coloured;
    view.draw(beat, [...new Set(marks.filter((mark) => !mark.heard).map((mark) => mark.beat))]);
    this.labels.draw(marks, beat, (at) => view.place(at));
  }

  /** A machine that is too slow for the hills gets fewer of them, and then the flat picture. @param {number} ms */
  judge(ms) {
    if (this.forced || this.flat || !this.view || document.hidden) return;
    this.slow = ms > SLOW_MS ? this.slow + 1 : Math.max(0, this.slow - 1);
    if (this.slow < SLOW_FRAMES) return;
    if (this.quality) {
      this.quality = 0;
      this.open(false, false);
    } else this.open(true, false);
  }
}

function hasWebgl() {
  try {
    return document.createElement("canvas").getContext("webgl2") !== null;
  } catch {
    return false;
  }
}
