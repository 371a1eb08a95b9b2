// @ts-check
/**
 * StageLoops: which loops decks play and will play, with their pictures by stem, and how loud each is in the mix.
 *
 * @typedef {import("./protocol.js").Value} Value
 * @typedef {{loop: number, stems: string[], beats: number, bands: number, columns: Uint8Array}} Loop
 * @typedef {{loop: number|null, coming: number|null, coming_frame: number}} Plays
 */
import { BANDS, PER_BEAT } from "./spectrum_ring.js";

const MOST_KEPT = 16;
const AGAIN_MS = 700; // a picture is made within half a second of the loop's first mention
const MIX_PATH = /^(crossfader|master\/gain|deck\/[^/]+\/(gain|mute|side|stem\/.*))$/;

export class StageLoops {
  /** @param {(frame: number) => number|null} beatAt @param {() => void} changed what is ahead has changed */
  constructor(beatAt, changed) {
    this.beatAt = beatAt;
    this.changed = changed;
    /** @type {Map<number, Loop|null>} null while it is on its way */
    this.loops = new Map();
    /** @type {Record<string, Plays>} */
    this.decks = {};
    /** @type {Record<string, Value>} */
    this.values = {};
    /** @type {Map<string, number>} the beat on which a deck changes to something that is not rendered yet */
    this.unknownFrom = new Map();
    this.at = this.at.bind(this);
  }

  /** Another set has begun: its loops have the same numbers. */
  forget() {
    this.loops = new Map(); // what is still on its way goes to the old one
    this.decks = {};
    this.unknownFrom.clear();
    this.changed();
  }

  /** @param {Record<string, Value>} values */
  show(values) {
    Object.assign(this.values, values);
    if (Object.keys(values).some((path) => MIX_PATH.test(path))) this.changed();
  }

  /** @param {Record<string, any>} decks of the figures */
  figures(decks) {
    let changed = false;
    for (const [name, deck] of Object.entries(decks)) {
      const before = this.decks[name];
      const now = { loop: deck.loop ?? null, coming: deck.coming ?? null, coming_frame: deck.coming_frame ?? 0 };
      changed ||= !before || before.loop !== now.loop || before.coming !== now.coming || before.coming_frame !== now.coming_frame;
      this.decks[name] = now;
      for (const loop of [now.loop, now.coming]) if (loop !== null) this.fetch(loop);
    }
    if (changed) this.changed();
  }

  /** A change of `deck` lands on `beat`; -1: none does. @param {string} deck @param {number} beat */
  lands(deck, beat) {
    if (beat < 0 ? this.unknownFrom.delete(deck) : this.unknownFrom.get(deck) !== beat) this.changed();
    if (beat >= 0) this.unknownFrom.set(deck, beat);
  }

  /** The names of the stems of what is heard. */
  get stems() {
    for (const loop of this.loops.values()) if (loop) return loop.stems;
    return [];
  }

  /** What is heard at `beat`, for the ring. @param {number} beat */
  at(beat) {
    const found = [];
    for (const [name, deck] of Object.entries(this.decks)) {
      const comes = deck.coming === null ? null : this.beatAt(deck.coming_frame);
      const unknown = this.unknownFrom.get(name);
      let number = deck.loop;
      if (comes !== null && beat >= comes - 1e-6) number = deck.coming;
      else if (unknown !== undefined && beat >= unknown - 1e-6) return null;
      if (number === null) continue;
      const loop = this.loops.get(number);
      if (!loop) return null;
      const count = loop.beats * PER_BEAT;
      const column = ((Math.round(beat * PER_BEAT) % count) + count) % count;
      found.push({ columns: loop.columns, offset: column * BANDS, stemStride: count * BANDS, gains: this.gains(name, loop.stems) });
    }
    return found;
  }

  /** @param {string} deck @param {string[]} stems @returns {number[]} */
  gains(deck, stems) {
    const { values } = this;
    const number = (/** @type {string} */ path, /** @type {number} */ usual) => Number(values[path] ?? usual);
    const db = (/** @type {string} */ path) => 10 ** (number(path, 0) / 20);
    let whole = values[`deck/${deck}/mute`] ? 0 : db(`deck/${deck}/gain`) * db("master/gain");
    const side = values[`deck/${deck}/side`] ?? "thru";
    const way = (number("crossfader", 0) * Math.PI) / 2;
    if (side === "left") whole *= Math.cos(way);
    if (side === "right") whole *= Math.sin(way);
    const solo = stems.some((stem) => values[`deck/${deck}/stem/${stem}/solo`]);
    return stems.map((stem) => {
      const at = `deck/${deck}/stem/${stem}`;
      const silent = values[`${at}/mute`] || (solo && !values[`${at}/solo`]);
      return silent ? 0 : whole * db(`${at}/gain`);
    });
  }

  /** @param {number} number */
  async fetch(number) {
    const known = this.loops.get(number);
    if (known !== undefined) {
      this.loops.delete(number); // those in use stand last, however long they have been there
      this.loops.set(number, known);
      return;
    }
    const { loops } = this;
    loops.set(number, null);
    const loop = await fetchLoop(number);
    if (loop) {
      loops.set(number, loop);
      this.changed();
      for (const old of [...loops.keys()].slice(0, Math.max(0, loops.size - MOST_KEPT))) loops.delete(old);
    } else setTimeout(() => loops.delete(number), AGAIN_MS);
  }
}

/** The picture of a loop by stem; null where the server has none. @param {number} number @returns {Promise<Loop|null>} */
export async function fetchLoop(number) {
  try {
    const answer = await fetch(`/loops/${number}`);
    if (answer.status !== 200) return null;
    const body = new Uint8Array(await answer.arrayBuffer());
    const end = body.indexOf(10);
    const head = JSON.parse(new TextDecoder().decode(body.subarray(0, end)));
    const columns = body.slice(end + 1);
    const whole = head.stems.length * head.beats * PER_BEAT * BANDS;
    return head.bands === BANDS && columns.length === whole ? { ...head, columns } : null;
  } catch {
    return null; // the server is away
  }
}
