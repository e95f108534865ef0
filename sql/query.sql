-- Statements of the profile query. Selections are the same everywhere: NULL leaves
-- a field open; lists of ids are JSON arrays. Scans marked so read tables which
-- are small beside the samples, or a dictionary that is needed whole.

-- name: select_parts
-- Candidates: the caller cuts by the ticks. A part crosses no hour.
SELECT p.id, p.session_id, p.start_ns, p.end_ns, p.period_ns, p.origin_ns, p.unit_ns,
       p.tick_width, p.tick_count, p.ticks
FROM part p LEFT JOIN session s ON s.id = p.session_id
WHERE p.start_ns > :from - 3600000000000 AND p.start_ns < :to AND p.end_ns > :from
  AND (:app IS NULL OR s.app = :app)
  AND (:release IS NULL OR s.release = :release)
  AND (:environment IS NULL OR s.environment = :environment)
  AND (:sessions IS NULL OR p.session_id IN (SELECT value FROM json_each(:sessions)))
ORDER BY p.start_ns, p.end_ns, p.session_id, p.id;

-- name: select_session_parts
SELECT p.id, p.session_id, p.start_ns, p.end_ns, p.period_ns, p.origin_ns, p.unit_ns,
       p.tick_width, p.tick_count, p.ticks
FROM part p
WHERE p.session_id = :session AND p.start_ns > :from - 3600000000000
  AND p.start_ns < :to AND p.end_ns > :from
ORDER BY p.start_ns, p.end_ns;

-- name: select_sessions
SELECT s.id
FROM session s /*scan*/
WHERE (:app IS NULL OR s.app = :app)
  AND (:release IS NULL OR s.release = :release)
  AND (:environment IS NULL OR s.environment = :environment)
  AND (:sessions IS NULL OR s.id IN (SELECT value FROM json_each(:sessions)))
ORDER BY s.id;

-- name: select_rolled
-- Summed-up hours and days that lie within the time.
SELECT r.level, r.bucket, r.n, r.start_ns, r.end_ns
FROM rolled r
WHERE r.session_id = :session AND r.level = :level AND r.state IN (1, 2)
  AND r.bucket >= :first AND r.bucket < :end
ORDER BY r.bucket;

-- name: select_any_rolled
SELECT EXISTS (SELECT 1 FROM rolled /*scan*/ WHERE state IN (1, 2));

-- name: select_rollup_samples
SELECT coalesce(sum(n), 0) FROM rollup
WHERE level = :level AND bucket = :bucket AND session_id = :session;

-- name: select_rollup
SELECT thread_id, n, n_cpu, wall_ns, cpu_ns, each_ns, sums FROM rollup
WHERE level = :level AND bucket = :bucket AND session_id = :session;

-- name: select_next_part
SELECT start_ns FROM part
WHERE session_id = :session AND start_ns >= :from AND start_ns < :to
ORDER BY start_ns
LIMIT 1;

-- name: select_range
-- What an open-ended selection spans.
SELECT min(p.start_ns), max(p.end_ns)
FROM part p LEFT JOIN session s ON s.id = p.session_id
WHERE p.start_ns > :from - 3600000000000 AND p.start_ns < :to AND p.end_ns > :from
  AND (:app IS NULL OR s.app = :app)
  AND (:release IS NULL OR s.release = :release)
  AND (:environment IS NULL OR s.environment = :environment)
  AND (:sessions IS NULL OR p.session_id IN (SELECT value FROM json_each(:sessions)));

-- name: select_slots
SELECT thread_id, n, cpu_known, cpu_ns, nruns, runs, ticks, weights, weight_unit
FROM slot
WHERE part_id = :part AND (:any_unit OR unit IS NULL);

-- name: select_slot_sums
-- Of a part's slots what needs no decoding; `each` 0: samples have weights of their own.
SELECT thread_id, n, n_on, cpu_known, cpu_ns, weight, weights IS NULL AS each
FROM slot
WHERE part_id = :part AND unit IS NULL;

-- name: select_part
SELECT p.id, p.session_id, p.start_ns, p.end_ns, p.period_ns, p.origin_ns, p.unit_ns,
       p.tick_width, p.tick_count, p.ticks
FROM part p
WHERE p.id = :part;

-- name: select_chunk_parts
SELECT p.id, p.session_id, p.start_ns, p.end_ns, p.period_ns, p.origin_ns, p.unit_ns,
       p.tick_width, p.tick_count, p.ticks
FROM part p
WHERE p.chunk_id = :chunk
ORDER BY p.start_ns;

-- name: select_thread_ids
SELECT id FROM thread /*scan*/
WHERE (:threads IS NULL OR id IN (SELECT value FROM json_each(:threads)))
  AND (:name IS NULL OR name = :name);

-- name: select_tags
SELECT id FROM tag WHERE key = :key AND (:value IS NULL OR value = :value);

