// @ts-check
/**
 * The colours of levels: from almost black through violet and orange to a warm white. Lightness grows evenly, so the
 * picture also reads without colours. Computed in OKLCH (Ottosson, 2020).
 */

/** Level 0 to 1: lightness, chroma, hue in degrees. @type {[number, number, number, number][]} */
const STOPS = [
  [0, 0.13, 0.02, 275],
  [0.22, 0.24, 0.09, 285],
  [0.45, 0.42, 0.17, 325],
  [0.66, 0.6, 0.2, 15],
  [0.84, 0.77, 0.165, 58],
  [1, 0.97, 0.06, 98],
];

/** Of the stems, in their order: cyan, magenta, amber; they stay apart for most colour-blind people by their lightness. */
export const STEM_COLOURS = [oklch(0.86, 0.13, 195), oklch(0.66, 0.24, 350), oklch(0.8, 0.16, 80)];

/**
 * Red, green and blue, 0 to 1.
 * @param {number} lightness @param {number} chroma @param {number} hue @returns {[number, number, number]}
 */
export function oklch(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** The colour of `level`, 0 to 1. @param {number} level @returns {[number, number, number]} */
export function colourOf(level) {
  const at = Math.min(1, Math.max(0, level));
  const k = Math.max(1, STOPS.findIndex((stop) => stop[0] >= at));
  const [from, to] = [STOPS[k - 1], STOPS[k]];
  const share = (at - from[0]) / (to[0] - from[0]);
  const hueTo = to[3] - from[3] < -180 ? to[3] + 360 : to[3]; // through red, not back through green
  return oklch(from[1] + share * (to[1] - from[1]), from[2] + share * (to[2] - from[2]), from[3] + share * (hueTo - from[3]));
}

/** The colours of the levels 0 to `count` - 1 in a row, as bytes. @param {number} count @returns {Uint8ClampedArray} */
export function colourTable(count = 256) {
  const table = new Uint8ClampedArray(3 * count);
  for (let i = 0; i < count; i++) table.set(colourOf(i / (count - 1)).map((value) => 255 * value), 3 * i);
  return table;
}

/** @param {number} linear */
function gamma(linear) {
  const value = Math.min(1, Math.max(0, linear));
  return value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055;
}
