// @ts-check
/**
 * Timeline: beats and bars that move towards the playhead, and a flag on each beat on which something will be heard. A flag
 * that reaches the playhead lights up and leaves. Events: `heard`, with the path (`detail`) of a change that is heard now.
 *
 * @typedef {import("./protocol.js").Promised} Promised
 * @typedef {{beat: number, text: string, heardAt: number|null}} Change
 * @typedef {{node: HTMLElement, beat: number}} Flag
 */
import { make, nameOf } from "./dom.js";

const BEATS_SHOWN = 24;
const PLAYHEAD = 0.12; // of the width
const HEARD_BEATS = 3; // that a flag stays lit
const LINES = 3; // of a flag; what is more is counted
const SPOKEN_EVERY_MS = 2000; // a screen reader is told of one landing a bar at most
const AT_ONCE_SECONDS = 0.1; // a landing this near is heard before a flag could be read
const GAP_PIXELS = 6;

export class Timeline extends EventTarget {
  /** @param {HTMLElement} lane @param {HTMLElement} spoken @param {import("./session.js").Session} session */
  constructor(lane, spoken, session) {
    super();
    this.lane = lane;
    this.spoken = spoken;
    this.session = session;
    /** @type {Map<string, Change>} by path */
    this.changes = new Map();
    /** @type {Flag[]} by beat */
    this.flags = [];
    this.spokenAt = -Infinity;
    /** @type {HTMLElement[]} */
    this.lines = Array.from({ length: BEATS_SHOWN + 4 }, () => make("div"));
    lane.append(...this.lines);
    session.on("landing", (landing) => this.promise(landing));
    session.on("landed", (landed) => this.land(landed));
  }

  /** @param {Promised[]} landings */
  reset(landings) {
    this.changes.clear();
    for (const landing of landings) this.promise(landing);
    this.arrange();
  }

  /** A change will be heard. @param {Promised} landing */
  promise(landing) {
    if (landing.seconds < AT_ONCE_SECONDS) {
      this.dispatchEvent(new CustomEvent("heard", { detail: landing.path }));
      return;
    }
    const name = nameOf(this.session.parameter(landing.path), landing.path);
    const value = typeof landing.value === "number" ? Math.round(landing.value * 1000) / 1000 : landing.value;
    const text = value === true || value === null || value === "" ? name : `${name}: ${value}`;
    this.changes.set(landing.path, { beat: landing.beat, text, heardAt: null });
    this.arrange();
    const now = performance.now();
    if (now - this.spokenAt > SPOKEN_EVERY_MS) {
      this.spokenAt = now;
      this.spoken.textContent = `${text} lands on beat ${beatText(landing.beat)}, in ${landing.seconds.toFixed(1)} s`;
    }
  }

  /** A change is heard from its beat on. @param {import("./protocol.js").Landed} landed */
  land(landed) {
    const change = this.changes.get(landed.path);
    if (!change || change.beat === landed.beat) return;
    change.beat = landed.beat;
    this.arrange();
  }

  /** Make the flags anew: one for each beat, with the changes that land on it. */
  arrange() {
    for (const flag of this.flags) flag.node.remove();
    /** @type {Map<number, Change[]>} */
    const beats = new Map();
    for (const change of this.changes.values()) beats.set(change.beat, [...(beats.get(change.beat) ?? []), change]);
    this.flags = [...beats].sort(([a], [b]) => a - b).map(([beat, changes]) => {
      const shown = changes.slice(0, changes.length > LINES ? LINES - 1 : LINES);
      const lines = shown.map(({ text }) => make("span", {}, text));
      if (changes.length > LINES) lines.push(make("span", {}, `and ${changes.length - shown.length} more`));
      const heard = changes.every(({ heardAt }) => heardAt !== null);
      const node = make("div", { class: heard ? "marker heard" : "marker" }, make("b", {}, beatText(beat)), ...lines);
      this.lane.append(node);
      return { node, beat };
    });
  }

  draw() {
    const beat = this.session.clock.beat();
    if (beat === null) return;
    const width = this.lane.clientWidth;
    const perBeat = width / BEATS_SHOWN;
    const x = (/** @type {number} */ at) => PLAYHEAD * width + Math.min(at - beat, BEATS_SHOWN) * perBeat;
    const first = Math.ceil(beat - PLAYHEAD * BEATS_SHOWN);
    this.lines.forEach((line, i) => {
      line.className = (first + i) % 4 === 0 ? "bar" : "beat";
      line.style.transform = `translateX(${x(first + i)}px)`;
    });
    this.pass(beat);
    this.flags.forEach(({ node, beat: at }, i) => {
      const next = this.flags[i + 1];
      node.style.transform = `translateX(${x(at)}px)`;
      node.style.maxWidth = `${Math.max(0, (next ? x(next.beat) : Math.max(width, x(at) + 1)) - x(at) - GAP_PIXELS)}px`;
    });
  }

  /** What has reached the playhead is heard; what has left it is forgotten. @param {number} beat */
  pass(beat) {
    let changed = false;
    for (const [path, change] of this.changes) {
      if (change.heardAt === null && change.beat <= beat) {
        change.heardAt = beat;
        changed = true;
        this.dispatchEvent(new CustomEvent("heard", { detail: path }));
      } else if (change.beat < beat - HEARD_BEATS) {
        this.changes.delete(path);
        changed = true;
      }
    }
    if (changed) this.arrange();
  }
}

/** @param {number} beat */
function beatText(beat) {
  return beat.toFixed(beat % 1 ? 1 : 0);
}
