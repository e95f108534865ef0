-- Views people may rely on (docs/FORMAT.md). They need nothing but SQLite's own
-- json_each, so every sample can be read from a bare shell. Rewritten whenever a
-- newer writer opens the file, so they hold no data of their own.
--
-- How a blob of digits becomes rows: hex() prints the digits, replace() turns the
-- ends of numbers (A..F) into commas, json_each() explodes the list. A run that
-- is repeated 2..5 times comes out as id.2 .. id.5.
--
-- chunk_start_ns and chunk_end_ns are of the stored part of the chunk, which is
-- at most a minute: a sample at time t satisfies
-- chunk_start_ns <= t < chunk_end_ns, and filters on them use an index.

DROP VIEW IF EXISTS run_spelled;
DROP VIEW IF EXISTS run_weight;
DROP VIEW IF EXISTS run;
DROP VIEW IF EXISTS live_run;
DROP VIEW IF EXISTS sample;
DROP VIEW IF EXISTS frame;
DROP VIEW IF EXISTS stack_frame;
DROP VIEW IF EXISTS stack_folded;
DROP VIEW IF EXISTS rollup_weight;
DROP VIEW IF EXISTS function_weight;
DROP VIEW IF EXISTS label;

-- Every run of every slot, those without a sample (stack_id 0) included: the one place
-- that knows how they are spelled. `weight` is of one sample, in ns or, where it is not
-- NULL, in `unit`.
CREATE VIEW run_spelled AS
SELECT p.chunk_id AS chunk_id, p.start_ns AS chunk_start_ns, p.end_ns AS chunk_end_ns,
       p.session_id AS session_id, p.id AS part_id, s.thread_id AS thread_id,
       j.key AS run,
       abs(CAST(j.value AS INT)) % 1000000000 AS stack_id,
       CASE j.type
           WHEN 'real' THEN
               CAST(round((abs(j.value) - abs(CAST(j.value AS INT))) * 10) AS INT)
           ELSE max(1, abs(j.value) / 1000000000)
       END AS n,
       CASE WHEN s.weights IS NULL THEN p.period_ns
            ELSE s.weight_unit *
                 CAST(replace(hex(substr(s.weights,
                                         length(s.weights) / s.nruns * j.key + 1,
                                         length(s.weights) / s.nruns)),
                              'B', '-') AS INT)
       END AS weight,
       s.unit AS unit,
       CASE WHEN s.cpu_known THEN j.value > 0 END AS on_cpu
FROM part p
     CROSS JOIN slot s ON s.part_id = p.id,
     json_each('[' || rtrim(replace(replace(replace(replace(replace(replace(
         hex(s.runs), 'A', ','), 'B', '-'), 'C', '.2,'), 'D', '.3,'), 'E', '.4,'),
         'F', '.5,'), ',') || ']') j;

-- Runs in no order of time: what sums need, and fast.
CREATE VIEW run_weight AS
SELECT * FROM run_spelled WHERE stack_id <> 0;

-- The same with the tick each run begins at.
CREATE VIEW run AS
SELECT chunk_id, chunk_start_ns, chunk_end_ns, session_id, part_id, thread_id, run,
       past - n AS first_tick, n, stack_id, weight, unit, on_cpu
