// Questions people ask, as SQL over the documented views (docs/SQL.md). Tests run each.

/** @type {{name: string, show: "table"|"flame"|"line", sql: string}[]} */
export const examples = [
  {
    name: "Sessions, newest first", show: "table",
    sql: `SELECT id, app, pid, mode, state, datetime(start_ns / 1000000000, 'unixepoch') AS started,
       round((end_ns - start_ns) / 1e9, 1) AS seconds
  FROM session
 ORDER BY start_ns DESC
 LIMIT 100;`,
  },
  {
    name: "Functions by self time", show: "table",
    sql: `SELECT function, module, round(sum(self_ns) / 1e9, 3) AS self_s, sum(samples) AS samples
  FROM function_weight
 GROUP BY function, module
 ORDER BY sum(self_ns) DESC
 LIMIT 50;`,
  },
  {
    name: "Flame graph of everything", show: "flame",
    sql: `SELECT f.folded, sum(s.weight_ns) AS weight_ns
  FROM sample s
  JOIN stack_folded f USING (stack_id)
 GROUP BY s.stack_id;`,
  },
  {
    name: "Samples per second", show: "line",
    sql: `SELECT ts_ns / 1000000000 AS second, count(*) AS samples, sum(on_cpu = 1) AS on_cpu
  FROM sample
 GROUP BY 1
 ORDER BY 1;`,
  },
  {
    name: "Time by thread", show: "table",
    sql: `SELECT t.name, t.tid, round(sum(s.weight_ns) / 1e9, 2) AS wall_s,
       round(sum(CASE WHEN s.on_cpu = 1 THEN s.weight_ns END) / 1e9, 2) AS cpu_s
  FROM sample s
  JOIN thread t ON t.id = s.thread_id
 GROUP BY t.id
 ORDER BY sum(s.weight_ns) DESC;`,
  },
  {
    name: "What was lost, and why", show: "table",
    sql: `SELECT s.app, l.reason, sum(l.count) AS samples
  FROM loss l
  JOIN session s ON s.id = l.session_id
 GROUP BY s.app, l.reason
 ORDER BY samples DESC;`,
  },
  {
    name: "Outcome of each chunk", show: "table",
    sql: `SELECT category, outcome, reason, count(*) AS chunks
  FROM outcome
 GROUP BY category, outcome, reason
 ORDER BY chunks DESC;`,
  },
];
