// Queries somebody keeps under a name, in this browser.

/** @typedef {{name: string, sql: string, show: "table"|"flame"|"line"}} Saved */

const key = "proflite-sql";
const mostQueries = 200;

/** @param {Storage} storage @returns {Saved[]} by name; what cannot be read is none */
export function readSaved(storage) {
  try {
    const list = JSON.parse(storage.getItem(key) ?? "[]");
    return list.filter((one) => typeof one?.name === "string" && typeof one.sql === "string")
      .map(({ name, sql, show }) => ({ name, sql, show: ["table", "flame", "line"].includes(show) ? show : "table" }));
  } catch {
    return [];
  }
}

/** Another one of that name is replaced. @param {Storage} storage @param {Saved} query @returns {Saved[]} */
export function save(storage, query) {
  const rest = readSaved(storage).filter(({ name }) => name !== query.name);
  return write(storage, [...rest, query].sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, mostQueries));
}

/** @param {Storage} storage @param {string} name @returns {Saved[]} */
export function forget(storage, name) {
  return write(storage, readSaved(storage).filter((one) => one.name !== name));
}

function write(storage, list) {
  try {
    storage.setItem(key, JSON.stringify(list));
  } catch {
    // No room, or no storage in this browser: they last as long as the page.
  }
  return list;
}
