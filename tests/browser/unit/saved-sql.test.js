// Queries kept in the browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { forget, readSaved, save } from "../../../static/lib/saved-sql.js";

/** @returns {any} */
function storage(text) {
  let kept = text;
  return { getItem: () => kept, setItem: (_, value) => (kept = value) };
}

test("kept by name, replaced by name, forgotten by name", () => {
  const at = storage(null);
  save(at, { name: "b", sql: "SELECT 1", show: "line" });
  save(at, { name: "a", sql: "SELECT 2", show: "table" });
  save(at, { name: "b", sql: "SELECT 3", show: "flame" });
  assert.deepEqual(readSaved(at), [{ name: "a", sql: "SELECT 2", show: "table" }, { name: "b", sql: "SELECT 3", show: "flame" }]);
  assert.deepEqual(forget(at, "a").map(({ name }) => name), ["b"]);
});

test("what is not ours is nothing", () => {
  for (const text of ["", "{", "7", "null", '{"a":1}']) assert.deepEqual(readSaved(storage(text)), []);
  assert.deepEqual(readSaved(storage('[null, {"name": 1}, {"name": "x", "sql": "y", "show": "<b>"}]')), [{ name: "x", sql: "y", show: "table" }]);
});

test("a full storage loses nothing that is on the page", () => {
  const full = /** @type {any} */ ({ getItem: () => null, setItem: () => { throw new Error("QuotaExceededError"); } });
  assert.equal(save(full, { name: "a", sql: "SELECT 1", show: "table" }).length, 1);
});
