// @ts-check
/**
 * FlatLandscape: the spectrogram as a flat picture, for machines without WebGL and for those who want little motion: then
 * the picture stands still, the playhead crosses it, and the next 16 beats follow.
 *
 * @typedef {import("./spectrum_ring.js").SpectrumRing} SpectrumRing
 * @typedef {import("./landscape.js").Place} Place
 */
import { STEM_COLOURS, colourTable } from "./colour_map.js";
import { BANDS, COLUMNS, PAST_BEATS, PER_BEAT } from "./spectrum_ring.js";

const SHOWN_BEATS = 16;
const BEFORE_BEATS = 4; // of them left of the playhead, where the picture moves

export class FlatLandscape {
  /** @param {HTMLCanvasElement} canvas @param {SpectrumRing} ring @param {boolean} still */
  constructor(canvas, ring, still) {
    this.canvas = canvas;
    this.ring = ring;
    this.still = still;
    this.coloured = false;
    this.wasColoured = false;
    this.beat = 0;
    this.from = 0;
    this.table = colourTable();
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.picture = document.createElement("canvas"); // a column of the ring in each column of pixels
    this.picture.width = COLUMNS;
    this.picture.height = BANDS;
    this.inner = /** @type {CanvasRenderingContext2D} */ (this.picture.getContext("2d"));
    this.column = this.inner.createImageData(1, BANDS);
    for (let row = 0; row < COLUMNS; row++) ring.changed.add(row);
    this.resize();
  }

  get memory() {
    return { geometries: 0, textures: 0 };
  }

  resize() {
    const scale = Math.min(globalThis.devicePixelRatio || 1, 1.5);
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * scale));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * scale));
  }

  /** @param {number} row */
  paint(row) {
    const { data } = this.column;
    for (let band = 0; band < BANDS; band++) {
      const at = (row * BANDS + band) * 4;
      const to = 4 * (BANDS - 1 - band);
      const level = this.ring.data[at];
      const known = this.coloured && this.ring.data[at + 1] + this.ring.data[at + 2] + this.ring.data[at + 3] > 5;
      for (let c = 0; c < 3; c++) {
        let value = this.table[3 * level + c];
        if (known) {
          const own = STEM_COLOURS.reduce((sum, colour, stem) => sum + colour[c] * this.ring.data[at + 1 + stem], 0);
          value = own * (level / 255) ** 2 * 1.15;
        }
        data[to + c] = value;
      }
      data[to + 3] = 255;
    }
    this.inner.putImageData(this.column, row, 0);
  }

  /** @param {number} beat @param {number[]} gates */
  draw(beat, gates) {
    if (this.coloured !== this.wasColoured) for (let row = 0; row < COLUMNS; row++) this.ring.changed.add(row);
    this.wasColoured = this.coloured;
    for (const row of this.ring.changed) this.paint(row);
    this.ring.changed.clear();
    this.beat = beat;
    this.from = this.still ? SHOWN_BEATS * Math.floor(beat / SHOWN_BEATS) : beat - BEFORE_BEATS;
    const { pen, canvas } = this;
    const { width, height } = canvas;
    const perBeat = width / SHOWN_BEATS;
    const oldest = Math.max(this.from, beat - PAST_BEATS); // the ring has nothing older
    pen.fillStyle = "#07070d";
    pen.fillRect(0, 0, width, height);
    const begin = ((Math.floor(oldest * PER_BEAT) % COLUMNS) + COLUMNS) % COLUMNS;
    const count = Math.ceil((this.from + SHOWN_BEATS - oldest) * PER_BEAT) + 1;
    let x = (Math.floor(oldest * PER_BEAT) / PER_BEAT - this.from) * perBeat;
    for (let at = begin, left = count; left > 0; ) {
      const some = Math.min(left, COLUMNS - at);
      pen.drawImage(this.picture, at, 0, some, BANDS, x, 0, (some / PER_BEAT) * perBeat, height);
      x += (some / PER_BEAT) * perBeat;
      left -= some;
      at = 0;
    }
    const now = (beat - this.from) * perBeat;
    pen.fillStyle = "rgba(7, 7, 13, 0.45)"; // what is still ahead
    pen.fillRect(now, 0, width - now, height);
    for (let line = Math.ceil(this.from); line <= this.from + SHOWN_BEATS; line++) {
      pen.fillStyle = line % 4 ? "rgba(200, 215, 240, 0.14)" : "rgba(200, 215, 240, 0.45)";
      pen.fillRect(Math.round((line - this.from) * perBeat), 0, 1, height);
    }
    for (const gate of gates) {
      if (gate < this.from || gate > this.from + SHOWN_BEATS) continue;
      pen.fillStyle = "rgba(242, 193, 78, 0.9)";
      pen.fillRect(Math.round((gate - this.from) * perBeat) - 1, 0, 3, height);
    }
    pen.fillStyle = "rgba(127, 209, 185, 0.35)";
    pen.fillRect(now - 5, 0, 10, height);
    pen.fillStyle = "#7fd1b9";
    pen.fillRect(now - 1, 0, 2, height);
  }

  /** @param {number} beat @returns {Place|null} */
  place(beat) {
    const across = (beat - this.from) / SHOWN_BEATS;
    if (across < -0.02 || across > 0.97) return null;
    return { x: across * this.canvas.clientWidth, y: 64, near: 1 };
  }

  close() {}
}
