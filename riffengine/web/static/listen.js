// @ts-check
/**
 * Listen: the sound of the performance in this page. An AudioWorklet plays what a worker receives; where the browser has
 * none (a page over plain http from another machine), an <audio> element plays the MP3 stream.
 */

// Under the page's Content-Security-Policy a script is loaded by this policy alone, and only from these files.
const SCRIPTS = ["/audio_worker.js", "/ring_worklet.js"];
/** @type {any} */
const trusted = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("riffengine", {
  createScriptURL: (/** @type {string} */ path) => {
    if (!SCRIPTS.includes(path)) throw new TypeError(`${path} is no script of this page`);
    return path;
  },
});

/** @param {string} path @returns {string} */
function script(path) {
  return trusted ? trusted.createScriptURL(path) : path;
}

const LOOK_MS = 1000;
const STUCK_MS = 5000;
const LONGEST_STUCK_MS = 40_000;

/** @typedef {{position: number, time: number, wall: number, started: boolean, fill: number, shift: number, substitutions: number,
 *   silentBlocks: number, skips: number, step: number}} Played */

export class Listen extends EventTarget {
  constructor() {
    super();
    /** @type {AudioContext|null} */
    this.context = null;
    /** @type {AudioWorkletNode|null} */
    this.node = null;
    /** @type {Worker|null} */
    this.worker = null;
    /** @type {HTMLAudioElement|null} */
    this.element = null;
    this.timer = 0;
    /** @type {Played|null} */
    this.played = null;
    this.ratio = 1;
    this.dropped = 0;
    this.clickedAt = 0;
    this.soundedAfterMs = 0;
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.context?.resume(); // a phone stops it when it sleeps
    });
  }

  get on() {
    return this.context !== null || this.element !== null;
  }

  /** Whether this browser can play in phase; else it plays a stream that is some seconds late. */
  static get inPhase() {
    return typeof AudioWorkletNode !== "undefined" && isSecureContext;
  }

  /** The plain stream ends with its server, and a browser says nothing of it: begin again where it does not go on. */
  /** @param {HTMLAudioElement} element */
  follow(element) {
    let at = -1;
    let movedAt = performance.now();
    let patience = STUCK_MS;
    this.timer = setInterval(() => {
      const now = performance.now();
      const stopped = element.paused && element.error === null && element.readyState > HTMLMediaElement.HAVE_CURRENT_DATA;
      const heard = element.currentTime > 0 && element.currentTime !== at;
      if (heard || stopped) [at, movedAt, patience] = [element.currentTime, now, STUCK_MS];
      if (now - movedAt < patience) return;
      [movedAt, patience] = [now, Math.min(LONGEST_STUCK_MS, 2 * patience)]; // a slow network needs longer to begin
      element.load();
      element.play().catch(() => {}); // the next look tries again
    }, LOOK_MS);
  }

  /** Begin. Call it from a click. @param {string[]} codecs what the server offers, best first @param {number} sampleRate */
  async start(codecs, sampleRate) {
    this.clickedAt = performance.now();
    if (!Listen.inPhase) {
      const element = new Audio("/stream.mp3");
      this.element = element;
      await element.play();
      this.follow(element);
      this.changed();
      return;
    }
    const opus = codecs.includes("opus") && typeof AudioDecoder !== "undefined";
    const rate = opus ? 48000 : sampleRate;
    const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    this.context = context;
    await context.audioWorklet.addModule(script("/ring_worklet.js"));
    const node = new AudioWorkletNode(context, "phase-true-ring", { numberOfInputs: 0, outputChannelCount: [2] });
    this.node = node;
    node.port.onmessage = (event) => this.hear(event.data);
    node.connect(context.destination);
    const channel = new MessageChannel();
    node.port.postMessage({ type: "feed", port: channel.port1 }, [channel.port1]);
    this.worker = new Worker(script("/audio_worker.js"), { type: "module" });
    this.worker.onmessage = (event) => {
      this.ratio = event.data.ratio ?? this.ratio;
      this.dropped = event.data.dropped;
      this.dispatchEvent(new CustomEvent("state", { detail: event.data }));
    };
    const path = `/ws/audio?codec=${opus ? "opus" : "pcm"}`;
    this.worker.postMessage({ type: "open", path, port: channel.port2 }, [channel.port2]);
    await context.resume();
    this.changed();
  }

  /** @param {any} message */
  hear(message) {
    if (message.type === "played") {
      this.played = message;
      if (message.started && !this.soundedAfterMs) this.soundedAfterMs = performance.now() - this.clickedAt;
      this.dispatchEvent(new CustomEvent("played", { detail: message }));
    } else if (message.type === "captured") {
      this.dispatchEvent(new CustomEvent("captured", { detail: message }));
    }
  }

  /** What is heard now, in frames of the engine; null while nothing plays here. */
  frame() {
    const { played, context } = this;
    if (!played?.started || !context) return null;
    const since = context.currentTime - played.time - (context.outputLatency || 0);
    return (played.position + since * context.sampleRate) / this.ratio;
  }

  async stop() {
    this.worker?.postMessage({ type: "close" });
    this.worker?.terminate();
    await this.context?.close();
    clearInterval(this.timer);
    this.element?.pause();
    this.worker = this.context = this.node = this.element = this.played = null;
    this.soundedAfterMs = 0;
    this.changed();
  }

  /** Record what is played, for tests and for saving. @param {number} frames @returns {Promise<{samples: Float32Array, positions: Float64Array, live: Uint8Array}>} */
  capture(frames) {
    return new Promise((resolve) => {
      this.addEventListener("captured", (event) => resolve(/** @type {CustomEvent} */ (event).detail), { once: true });
      this.node?.port.postMessage({ type: "capture", frames });
    });
  }

  changed() {
    this.dispatchEvent(new CustomEvent("changed"));
  }
}
