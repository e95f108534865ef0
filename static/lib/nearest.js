// Where there is something to see, when a range of time holds nothing.

/**
 * The stretch of data nearest to a range, no longer than the range is.
 * @param {{from_ns: number, bin_ns: number, bins: number, series: {wall_ns: number[]}[]}|null} timeline
 * @param {{start_ns: number, end_ns: number, samples: number}[]} sessions where the timeline has nothing
 * @param {number} from Unix ns
 * @param {number} to
 * @returns {[number, number]|null} null: nowhere
 */
export function nearestData(timeline, sessions, from, to) {
  const stretches = stretchesOf(timeline);
  const all = stretches.length > 0 ? stretches : sessions.filter(({ samples }) => samples > 0).map(({ start_ns, end_ns }) => [start_ns, end_ns]);
  const distance = (/** @type {number[]} */ [start, end]) => Math.max(0, start - to, from - end);
  const best = all.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), /** @type {number[]|null} */ (null));
  if (!best) return null;
  const length = Math.min(to - from, best[1] - best[0]);
  const start = Math.min(Math.max(from, best[0]), best[1] - length);
  return [start, start + length];
}

/** Runs of bins that hold something. @returns {number[][]} */
function stretchesOf(timeline) {
  const found = [];
  let open = -1;
  for (let bin = 0; timeline && bin <= timeline.bins; bin++) {
    const has = bin < timeline.bins && timeline.series.some(({ wall_ns }) => wall_ns[bin] > 0);
    if (has && open < 0) open = bin;
    if (!has && open >= 0) {
      found.push([timeline.from_ns + open * timeline.bin_ns, timeline.from_ns + bin * timeline.bin_ns]);
      open = -1;
    }
  }
  return found;
}
