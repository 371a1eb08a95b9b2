// @ts-check
/**
 * DeviceClock: how much time the sound device has lost against the clock of the machine. Pure.
 *
 * A device that is not served in time skips what it should have played, and its clock stands still meanwhile: everything
 * after it is later than before. Blocks are asked for in bursts, so only the least delay of a window says something. Two
 * clocks that merely run at different rates are nothing lost: that much is followed.
 */

const WINDOW_SECONDS = 2;
const DRIFT_SECONDS = 0.0004; // in a window: 200 parts in a million

export class DeviceClock {
  constructor() {
    this.least = Infinity; // of this window: the machine's time less the device's, seconds
    this.base = NaN; // the same when nothing was lost
    this.windowEnds = NaN;
  }

  /**
   * Note that at `wall` (seconds, the machine) the device asked for its second `time`. Once a window it returns the seconds
   * that were lost and not forgiven yet; else null.
   * @param {number} wall @param {number} time @returns {number|null}
   */
  lost(wall, time) {
    if (Number.isNaN(this.windowEnds)) this.windowEnds = time + WINDOW_SECONDS;
    this.least = Math.min(this.least, wall - time);
    if (time < this.windowEnds) return null;
    const least = this.least;
    this.least = Infinity;
    this.windowEnds = time + WINDOW_SECONDS;
    this.base = Number.isNaN(this.base) ? least : Math.min(this.base + DRIFT_SECONDS, least);
    return least - this.base;
  }

  /** `seconds` were made up for. @param {number} seconds */
  forgive(seconds) {
    this.base += seconds;
  }
}