-- name: select_labels
SELECT thread_id, first_tick, n, tag_id FROM label_span WHERE part_id = :part
ORDER BY thread_id, id;

-- name: select_lost
-- A loss is not cut within its part; one of no part counts with its session.
SELECT coalesce(sum(l.count), 0)
FROM loss l /*scan*/ LEFT JOIN session s ON s.id = l.session_id
  LEFT JOIN part p ON p.id = l.part_id
WHERE coalesce(p.start_ns, s.start_ns) < :to
  AND coalesce(p.end_ns, s.end_ns, :to) > :from
  AND (:app IS NULL OR s.app = :app)
  AND (:release IS NULL OR s.release = :release)
  AND (:environment IS NULL OR s.environment = :environment)
  AND (:sessions IS NULL OR l.session_id IN (SELECT value FROM json_each(:sessions)))
  AND (l.thread_id IS NULL
       OR ((:threads IS NULL OR l.thread_id IN (SELECT value FROM json_each(:threads)))
           AND (:name IS NULL
                OR l.thread_id IN (SELECT id FROM thread WHERE name = :name))));

-- name: query_sessions
SELECT s.id, s.uuid, s.app, coalesce(s.recording_id, ''), coalesce(s.mode, ''),
       s.state, s.release, s.environment, coalesce(s.pid, 0), s.start_ns,
       coalesce(s.end_ns, (SELECT max(end_ns) FROM part WHERE session_id = s.id),
                s.start_ns),
       (SELECT count(*) FROM thread WHERE session_id = s.id),
       (SELECT coalesce(sum(l.n), 0) FROM part p JOIN slot l ON l.part_id = p.id
        WHERE p.session_id = s.id),
       (SELECT coalesce(sum(count), 0) FROM loss WHERE session_id = s.id),
       (SELECT coalesce(sum(bytes), 0) FROM part WHERE session_id = s.id),
       coalesce(s.exit_status, -1), s.slowed_ticks
FROM session s /*scan*/
WHERE (:app IS NULL OR s.app = :app)
  AND (:release IS NULL OR s.release = :release)
  AND (:environment IS NULL OR s.environment = :environment)
  AND (:sessions IS NULL OR s.id IN (SELECT value FROM json_each(:sessions)))
  AND (:whole OR EXISTS (SELECT 1 FROM part p WHERE p.session_id = s.id
                         AND p.start_ns < :to AND p.end_ns > :from))
  AND ((:threads IS NULL AND :name IS NULL)
       OR EXISTS (SELECT 1 FROM thread t WHERE t.session_id = s.id
                  AND (:threads IS NULL
                       OR t.id IN (SELECT value FROM json_each(:threads)))
                  AND (:name IS NULL OR t.name = :name)))
ORDER BY s.start_ns DESC, s.id DESC;

-- name: query_labels
SELECT thread_id, first_tick, n, tag_id FROM label_span WHERE part_id = :part
ORDER BY id;

-- name: query_tag
SELECT key, value FROM tag WHERE id = :id;

-- name: query_thread
SELECT session_id, tid, name FROM thread WHERE id = :id;

-- ---- dictionary -----------------------------------------------------------

-- name: stack_range
SELECT coalesce((SELECT min(id) FROM stack), 0), coalesce((SELECT max(id) FROM stack), 0);

-- name: stack_ids
SELECT id FROM stack /*scan*/;

-- name: frame_range
SELECT coalesce((SELECT min(id) FROM frame_raw), 0),
       coalesce((SELECT max(id) FROM frame_raw), 0);

-- name: load_stacks
-- Newest first: a stack's children are read before it.
SELECT id, parent, keep, frames FROM stack WHERE id <= :last ORDER BY id DESC;

-- name: load_stack
SELECT id, parent, keep, frames FROM stack WHERE id = :id;

-- name: load_frames
-- Every frame and the names the pass has put above it, outermost first.
SELECT f.id, f.module_id, f.address, f.function_id, f.in_app, n.function_id, n.in_app,
       f.line, n.line, n.trim
FROM frame_raw f /*scan*/ LEFT JOIN frame_name n ON n.frame_id = f.id
ORDER BY f.id, n.depth;

-- name: load_frame
SELECT f.id, f.module_id, f.address, f.function_id, f.in_app, n.function_id, n.in_app,
       f.line, n.line, n.trim
FROM frame_raw f LEFT JOIN frame_name n ON n.frame_id = f.id
WHERE f.id = :id
ORDER BY n.depth;

-- name: load_function
SELECT f.name, coalesce(m.path, ''), f.file, f.line
FROM function f LEFT JOIN module m ON m.id = f.module_id
WHERE f.id = :id;

-- name: select_build_id
-- Of a path that only ever was one binary.
SELECT max(build_id) FROM module WHERE path = :path HAVING count(*) = 1;

-- name: load_module
SELECT path, name FROM module WHERE id = :id;
