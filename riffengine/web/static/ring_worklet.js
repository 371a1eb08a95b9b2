// @ts-check
/**
 * The AudioWorklet that plays the stream: a PhaseTrueRing that is filled by the audio worker through a port of its own.
 *
 * The page's port gets `{type: "played", position, time, wall, fill, shift, substitutions, silentBlocks, skips}` ten times a
 * second, where `wall` is the time of the machine in ms at which the block was asked for, and may ask for a recording of what is played: `{type: "capture", frames}`.
 */
import { PhaseTrueRing } from "./ring.js";

/** @type {any} */
const scope = globalThis;
const REPORT_SECONDS = 0.1;

class RingProcessor extends scope.AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {PhaseTrueRing|null} */
    this.ring = null;
    this.nextReport = 0;
    /** @type {{samples: Float32Array, positions: Float64Array, live: Uint8Array, filled: number}|null} */
    this.capture = null;
    this.port.onmessage = (/** @type {MessageEvent} */ event) => {
      if (event.data.type === "feed") event.data.port.onmessage = (/** @type {MessageEvent} */ e) => this.take(e.data);
      if (event.data.type === "capture") {
        const frames = event.data.frames;
        this.capture = { samples: new Float32Array(frames), positions: new Float64Array(frames >> 7),
          live: new Uint8Array(frames >> 7), filled: 0 };
      }
    };
  }

  /** @param {any} message */
  take(message) {
    switch (message.type) {
      case "format":
        // The same stream goes on after a new connection: what was heard before can still be read back.
        if (!this.ring || this.ring.rate !== message.rate) {
          this.ring = new PhaseTrueRing(message.channels, message.rate, message.target_frames);
        }
        break;
      case "grid":
        this.ring?.setGrid(message.frame, message.beat_frames, message.loop_frames, message.reset);
        break;
      case "audio":
        this.ring?.write(message.frame, message.samples);
        break;
      case "restart":
        this.ring?.restart();
        break;
    }
  }

  /** @param {Float32Array[][]} _inputs @param {Float32Array[][]} outputs */
  process(_inputs, outputs) {
    const out = outputs[0];
    const ring = this.ring;
    if (!ring) return true;
    ring.noteTime(Date.now() / 1000, scope.currentTime);
    const position = ring.position;
    const fading = ring.fadeLeft > 0;
    ring.read(out);
    if (this.capture) this.record(out[0], position, !fading && !ring.fadeLeft && ring.shift === 0);
    if (scope.currentTime >= this.nextReport) {
      this.nextReport = scope.currentTime + REPORT_SECONDS;
      this.port.postMessage({
        type: "played", position, time: scope.currentTime, wall: Date.now(), started: ring.started, fill: ring.end - ring.position,
        shift: ring.shift, substitutions: ring.substitutions, silentBlocks: ring.silentBlocks, skips: ring.skips, step: ring.step,
      });
    }
    return true;
  }

  /** @param {Float32Array} samples @param {number} position @param {boolean} live */
  record(samples, position, live) {
    const capture = this.capture;
    if (!capture) return;
    capture.positions[capture.filled >> 7] = position;
    capture.live[capture.filled >> 7] = live ? 1 : 0;
    capture.samples.set(samples, capture.filled);
    capture.filled += samples.length;
    if (capture.filled + samples.length > capture.samples.length) {
      const { samples: taken, positions, live: wereLive } = capture;
      this.port.postMessage({ type: "captured", samples: taken, positions, live: wereLive });
      this.capture = null;
    }
  }
}

scope.registerProcessor("phase-true-ring", RingProcessor);
