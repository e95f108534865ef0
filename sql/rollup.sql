-- Rollups: sums of hours and days (store/rollup.c).

-- name: rolled_states
-- What a part's hour and day are.
SELECT level, state FROM rolled
WHERE session_id = :session
  AND ((level = 3600 AND bucket = :hour) OR (level = 86400 AND bucket = :day));

-- name: rolled_open
-- The bucket has what is not summed up.
INSERT INTO rolled (session_id, level, bucket, state) VALUES (:session, :level, :bucket, 0)
ON CONFLICT (session_id, level, bucket)
DO UPDATE SET state = 0, n = 0, start_ns = 0, end_ns = 0 WHERE state IN (1, 3);

-- name: rolled_set
INSERT INTO rolled (session_id, level, bucket, state, n, start_ns, end_ns)
VALUES (:session, :level, :bucket, :state, :n, :start_ns, :end_ns)
ON CONFLICT (session_id, level, bucket)
DO UPDATE SET state = :state, n = :n, start_ns = :start_ns, end_ns = :end_ns;

-- name: rolled_add
-- A part came after the slots beside it were deleted.
INSERT INTO rolled (session_id, level, bucket, state, n, start_ns, end_ns)
VALUES (:session, :level, :bucket, 2, :n, :start_ns, :end_ns)
ON CONFLICT (session_id, level, bucket)
DO UPDATE SET state = 2, n = n + :n, start_ns = min(start_ns, :start_ns),
              end_ns = max(end_ns, :end_ns);

-- name: rolled_delete
DELETE FROM rolled WHERE session_id = :session AND level = :level AND bucket = :bucket;

-- name: rolled_next
-- The next bucket to sum up.
SELECT bucket, session_id FROM rolled
WHERE state = 0 AND level = :level AND bucket < :before
  AND (bucket, session_id) > (:after_bucket, :after_session)
  AND (:session = 0 OR session_id = :session)
ORDER BY bucket, session_id
LIMIT 1;

-- name: rolled_next_forced
-- Those not worth it, too.
SELECT bucket, session_id FROM rolled /*scan*/
WHERE state IN (0, 3) AND level = :level AND bucket < :before
  AND (bucket, session_id) > (:after_bucket, :after_session)
  AND (:session = 0 OR session_id = :session)
ORDER BY bucket, session_id
LIMIT 1;

-- name: rolled_hours
SELECT bucket, state, n, start_ns, end_ns FROM rolled
WHERE session_id = :session AND level = 3600 AND bucket >= :from AND bucket < :to
ORDER BY bucket;

-- name: rollup_parts
SELECT p.id, p.session_id, p.start_ns, p.end_ns, p.period_ns, p.origin_ns, p.unit_ns,
       p.tick_width, p.tick_count, p.ticks
FROM part p
WHERE p.session_id = :session AND p.start_ns >= :from AND p.start_ns < :to
ORDER BY p.start_ns;

-- name: rollup_threads
SELECT DISTINCT l.thread_id
FROM part p CROSS JOIN slot l ON l.part_id = p.id
WHERE p.session_id = :session AND p.start_ns >= :from AND p.start_ns < :to
ORDER BY 1;

-- name: rollup_slot
SELECT thread_id, n, cpu_known, cpu_ns, nruns, runs, ticks, weights, weight_unit
FROM slot
WHERE part_id = :part AND thread_id = :thread AND unit IS NULL;

-- name: rollup_day_threads
SELECT DISTINCT thread_id FROM rollup
WHERE level = 3600 AND bucket >= :from AND bucket < :to AND session_id = :session
ORDER BY 1;

-- name: rollup_row
SELECT n, n_cpu, wall_ns, cpu_ns, each_ns, sums FROM rollup
WHERE level = :level AND bucket = :bucket AND session_id = :session
  AND thread_id = :thread;

-- name: rollup_put
INSERT INTO rollup (level, bucket, session_id, thread_id, n, n_cpu, wall_ns, cpu_ns,
                    each_ns, sums)
VALUES (:level, :bucket, :session, :thread, :n, :n_cpu, :wall_ns, :cpu_ns, :each_ns,
        :sums)
ON CONFLICT (level, bucket, session_id, thread_id)
DO UPDATE SET n = :n, n_cpu = :n_cpu, wall_ns = :wall_ns, cpu_ns = :cpu_ns,
              each_ns = :each_ns, sums = :sums;

-- name: rollup_delete
DELETE FROM rollup
WHERE level = :level AND bucket = :bucket AND session_id = :session;

-- name: rollup_part
SELECT p.id, p.session_id, p.start_ns, p.end_ns, p.period_ns, p.origin_ns, p.unit_ns,
       p.tick_width, p.tick_count, p.ticks
FROM part p
WHERE p.id = :part;

-- name: rollup_part_threads
SELECT thread_id FROM slot WHERE part_id = :part ORDER BY 1;
