// Stable identifiers: functions and paths in the graph are named by hashes of their
// content, so that a URL made from one answer finds the same box in the next one.

/**
 * 32-bit FNV-1a over UTF-16 units, then mixed.
 * @param {string} text
 * @param {number} seed different seeds give independent hashes
 * @returns {number} unsigned 32-bit
 */
export function hashString(text, seed = 0) {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** @param {number} hash @returns {number} unsigned 32-bit */
export function mix(hash) {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Two 32-bit halves as one integer of 53 bits, enough to tell a million paths apart. */
export function hashNumber(high, low) {
  return (high >>> 0) * 0x200000 + (low >>> 11);
}

/** The same as short text, for URLs. */
export function hashText(high, low) {
  return hashNumber(high, low).toString(36);
}
