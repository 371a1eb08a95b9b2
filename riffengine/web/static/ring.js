// @ts-check
/**
 * PhaseTrueRing: audio that arrives late never stops the beat. Pure; it runs in the AudioWorklet and in tests.
 *
 * The reading position runs with the audio clock and never waits. Where the data at it is missing, the ring reads a whole
 * number of loops earlier (or of beats, before a whole loop is there), crossfaded over 10 ms; when the data has arrived it
 * fades back to it, at the same latency as before. Two clocks that differ are brought together by reading slightly faster or
 * slower, and what the sound device has lost is skipped, so that the latency stays what it was. Frames are those of the stream.
 */
import { DeviceClock } from "./device_clock.js";

const FADE_SECONDS = 0.01;
const DRIFT_WINDOW_SECONDS = 10;
const CORRECTING_WINDOW_SECONDS = 2; // while they are: the end of it must not be missed
const DRIFT_WINDOWS = 3; // in a row that must say the same: a busy machine is no drift
const DRIFT_BEGINS_SECONDS = 0.004; // beyond this the two clocks are brought together,
const DRIFT_ENDS_SECONDS = 0.002; // until this is left,
const DRIFT_RATE = 0.0005; // by reading that much faster or slower: 0.9 cents
const MUCH_SECONDS = 0.02; // this would take too long: another way through the network, and no drift
const LOST_SECONDS = 0.005; // of the device's, from which on they are skipped
const START_SLACK_SECONDS = 0.015; // more than the target and one packet: the first packets came late
const SILENT = -1;

export class PhaseTrueRing {
  /**
   * @param {number} channels
   * @param {number} rate frames in a second
   * @param {number} target frames between the newest one and the reading position
   * @param {number} size frames that are kept, a power of two
   */
  constructor(channels, rate, target, size = 1 << 20) {
    this.channels = channels;
    this.rate = rate;
    this.target = target;
    this.size = size;
    this.data = Array.from({ length: channels }, () => new Float32Array(size));
    this.tags = new Int32Array(size); // which turn of the ring a frame is of; 0: none
    this.end = 0; // the frame after the newest one
    this.oldest = -Infinity; // frames before this were played at another tempo
    this.loopFrames = 0;
    this.beatFrames = 0;
    this.started = false;
    this.position = 0; // of the next sample to be read
    this.step = 1;
    this.shift = 0; // frames back that are read now; SILENT for nothing
    this.fadingFrom = 0;
    this.fade = Math.max(1, Math.round(FADE_SECONDS * rate));
    this.fadeLeft = 0;
    this.substitutions = 0;
    this.silentBlocks = 0;
    this.skips = 0;
    this.packetFrames = 0; // the longest piece that was written
    this.deviceClock = new DeviceClock();
    this.fullest = 0;
    this.recentFullest = 0; // since the device's clock was judged
    this.reference = -1; // the fill of the first window: what drift is measured against
    this.agreeing = 0; // windows in a row that lie beyond the limit to the same side
    this.lastBeyond = 0;
    this.windowLeft = DRIFT_WINDOW_SECONDS * rate;
  }

  /** Whether frame `at` is there. @param {number} at */
  has(at) {
    return at >= 0 && this.tags[at % this.size] === Math.floor(at / this.size) + 1;
  }

  /** Whether all of [at, at + count) is there: packets are written whole, so both ends and every 128th tell. */
  /** @param {number} at @param {number} count */
  hasAll(at, count) {
    for (let frame = at; frame < at + count; frame += 128) if (!this.has(frame)) return false;
    return this.has(at + count - 1);
  }

