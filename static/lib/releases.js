// Releases of programs, in the order they were first seen.

/**
 * @param {{app: string, release?: string|null, start_ns: number}[]} sessions
 * @returns {{app: string, release: string, at_ns: number, before: string}[]} by time;
 *   `before`: the release of the same program before it, "" for its first
 */
export function releasesOf(sessions) {
  const first = new Map();
  for (const { app, release, start_ns } of sessions) {
    if (!release) continue;
    const key = `${app}\n${release}`;
    const known = first.get(key);
    if (!known) first.set(key, { app, release, at_ns: start_ns, before: "" });
    else known.at_ns = Math.min(known.at_ns, start_ns);
  }
  const list = [...first.values()].sort((a, b) => a.at_ns - b.at_ns);
  const last = new Map();
  for (const one of list) {
    one.before = last.get(one.app) ?? "";
    last.set(one.app, one.release);
  }
  return list;
}