FROM (SELECT *, sum(n) OVER (PARTITION BY chunk_start_ns, chunk_end_ns, session_id,
                                          chunk_id, part_id, thread_id
                             ORDER BY run
                             ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS past
      FROM run_spelled)
WHERE stack_id > 0;

-- Runs of the minute that is still being recorded, as far as it is stored: only while
-- somebody watches. The other views have them, too.
CREATE VIEW live_run AS
SELECT w.session_id AS session_id, w.chunk_id AS chunk_id, w.thread_id AS thread_id,
       w.chunk_start_ns AS start_ns, w.run AS run, w.n AS n, w.stack_id AS stack_id,
       w.weight AS weight_ns, w.on_cpu AS on_cpu
FROM part p CROSS JOIN run_weight w ON w.part_id = p.id
WHERE p.live = 1 AND w.unit IS NULL;

-- One row per sample. A sample with another unit than ns has weight_ns NULL and
-- its weight in `value`. The blobs of times are read within a query of their own: named
-- beside the other columns, GROUP BY would sort a copy of them with every sample.
CREATE VIEW sample AS
SELECT (SELECT CASE
            WHEN s.ticks IS NULL AND p.tick_width = 2 THEN
                p.origin_ns + (r.first_tick + k.key) * p.period_ns + p.unit_ns *
                coalesce(CAST(nullif(hex(substr(p.ticks, 2 * (r.first_tick + k.key) + 1,
                                                2)), 'FFFF') AS INT) - 5000, 0)
            ELSE
                p.origin_ns +
                coalesce(p.unit_ns *
                         CAST(nullif(hex(substr(coalesce(s.ticks, p.ticks),
                                                4 * (r.first_tick + k.key) + 1, 4)),
                                     'FFFFFFFF') AS INT),
                         (r.first_tick + k.key) * p.period_ns)
        END
        FROM slot s CROSS JOIN part p ON p.id = s.part_id
        WHERE s.id = o.id) AS ts_ns,
       r.chunk_id AS chunk_id, r.chunk_start_ns AS chunk_start_ns,
       r.chunk_end_ns AS chunk_end_ns, r.session_id AS session_id,
       r.thread_id AS thread_id, r.stack_id AS stack_id,
       CASE WHEN r.unit IS NULL THEN r.weight END AS weight_ns,
       r.on_cpu AS on_cpu,
       r.part_id AS part_id, r.first_tick + k.key AS tick,
       r.weight AS value, r.unit AS unit
FROM run r
     CROSS JOIN slot o ON o.part_id = r.part_id AND o.thread_id = r.thread_id
     CROSS JOIN json_each('[' || substr(replace(hex(zeroblob(r.n)), '00', ',0'), 2)
                          || ']') k;

-- A frame in its named form: the real function of its address.
CREATE VIEW frame AS
SELECT r.id AS id, nullif(r.module_id, 0) AS module_id, r.address AS address,
       coalesce(fn.name, CASE WHEN m.id THEN format('%s+0x%x', m.name, r.address)
                              ELSE format('0x%x', r.address) END) AS function,
       coalesce(fn.file, '') AS file,
       nullif(CASE WHEN n.function_id THEN n.line ELSE r.line END, 0) AS line,
       nullif(CASE WHEN n.function_id THEN n.column ELSE r.column END, 0) AS column,
       coalesce(nullif(r.platform, ''), 'native') AS platform,
       n.status AS status,
       coalesce(m.path, '') AS module,
       nullif(CASE WHEN n.function_id THEN n.in_app ELSE r.in_app END, -1) AS in_app,
       r.exact AS exact
FROM frame_raw r
     LEFT JOIN frame_name n ON n.frame_id = r.id AND n.depth = 0
     LEFT JOIN function fn ON fn.id = coalesce(nullif(n.function_id, 0), r.function_id)
     LEFT JOIN module m ON m.id = CASE r.function_id
         WHEN 0 THEN coalesce(nullif(r.module_id, 0), fn.module_id)
         ELSE coalesce(fn.module_id, r.module_id) END;

-- The frames of each stack with inlined calls in place, root first. The innermost
-- query lists frame*256 + inline depth along the chain of parents, with an R or L after
-- those that do not show at the root's end or the leaf's (frame_name.trim); what is around
-- it cuts them off there, unless nothing would remain.
CREATE VIEW stack_frame AS
SELECT s.id AS stack_id, j.key AS depth, j.value / 256 AS frame_id,
       coalesce(fn.name, CASE WHEN m.id THEN format('%s+0x%x', m.name, r.address)
                              ELSE format('0x%x', r.address) END) AS function,
       coalesce(fn.file, '') AS file,
       nullif(CASE WHEN n.function_id THEN n.line ELSE r.line END, 0) AS line,
       coalesce(m.path, '') AS module,
       nullif(CASE WHEN n.function_id THEN n.in_app ELSE r.in_app END, -1) AS in_app,
       j.value % 256 > 0 AS inlined
FROM stack s,
     json_each((SELECT '[' || replace(replace(coalesce(nullif(
                           CASE WHEN ltrim(above, '0123456789') LIKE 'R%'
                                    THEN substr(above, instr(above || ',', ',') + 1)
                                WHEN ltrim(cut, '0123456789') LIKE 'R%' THEN above
                                ELSE cut END, ''), whole), 'L', ''), 'R', '') || ']'
         FROM (SELECT whole, cut, substr(cut, instr(cut || ',', ',') + 1) AS above
         FROM (SELECT whole, CASE WHEN whole LIKE '%L'
                   THEN rtrim(rtrim(rtrim(rtrim(whole, '0123456789LR'), ','),
                                    '0123456789LR'), ',')
                   ELSE whole END AS cut
         FROM (WITH RECURSIVE piece(src, lim) AS (
             SELECT s.id, 1000000
             UNION ALL
             SELECT p.parent, min(p.keep, piece.lim)
             FROM piece JOIN stack p ON p.id = piece.src
             WHERE p.keep > 0 AND p.parent > 0 AND p.parent < p.id)
         SELECT coalesce(group_concat(v), '') AS whole FROM (
             SELECT CASE x.trim WHEN 1 THEN (i.value * 256 + x.depth) || 'R'
                                WHEN 2 THEN (i.value * 256 + x.depth) || 'L'
                                ELSE i.value * 256 + coalesce(x.depth, 0) END AS v
             FROM piece
                  CROSS JOIN stack q ON q.id = piece.src
                  CROSS JOIN json_each('[' || rtrim(replace(hex(q.frames), 'A', ','), ',')
                                       || ']') i
                  LEFT JOIN frame_name x ON x.frame_id = i.value
             WHERE q.keep + i.key < piece.lim
             ORDER BY q.keep + i.key, x.depth)))))) j
     LEFT JOIN frame_raw r ON r.id = j.value / 256
     LEFT JOIN frame_name n ON n.frame_id = j.value / 256 AND n.depth = j.value % 256
     LEFT JOIN function fn ON fn.id = coalesce(nullif(n.function_id, 0), r.function_id)
     LEFT JOIN module m ON m.id = CASE r.function_id
         WHEN 0 THEN coalesce(nullif(r.module_id, 0), fn.module_id)
         ELSE coalesce(fn.module_id, r.module_id) END;

-- Brendan Gregg's form: names from the root, joined by semicolons.
CREATE VIEW stack_folded AS
SELECT s.id AS stack_id,
       coalesce((SELECT group_concat(name, ';') FROM (
           SELECT replace(replace(f.function, ';', ':'), char(10), ' ') AS name
           FROM stack_frame f WHERE f.stack_id = s.id ORDER BY f.depth)), '') AS folded
FROM stack s;

-- Hours (level 3600) and days (86400) of a session summed up per thread and stack. With
-- `alone` = 1 there are no samples of it any more (of a day: nor hours).
CREATE VIEW rollup_weight AS
SELECT level, start_ns, session_id, thread_id, CAST(e AS INT) AS stack_id,
       CAST(e1 AS INT) AS n,
       coalesce(CAST(nullif(e5, '') AS INT), CAST(e1 AS INT) * each_ns) AS wall_ns,
       coalesce(CAST(nullif(e3, '') AS INT), CAST(nullif(e5, '') AS INT),
                CAST(e1 AS INT) * each_ns) AS cpu_ns,
       alone
FROM (SELECT *, substr(e4, instr(e4 || ',', ',') + 1) AS e5 FROM (
      SELECT *, substr(e3, instr(e3 || ',', ',') + 1) AS e4 FROM (
      SELECT *, substr(e2, instr(e2 || ',', ',') + 1) AS e3 FROM (
      SELECT *, substr(e1, instr(e1 || ',', ',') + 1) AS e2 FROM (
      SELECT r.level AS level, r.bucket * r.level * 1000000000 AS start_ns,
             r.session_id AS session_id, r.thread_id AS thread_id,
             r.each_ns AS each_ns, d.state = 2 AS alone, j.value AS e,
             substr(j.value, instr(j.value || ',', ',') + 1) AS e1
      FROM rolled d
           CROSS JOIN rollup r ON r.level = d.level AND r.bucket = d.bucket
                                  AND r.session_id = d.session_id,
           json_each('["' || replace(replace(rtrim(hex(r.sums), 'A'), 'A', '","'), 'B',
                                     ',') || '"]') j
      WHERE d.state IN (1, 2) AND j.value > '')))));

-- Self and total time per function, thread and hour. Recursion counts once. The casts
-- give both sides of the last join one affinity: else SQLite makes no index for it; nor
-- would it if a filter on hour or thread let it hope for few rows, hence the signs. What is
-- only summed up by the day has the day's start as its hour.
CREATE VIEW function_weight AS
WITH weight AS MATERIALIZED (
         SELECT session_id, thread_id, hour_ns, CAST(stack_id AS INT) AS stack_id, n, ns
         FROM (
             SELECT session_id, thread_id,
                    chunk_start_ns / 3600000000000 * 3600000000000 AS hour_ns,
                    stack_id, sum(n) AS n, sum(n * weight) AS ns
             FROM run_weight WHERE unit IS NULL
             GROUP BY 1, 2, 3, 4) w
         WHERE NOT EXISTS (
             SELECT 1 FROM rolled d
             WHERE d.session_id = w.session_id AND d.level = 3600 AND d.state = 2
               AND d.bucket = w.hour_ns / 3600000000000)
         UNION ALL
         SELECT session_id, thread_id, start_ns, CAST(stack_id AS INT), n, wall_ns
         FROM rollup_weight r
         WHERE alone
           AND (level = 86400 OR NOT EXISTS (
                    SELECT 1 FROM rolled d
                    WHERE d.session_id = r.session_id AND d.level = 86400
                      AND d.bucket = r.start_ns / 86400000000000 AND d.state = 2))),
     part_of AS MATERIALIZED (
         SELECT stack_id, function, module,
                max(depth) = max(max(depth)) OVER (PARTITION BY stack_id) AS is_leaf
         FROM stack_frame WHERE stack_id IN (SELECT stack_id FROM weight)
         GROUP BY stack_id, function, module)
SELECT +w.session_id AS session_id, +w.thread_id AS thread_id, +w.hour_ns AS hour_ns,
       f.function AS function, f.module AS module,
       sum(w.ns * f.is_leaf) AS self_ns, sum(w.ns) AS total_ns, sum(w.n) AS samples
FROM weight w CROSS JOIN part_of f ON f.stack_id = w.stack_id
GROUP BY 1, 2, 3, 4, 5;

CREATE VIEW label AS
SELECT p.chunk_id AS chunk_id, l.thread_id AS thread_id, l.first_tick AS first_tick,
       l.n AS n, t.key AS key, t.value AS value, l.part_id AS part_id
FROM label_span l
     JOIN part p ON p.id = l.part_id
     JOIN tag t ON t.id = l.tag_id;
