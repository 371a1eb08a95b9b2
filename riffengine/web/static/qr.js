// @ts-check
/**
 * QR codes: text as a square of modules, by ISO/IEC 18004: byte mode, error correction level L, versions 1 to 40.
 *
 * Level L, since a code on a screen is not soiled, and a link that holds a moment is long.
 */

/** Error correction codewords of each block, and the number of blocks, for versions 1 to 40 at level L. */
const CHECK_BYTES = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28,
  30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30];
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18,
  19, 19, 20, 21, 22, 24, 25];
const LEVEL_L = 1;
const QUIET = 4; // light modules around a code

/** Log and antilog in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1. */
const POWER = new Uint8Array(510);
const LOG = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  POWER[i] = POWER[i + 255] = x;
  LOG[x] = i;
  x = (x << 1) ^ (x & 0x80 ? 0x11d : 0);
}

/** The modules of `text`, row by row, 1 for dark; null where it is too long. @param {string} text @returns {Uint8Array[]|null} */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  const version = smallestVersion(bytes.length);
  if (!version) return null;
  const symbol = new Square(version);
  symbol.drawFixed();
  symbol.drawData(interleaved(codewords(bytes, version), version));
  let best = 0;
  let least = Infinity;
  for (let mask = 0; mask < 8; mask++) {
    symbol.applyMask(mask);
    symbol.drawFormat(mask);
    const penalty = symbol.penalty();
    if (penalty < least) [best, least] = [mask, penalty];
    symbol.applyMask(mask); // off again
  }
  symbol.applyMask(best);
  symbol.drawFormat(best);
  return symbol.rows;
}

/**
 * Draw `text` as a QR code; false where it is too long for one.
 * @param {HTMLCanvasElement} canvas @param {string} text @param {number} width in pixels, which the code keeps within
 */
export function drawQr(canvas, text, width) {
  const rows = qrCode(text);
  if (!rows) return false;
  const size = rows.length + 2 * QUIET;
  const scale = Math.max(1, Math.floor(width / size));
  canvas.width = canvas.height = size * scale;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  rows.forEach((row, y) => row.forEach((dark, x) => {
    if (dark) context.fillRect((x + QUIET) * scale, (y + QUIET) * scale, scale, scale);
  }));
  return true;
}

/** Modules that are left for codewords. @param {number} version */
function dataModules(version) {
  let modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const marks = Math.floor(version / 7) + 2;
    modules -= (25 * marks - 10) * marks - 55;
    if (version >= 7) modules -= 36;
  }
  return modules;
}

/** Bytes before error correction. @param {number} version */
function capacity(version) {
  return Math.floor(dataModules(version) / 8) - CHECK_BYTES[version - 1] * BLOCKS[version - 1];
}

/** @param {number} length in bytes @returns {number} 0 where none is large enough */
function smallestVersion(length) {
  for (let version = 1; version <= 40; version++) {
    if (4 + (version < 10 ? 8 : 16) + 8 * length <= 8 * capacity(version)) return version;
  }
  return 0;
}

/** Mode, length, data and padding. @param {Uint8Array} bytes @param {number} version */
function codewords(bytes, version) {
  const out = new Uint8Array(capacity(version));
  let at = 0;
  const put = (/** @type {number} */ value, /** @type {number} */ bits) => {
    for (let i = bits - 1; i >= 0; i--, at++) out[at >> 3] |= ((value >> i) & 1) << (7 - (at & 7));
  };
  put(4, 4); // byte mode
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  const first = Math.ceil((at + Math.min(4, 8 * out.length - at)) / 8);
  for (let i = first; i < out.length; i++) out[i] = (i - first) % 2 ? 0x11 : 0xec;
  return out;
}

/** The data in blocks with their error correction, interleaved as they are drawn. @param {Uint8Array} data @param {number} version */
function interleaved(data, version) {
  const blocks = BLOCKS[version - 1];
  const checks = CHECK_BYTES[version - 1];
  const shortLength = Math.floor(data.length / blocks);
  const long = data.length % blocks; // blocks at the end that have one byte more
  const divisor = generator(checks);
  const parts = [];
  for (let i = 0, at = 0; i < blocks; i++) {
    const length = shortLength + (i >= blocks - long ? 1 : 0);
    const part = data.subarray(at, at + length);
    parts.push({ part, check: remainder(part, divisor) });
    at += length;
  }
  const out = [];
  for (let i = 0; i <= shortLength; i++) for (const { part } of parts) if (i < part.length) out.push(part[i]);
  for (let i = 0; i < checks; i++) for (const { check } of parts) out.push(check[i]);
  return out;
}

/** Coefficients of (x - 1)(x - 2)…(x - 2^(degree-1)) without the first, which is 1. @param {number} degree */
function generator(degree) {
  const out = new Uint8Array(degree);
  out[degree - 1] = 1;
  for (let i = 0; i < degree; i++) {
    for (let j = 0; j < degree; j++) out[j] = times(out[j], POWER[i]) ^ (j + 1 < degree ? out[j + 1] : 0);
  }
  return out;
}

/** @param {Uint8Array} data @param {Uint8Array} divisor */
function remainder(data, divisor) {
  const out = new Uint8Array(divisor.length);
  for (const byte of data) {
    const factor = byte ^ out[0];
    out.copyWithin(0, 1);
    out[out.length - 1] = 0;
    divisor.forEach((coefficient, i) => (out[i] ^= times(coefficient, factor)));
  }
  return out;
}

/** @param {number} a @param {number} b */
function times(a, b) {
  return a && b ? POWER[LOG[a] + LOG[b]] : 0;
}

