// @ts-check
/**
 * SpectrumRing: the spectrogram around the present beat, as the data of one texture that never grows.
 *
 * A row is a column of the spectrogram: 32 to the beat, 128 bands, four bytes for each: the level, and the shares of the
 * first three stems. What was heard is measured by the server; what is ahead is computed from the loops that will be
 * heard, and stays empty where they are not rendered yet. Pure.
 *
 * @typedef {(beat: number) => {columns: Uint8Array, offset: number, stemStride: number, gains: number[]}[]|null} LoopsAt
 *   the loops that are heard at a beat, each with where its column begins; null where it is not known
 */
export const PER_BEAT = 32;
export const BANDS = 128;
export const COLUMNS = 1024; // 32 beats
export const BEATS = COLUMNS / PER_BEAT;
export const PAST_BEATS = 8;

const RANGE_DB = 72; // of a level of 0 to 255, as riffengine/web/spectrum.py has it
const STEMS = 3;
const POWER = Float32Array.from({ length: 256 }, (_, level) => (level ? 10 ** (((level / 255 - 1) * RANGE_DB) / 10) : 0));

const EMPTY = 0;
const COMPUTED = 1;
const HEARD = 2;

export class SpectrumRing {
  constructor() {
    this.data = new Uint8Array(COLUMNS * BANDS * 4);
    this.numbers = new Float64Array(COLUMNS).fill(-1); // which column is in a row
    this.states = new Uint8Array(COLUMNS);
    this.powers = new Float32Array(BANDS * STEMS);
    /** @type {Set<number>} rows that have changed since they were drawn */
    this.changed = new Set();
    this.next = 0; // the first column ahead that is to be computed again
    this.end = 0; // after the last one that the ring has room for
  }

  /**
   * Make room for what lies ahead of `beat`, and compute some of it.
   * @param {number} beat @param {LoopsAt} loopsAt @param {number} most columns that are computed now
   */
  advance(beat, loopsAt, most = 96) {
    const now = Math.floor(beat * PER_BEAT);
    const end = now - PAST_BEATS * PER_BEAT + COLUMNS;
    if (end < this.end - COLUMNS / 2 || end > this.end + COLUMNS) this.restart(end - COLUMNS, now); // the beat has jumped
    this.end = Math.max(this.end, end);
    this.next = Math.max(this.next, now);
    for (let count = 0; this.next < this.end && count < most; count++) this.compute(this.next++, loopsAt);
  }

  /** What will be heard has changed: compute what is ahead of `beat` again. @param {number} beat */
  forget(beat) {
    this.next = Math.min(this.next, Math.max(0, Math.floor(beat * PER_BEAT)));
  }

  /**
   * Columns that were heard. @param {number} first the number of the first @param {Uint8Array} levels one after the other
   * @param {LoopsAt} loopsAt
   */
  heard(first, levels, loopsAt) {
    const count = levels.length / BANDS;
    for (let k = 0; k < count; k++) {
      const number = first + k;
      if (number < this.end - COLUMNS || number >= this.end) continue;
      const row = this.row(number);
      const shares = this.mix(number, loopsAt);
      const at = row * BANDS * 4;
      for (let band = 0; band < BANDS; band++) {
        this.data[at + 4 * band] = levels[k * BANDS + band];
        this.writeShares(at + 4 * band, band, shares);
      }
      this.mark(row, number, HEARD);
    }
  }

  /** Whether column `number` is there: 0 no, 1 as computed, 2 as heard. @param {number} number */
  state(number) {
    const row = this.row(number);
    return this.numbers[row] === number ? this.states[row] : EMPTY;
  }

  /** @param {number} number */
  row(number) {
    return ((number % COLUMNS) + COLUMNS) % COLUMNS;
  }

  /** @param {number} begin @param {number} now */
  restart(begin, now) {
    this.data.fill(0);
    this.numbers.fill(-1);
    this.states.fill(EMPTY);
    for (let row = 0; row < COLUMNS; row++) this.changed.add(row);
    this.end = begin + COLUMNS;
    this.next = now;
  }

  /** @param {number} number @param {LoopsAt} loopsAt */
  compute(number, loopsAt) {
    if (this.state(number) === HEARD) return;
    const row = this.row(number);
    const known = this.mix(number, loopsAt);
    const at = row * BANDS * 4;
    for (let band = 0; band < BANDS; band++) {
      let power = 0;
      for (let stem = 0; stem < STEMS; stem++) power += this.powers[band * STEMS + stem];
      const level = known && power > 0 ? 255 * (1 + (10 * Math.log10(power)) / RANGE_DB) : 0;
      this.data[at + 4 * band] = Math.min(255, Math.max(0, level));
      this.writeShares(at + 4 * band, band, known);
    }
    this.mark(row, number, known ? COMPUTED : EMPTY);
  }

  /** The power of each stem in each band. @param {number} number @param {LoopsAt} loopsAt whether it is known */
  mix(number, loopsAt) {
    const loops = loopsAt(number / PER_BEAT);
    this.powers.fill(0);
    if (!loops) return false;
    for (const { columns, offset, stemStride, gains } of loops) {
      for (let stem = 0; stem < gains.length; stem++) {
        const gain = gains[stem] ** 2;
        if (!gain) continue;
        const from = offset + stem * stemStride;
        const slot = Math.min(stem, STEMS - 1);
        for (let band = 0; band < BANDS; band++) this.powers[band * STEMS + slot] += gain * POWER[columns[from + band]];
      }
    }
    return loops.length > 0;
  }

  /** @param {number} at @param {number} band @param {boolean} known */
  writeShares(at, band, known) {
    let whole = 0;
    for (let stem = 0; stem < STEMS; stem++) whole += this.powers[band * STEMS + stem];
    for (let stem = 0; stem < STEMS; stem++) {
      this.data[at + 1 + stem] = known && whole > 0 ? (255 * this.powers[band * STEMS + stem]) / whole : 0;
    }
  }

  /** @param {number} row @param {number} number @param {number} state */
  mark(row, number, state) {
    this.numbers[row] = number;
    this.states[row] = state;
    this.changed.add(row);
  }
}
