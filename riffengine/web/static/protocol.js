// @ts-check
/**
 * The messages of docs/web_protocol.md as types, and the control socket.
 *
 * @typedef {"float"|"int"|"str"|"bool"|"choice"|"trigger"} Kind
 * @typedef {number|string|boolean} Value
 * @typedef {{path: string, kind: Kind, class: "immediate"|"morph"|"quantised"|"structural", help: string,
 *   allowed: string, control: string, deck: string, stem: string, group: string, default?: Value, low?: number|null,
 *   high?: number|null, unit?: string, choices?: string[], longest?: number}} Parameter
 * @typedef {{beat: number, frame: number, seconds: number}} Landing
 * @typedef {{frame: number, beat: number, bpm: number, loop_frames: number}} Grid
 * @typedef {{phase: string, sounding: Record<string, string>, loop?: number|null, coming?: number|null,
 *   coming_frame?: number}} DeckFigures
 * @typedef {{type: "figures", frame: number, grid: Grid, decks: Record<string, DeckFigures>, scenes: string[],
 *   scene: string, panicked: boolean, facts: Record<string, Value|null>}} Figures
 * @typedef {Landing & {type: "landing", path: string, value: Value|null, moved: boolean, source: string}} Promised
 * @typedef {{type: "landed", path: string, value: Value, beat: number, frame: number, source: string}} Landed
 * @typedef {{type: "event", path: string, text: string, beat: number}} EngineEvent
 * @typedef {{type: "changes", values: Record<string, Value>}} Changes
 * @typedef {{type: "answer", id: number|string|null, path: string, ok: true, value: Value, clipped: boolean,
 *   note: string, landing: Landing|null}} Accepted
 * @typedef {{type: "answer", id: number|string|null, path: string, ok: false, error: string}} Rejected
 * @typedef {{type: "votes", prompts: {text: string, votes: number}[], voters: number}} VotesMessage
 * @typedef {{type: "suggestions", id: number, words: string[], unknown: {word: string, close: string[]}[]}} Suggestions
 * @typedef {{type: "pong", id: number, frame: number, rate: number}} Pong
 * @typedef {{type: "welcome", protocol: number, version: string, client: string, role: "performer"|"guest"|"listener",
 *   name: string, set: string, model: string, sample_rate: number, loop_beats: number, codecs: string[], guest: string[],
 *   schema: Parameter[], values: Record<string, Value>, landings: Promised[], figures: Figures, grid: Grid}} Welcome
 * @typedef {{type: "shared", id: number, text: string, notes: string[]}} Shared
 * @typedef {{type: "opened", id: number, ok: true, set: number, same: boolean, notes: string[]}} Opened
 * @typedef {{type: "schema", schema: Parameter[]}} Schema
 * @typedef {{type: "invited", id: number, tokens: Record<string, string>, address: string}} Invited
 * @typedef {Accepted|Rejected|Suggestions|Pong|Shared|Opened|Invited} Answer
 * @typedef {Schema|Invited|Shared|Opened|Welcome|Figures|Promised|Landed|EngineEvent|Changes|Accepted|Rejected|VotesMessage|Suggestions|Pong} Message
 *
 * @typedef {{type: "format", codec: "opus"|"pcm", rate: number, channels: number, packet_frames: number,
 *   target_frames: number, ratio: number}} Format
 * @typedef {{type: "grid", frame: number, beat: number, bpm: number, beat_frames: number, loop_frames: number,
 *   reset: boolean}} StreamGrid
 */

import { LastingSocket } from "./lasting_socket.js";

const CONTROL = "/ws/control";
const AWAY = "the server is away; the music continues";

/** Why there is no control socket, which a browser does not tell: the server's words, if it has any. */
async function refusal() {
  const answer = await fetch(CONTROL).catch(() => null);
  return answer?.status === 401 || answer?.status === 503 ? (await answer.text()).trim() : AWAY;
}

/** The answer where nobody can answer. @param {number} id @returns {Rejected} */
function away(id) {
  return { type: "answer", id, path: "", ok: false, error: "the server is not there; the page connects again by itself" };
}

/**
 * The control socket. Events: every message of the server by its type (the message is the event's `detail`), `connected`,
 * and `disconnected`, whose detail says why there is no connection.
 */
export class Control extends EventTarget {
  constructor() {
    super();
    /** @type {LastingSocket|null} null before the first connection */
    this.wire = null;
    this.number = 0;
    /** @type {Map<number, (message: Answer) => void>} */
    this.waiting = new Map();
    /** @type {Map<string, Value>} values that wait for the next frame of the screen */
    this.moved = new Map();
  }

  /** Null while there is no connection. */
  get socket() {
    return this.wire?.socket ?? null;
  }

  connect() {
    this.wire = new LastingSocket(CONTROL, (text) => this.receive(JSON.parse(text)), (heard) => {
      for (const [id, told] of this.waiting) told(away(id));
      this.waiting.clear();
      this.tellEnd(AWAY);
      if (!heard) void refusal().then((reason) => this.wire?.heard || this.tellEnd(reason));
    });
  }

  /** @param {string} reason */
  tellEnd(reason) {
    this.dispatchEvent(new CustomEvent("disconnected", { detail: reason }));
  }

  /** @param {Message} message */
  receive(message) {
    if (message.type === "welcome") this.dispatchEvent(new CustomEvent("connected", { detail: message }));
    if (message.type === "answer" || message.type === "suggestions" || message.type === "pong" ||
      message.type === "shared" || message.type === "opened" || message.type === "invited") {
      const told = this.waiting.get(Number(message.id));
      this.waiting.delete(Number(message.id));
      if (told) told(message);
    }
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  /**
   * Send a message and get its answer.
   * @param {Record<string, unknown>} message
   * @returns {Promise<Answer>}
   */
  ask(message) {
    const id = ++this.number;
    return new Promise((resolve) => {
      if (this.wire?.send(JSON.stringify({ ...message, id }))) this.waiting.set(id, resolve);
      else resolve(away(id));
    });
  }

  /** Send a message that is answered to all pages. @param {Record<string, unknown>} message */
  tell(message) {
    this.wire?.send(JSON.stringify({ ...message, id: ++this.number }));
  }

  /** Set a parameter. @param {string} path @param {Value} value */
  set(path, value) {
    return this.ask({ type: "set", path, value });
  }

  /** Set a parameter that is being moved: once for each frame of the screen. @param {string} path @param {Value} value */
  move(path, value) {
    if (!this.moved.size) requestAnimationFrame(() => this.sendMoved());
    this.moved.set(path, value);
  }

  sendMoved() {
    for (const [path, value] of this.moved) this.set(path, value);
    this.moved.clear();
  }
}