const MASKS = [
  (/** @type {number} */ x, /** @type {number} */ y) => (x + y) % 2,
  (/** @type {number} */ _, /** @type {number} */ y) => y % 2,
  (/** @type {number} */ x) => x % 3,
  (/** @type {number} */ x, /** @type {number} */ y) => (x + y) % 3,
  (/** @type {number} */ x, /** @type {number} */ y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (/** @type {number} */ x, /** @type {number} */ y) => ((x * y) % 2) + ((x * y) % 3),
  (/** @type {number} */ x, /** @type {number} */ y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (/** @type {number} */ x, /** @type {number} */ y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** The square that is drawn: `rows` of modules, and which of them are no data. */
class Square {
  /** @param {number} version */
  constructor(version) {
    this.version = version;
    this.size = 17 + 4 * version;
    this.rows = Array.from({ length: this.size }, () => new Uint8Array(this.size));
    this.fixed = Array.from({ length: this.size }, () => new Uint8Array(this.size));
  }

  /** @param {number} x @param {number} y @param {boolean|number} dark */
  set(x, y, dark) {
    this.rows[y][x] = dark ? 1 : 0;
    this.fixed[y][x] = 1;
  }

  /** Finder, timing and alignment patterns, and the version. */
  drawFixed() {
    const { size, version } = this;
    for (let i = 0; i < size; i++) {
      this.set(6, i, i % 2 === 0);
      this.set(i, 6, i % 2 === 0);
    }
    for (const [left, top] of [[0, 0], [size - 7, 0], [0, size - 7]]) this.drawFinder(left + 3, top + 3);
    const places = this.alignments();
    const last = places.length - 1;
    places.forEach((x, i) => places.forEach((y, j) => {
      if ((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0)) return;
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) this.set(x + dx, y + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
      }
    }));
    this.drawFormat(0); // reserves its modules
    if (version < 7) return;
    let rest = version;
    for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
    const bits = (version << 12) | rest;
    for (let i = 0; i < 18; i++) {
      const across = size - 11 + (i % 3);
      const along = Math.floor(i / 3);
      this.set(across, along, (bits >> i) & 1);
      this.set(along, across, (bits >> i) & 1);
    }
  }

  /** @param {number} centreX @param {number} centreY */
  drawFinder(centreX, centreY) {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const [x, y, ring] = [centreX + dx, centreY + dy, Math.max(Math.abs(dx), Math.abs(dy))];
        if (x >= 0 && x < this.size && y >= 0 && y < this.size) this.set(x, y, ring !== 2 && ring !== 4);
      }
    }
  }

  alignments() {
    const { version, size } = this;
    if (version === 1) return [];
    const count = Math.floor(version / 7) + 2;
    const step = version === 32 ? 26 : Math.ceil((4 * version + 4) / (2 * count - 2)) * 2;
    const places = [6];
    for (let i = count - 2; i >= 0; i--) places.push(size - 7 - i * step);
    return places;
  }

  /** @param {number} mask */
  drawFormat(mask) {
    const { size } = this;
    const data = (LEVEL_L << 3) | mask;
    let rest = data;
    for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    const bits = ((data << 10) | rest) ^ 0x5412;
    const bit = (/** @type {number} */ i) => (bits >> i) & 1;
    for (let i = 0; i <= 5; i++) this.set(8, i, bit(i));
    this.set(8, 7, bit(6));
    this.set(8, 8, bit(7));
    this.set(7, 8, bit(8));
    for (let i = 9; i < 15; i++) this.set(14 - i, 8, bit(i));
    for (let i = 0; i < 8; i++) this.set(size - 1 - i, 8, bit(i));
    for (let i = 8; i < 15; i++) this.set(8, size - 15 + i, bit(i));
    this.set(8, size - 8, true);
  }

  /** Two columns at a time, from the right, up and down by turns. @param {number[]} bytes */
  drawData(bytes) {
    let at = 0;
    for (let right = this.size - 1, upward = true; right >= 1; right -= 2, upward = !upward) {
      if (right === 6) right = 5; // the column of the timing pattern is left out
      for (let step = 0; step < this.size; step++) {
        const y = upward ? this.size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.fixed[y][x] || at >= 8 * bytes.length) continue;
          this.rows[y][x] = (bytes[at >> 3] >> (7 - (at & 7))) & 1;
          at++;
        }
      }
    }
  }

  /** @param {number} mask */
  applyMask(mask) {
    const inverts = MASKS[mask];
    for (let y = 0; y < this.size; y++) {
      for (let x = 0; x < this.size; x++) if (!this.fixed[y][x] && inverts(x, y) === 0) this.rows[y][x] ^= 1;
    }
  }

  /** How badly a camera would read it: runs, squares, patterns like a finder, and unequal numbers of dark and light. */
  penalty() {
    const { size, rows } = this;
    let found = 0;
    let dark = 0;
    for (let turn = 0; turn < 2; turn++) {
      for (let i = 0; i < size; i++) {
        let run = 0;
        let last = -1;
        let window = 0;
        for (let j = 0; j < size; j++) {
          const module = turn ? rows[j][i] : rows[i][j];
          run = module === last ? run + 1 : 1;
          last = module;
          if (run === 5) found += 3;
          else if (run > 5) found++;
          window = ((window << 1) | module) & 0x7ff;
          if (j >= 10 && (window === 0b10111010000 || window === 0b00001011101)) found += 40;
        }
      }
    }
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        dark += rows[y][x];
        if (x && y && rows[y][x] === rows[y][x - 1] && rows[y][x] === rows[y - 1][x] && rows[y][x] === rows[y - 1][x - 1]) found += 3;
      }
    }
    return found + 10 * Math.floor(Math.abs((20 * dark) / (size * size) - 10));
  }
}