  /**
   * Take in samples that begin at `frame`.
   * @param {number} frame
   * @param {Float32Array[]} samples one for each channel
   */
  write(frame, samples) {
    const begin = Math.round(frame);
    const count = samples[0].length;
    for (let i = 0; i < count; i++) {
      const at = begin + i;
      if (at < 0) continue;
      const slot = at % this.size;
      for (let c = 0; c < this.channels; c++) this.data[c][slot] = samples[Math.min(c, samples.length - 1)][i];
      this.tags[slot] = Math.floor(at / this.size) + 1;
    }
    this.end = Math.max(this.end, begin + count);
    this.packetFrames = Math.max(this.packetFrames, count);
    if (!this.started && this.loopFrames && this.hasAll(this.end - this.target, this.target)) {
      this.started = true;
      this.position = this.end - this.target;
      this.shift = SILENT;
      this.turnTo(0); // faded in
    }
    if (!this.started) return;
    this.fullest = Math.max(this.fullest, this.end - this.position);
    this.recentFullest = Math.max(this.recentFullest, this.end - this.position);
  }

  /**
   * The device asks for the next block at `wall` by the machine's clock and `time` by its own, both in seconds. What it has
   * lost is skipped, if the stream too is that much ahead: then it was the device and not a correction of the machine's clock.
   * @param {number} wall @param {number} time
   */
  noteTime(wall, time) {
    const lost = this.deviceClock.lost(wall, time);
    if (lost === null) return;
    const ahead = this.recentFullest - this.wantedFullest();
    const frames = Math.round(lost * this.rate);
    this.recentFullest = 0;
    if (lost <= LOST_SECONDS || this.reference < 0 || ahead < frames / 2) return;
    if (this.fadeLeft || this.shift === SILENT) return;
    this.deviceClock.forgive(lost);
    this.skip(frames);
  }

  /** Read `frames` later (or earlier) from now on, faded. @param {number} frames */
  skip(frames) {
    this.position = Math.round(this.position) + frames;
    this.fadingFrom = this.shift + frames;
    this.fadeLeft = this.fade;
    this.fullest = 0;
    this.step = 1;
    this.agreeing = 0;
    this.windowLeft = DRIFT_WINDOW_SECONDS * this.rate;
    this.skips++;
  }

  /**
   * How many frames should be there right after the arrival of a packet: what there was at first, within bounds. The first
   * packets may have come late, or all those that followed them.
   */
  wantedFullest() {
    const most = this.target + this.packetFrames + START_SLACK_SECONDS * this.rate;
    return Math.max(this.target, Math.min(this.reference, most));
  }

  /**
   * The beat grid from `frame` on. @param {number} frame @param {number} beatFrames @param {number} loopFrames
   * @param {boolean} reset what is older was played at another tempo
   */
  setGrid(frame, beatFrames, loopFrames, reset) {
    this.beatFrames = beatFrames;
    this.loopFrames = loopFrames;
    if (reset && this.started) this.oldest = frame;
  }

  /** The player has begun anew, or so much is missing that nothing can be read back: start again. */
  restart() {
    this.started = false;
    this.end = 0;
    this.tags.fill(0);
    this.oldest = -Infinity;
    this.reference = -1;
    this.step = 1;
    this.fullest = this.recentFullest = this.agreeing = 0;
    this.windowLeft = DRIFT_WINDOW_SECONDS * this.rate;
    this.deviceClock = new DeviceClock();
  }

  /**
   * Write the next samples to `out`, one array for each channel.
   * @param {Float32Array[]} out
   */
  read(out) {
    const count = out[0].length;
    if (!this.started) {
      for (const channel of out) channel.fill(0);
      return;
    }
    this.choose(Math.floor(this.position), count);
    // The device slept while the music went on: what it would play next has been overwritten, and never comes again.
    if (this.shift === SILENT && !this.fadeLeft && this.position < this.end - this.size) {
      this.restart();
      this.read(out);
      return;
    }
    const before = this.fadeLeft;
    for (let c = 0; c < out.length; c++) {
      this.fadeLeft = before;
      this.readChannel(this.data[Math.min(c, this.channels - 1)], out[c]);
    }
    this.position += count * this.step;
    this.followClock(count);
    if (this.shift === SILENT && !this.fadeLeft) this.silentBlocks++;
  }

