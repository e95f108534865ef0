// The SQL that asks for what the page shows, over the documented views: for people who
// want to go on from there.

/**
 * @param {Record<string, any>} selection parameters as the API takes them
 * @returns {string} one statement: folded stacks with their weight
 */
export function flameSql(selection) {
  const where = [];
  const list = (text) => String(text).split(",").map(Number).filter(Number.isFinite).join(", ");
  if (selection.session) where.push(`s.session_id IN (${list(selection.session)})`);
  if (selection.app) where.push(`s.session_id IN (SELECT id FROM session WHERE app = ${quote(selection.app)})`);
  if (selection.release) where.push(`s.session_id IN (SELECT id FROM session WHERE release = ${quote(selection.release)})`);
  if (selection.env) where.push(`s.session_id IN (SELECT id FROM session WHERE environment = ${quote(selection.env)})`);
  if (selection.thread) where.push(`s.thread_id IN (${list(selection.thread)})`);
  if (selection.from) where.push(`s.chunk_end_ns > ${Number(selection.from)} AND s.ts_ns >= ${Number(selection.from)}`);
  if (selection.to) where.push(`s.chunk_start_ns < ${Number(selection.to)} AND s.ts_ns < ${Number(selection.to)}`);
  if (selection.metric === "cpu") where.push("s.on_cpu = 1");
  return `SELECT f.folded, sum(s.weight_ns) AS weight_ns
  FROM sample s
  JOIN stack_folded f USING (stack_id)${where.length ? `\n WHERE ${where.join("\n   AND ")}` : ""}
 GROUP BY s.stack_id;`;
}

/** Functions by how much their own share changed. @param {string} a side @param {string} b */
export function diffSql(a, b) {
  return `SELECT function, module, state, a_self_share, b_self_share, self_change, self_q
  FROM pl_diff(${quote(a)}, ${quote(b)})
 ORDER BY abs(self_change) DESC;`;
}

/** A text literal. */
export function quote(text) {
  return `'${String(text).replaceAll("'", "''")}'`;
}
