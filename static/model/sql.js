// Asking the store in SQL, for the SQL page and for what Setup shows.

import { post } from "../api.js";

/**
 * @typedef {object} SqlAnswer
 * @property {string[]} columns
 * @property {(string|number|bigint|null)[][]} rows
 * @property {boolean} truncated there was more than an answer may hold
 * @property {number} elapsed_ms as seen from here
 */

/** @param {string} sql one read-only statement @param {AbortSignal} [signal] @returns {Promise<SqlAnswer>} */
export async function ask(sql, signal) {
  const began = performance.now();
  const { columns, rows, truncated = false } = await post("sql", { sql }, signal);
  return { columns, rows, truncated, elapsed_ms: performance.now() - began };
}

/** Tables with their columns, for completion. @returns {Promise<Record<string, string[]>>} */
export async function schema() {
  const { rows } = await ask("SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type IN ('table', 'view') ORDER BY m.name, c.cid");
  /** @type {Record<string, string[]>} */
  const tables = {};
  for (const [table, column] of rows) (tables[String(table)] ??= []).push(String(column));
  return tables;
}
