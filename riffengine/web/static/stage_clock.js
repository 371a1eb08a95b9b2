// @ts-check
/**
 * StageClock: which frame of the engine is heard now, and its beat. While the page listens it is what the ring plays; else
 * it runs on from the engine's last figures.
 *
 * @typedef {import("./protocol.js").Grid} Grid
 */
export class StageClock {
  /** @param {import("./listen.js").Listen} listen */
  constructor(listen) {
    this.listen = listen;
    this.rate = 44100;
    /** @type {Grid|null} */
    this.grid = null;
    this.frameThen = 0;
    this.then = 0;
  }

  /** @param {number} rate @param {Grid} grid @param {number} frame */
  take(rate, grid, frame) {
    this.rate = rate;
    this.grid = grid;
    this.frameThen = frame;
    this.then = performance.now();
  }

  frame() {
    const heard = this.listen.frame();
    if (heard !== null) return heard;
    return this.grid ? this.frameThen + ((performance.now() - this.then) * this.rate) / 1000 : null;
  }

  /** The beat that is heard now; null before the first figures. */
  beat() {
    const frame = this.frame();
    return frame === null ? null : this.beatAt(frame);
  }

  /** @param {number} frame */
  beatAt(frame) {
    if (!this.grid) return null;
    return this.grid.beat + ((frame - this.grid.frame) * this.grid.bpm) / (60 * this.rate);
  }
}