  /** Decide which frames are read: the live ones if they are there for this block and a fade after it. */
  /** @param {number} at @param {number} count */
  choose(at, count) {
    if (this.fadeLeft) return;
    const need = count + this.fade + 2;
    // Back to the live frames only when there is some room: else every late packet would make two fades.
    const enough = this.shift === 0 ? need : Math.max(need, this.target >> 1);
    if (this.hasAll(at, enough)) {
      this.turnTo(0);
      return;
    }
    if (this.shift > 0 && this.hasAll(at - this.shift, need)) return;
    this.turnTo(this.earlier(at, need));
  }

  /** How far back the same place of the loop is there; whole loops first, then whole beats. */
  /** @param {number} at @param {number} need */
  earlier(at, need) {
    for (const unit of [this.loopFrames, this.beatFrames]) {
      if (!unit) continue;
      for (let back = Math.round(unit), k = 1; back < this.size && at - back >= this.oldest; back = Math.round(++k * unit)) {
        if (this.hasAll(at - back, need)) return back;
      }
    }
    return SILENT;
  }

  /** @param {number} shift */
  turnTo(shift) {
    if (shift === this.shift) return;
    if (shift !== 0 && this.shift === 0) this.substitutions++;
    this.fadingFrom = this.shift;
    this.shift = shift;
    this.fadeLeft = this.fade;
  }

  /** @param {Float32Array} data @param {Float32Array} out */
  readChannel(data, out) {
    let at = this.position;
    for (let i = 0; i < out.length; i++, at += this.step) {
      let sample = this.sample(data, at, this.shift);
      if (this.fadeLeft) {
        const old = this.fadeLeft-- / this.fade;
        // Linear, not equal-power: both are the same place of the same music.
        sample = sample * (1 - old) + this.sample(data, at, this.fadingFrom) * old;
      }
      out[i] = sample;
    }
  }

  /** The sample `shift` frames before `at`, interpolated while the clocks are being brought together (Hermite, 4 points). */
  /** @param {Float32Array} data @param {number} at @param {number} shift */
  sample(data, at, shift) {
    if (shift === SILENT) return 0;
    const whole = Math.floor(at);
    const x = at - whole;
    const mask = this.size - 1;
    const i = whole - shift;
    if (x === 0) return data[i & mask];
    const a = data[(i - 1) & mask];
    const b = data[i & mask];
    const c = data[(i + 1) & mask];
    const d = data[(i + 2) & mask];
    const slope = (c - a) / 2;
    const bend = a - 2.5 * b + 2 * c - d / 2;
    const twist = (d - a) / 2 + 1.5 * (b - c);
    return ((twist * x + bend) * x + slope) * x + b;
  }

  /** The device's clock and the engine's differ a little: follow by reading slightly faster or slower. */
  /** @param {number} count */
  followClock(count) {
    this.windowLeft -= count;
    if (this.windowLeft > 0) return;
    this.windowLeft = (this.step === 1 ? DRIFT_WINDOW_SECONDS : CORRECTING_WINDOW_SECONDS) * this.rate;
    const fullest = this.fullest;
    this.fullest = 0;
    if (fullest <= 0) return; // nothing came: it says nothing about the clocks
    if (this.reference < 0) {
      this.reference = fullest;
      const late = Math.round(fullest - this.wantedFullest()); // the first packets were: make up for it once
      if (late > START_SLACK_SECONDS * this.rate && !this.fadeLeft && this.shift === 0) this.skip(late);
      return;
    }
    const drift = (fullest - this.wantedFullest()) / this.rate;
    const beyond = Math.abs(drift) > DRIFT_BEGINS_SECONDS ? Math.sign(drift) : 0;
    this.agreeing = beyond && beyond === this.lastBeyond ? this.agreeing + 1 : Math.abs(beyond);
    this.lastBeyond = beyond;
    const much = Math.abs(drift) > MUCH_SECONDS && !this.fadeLeft && this.shift === 0;
    if (this.agreeing >= DRIFT_WINDOWS && much) this.skip(Math.round(drift * this.rate));
    else if (this.agreeing >= DRIFT_WINDOWS) this.step = 1 + beyond * DRIFT_RATE;
    else if (this.step !== 1 && drift * Math.sign(this.step - 1) < DRIFT_ENDS_SECONDS) {
      this.step = 1;
      this.position = Math.round(this.position);
    }
  }
}
