-- `proflite gc`: whole parts go, the oldest first, and what hangs on them; then sums of
-- hours and days.
-- Lists of ids are JSON arrays.

-- name: gc_settings
-- Freed pages are overwritten only where that costs no write of its own.
PRAGMA secure_delete = FAST;

-- name: gc_pages
SELECT (SELECT page_count FROM pragma_page_count),
       (SELECT freelist_count FROM pragma_freelist_count),
       (SELECT page_size FROM pragma_page_size);

-- name: gc_parts
-- What may go: not what the pass or an upstream waits for, nor the chunk a live
-- session is writing; if sums outlive samples, nor what is not summed up. The last
-- column is about what it takes in the file.
SELECT p.id, p.chunk_id, p.session_id, p.start_ns, p.end_ns,
       (SELECT count(*) FROM slot l WHERE l.part_id = p.id),
       (SELECT coalesce(sum(l.n), 0) FROM slot l WHERE l.part_id = p.id),
       120 + length(p.ticks)
       + (SELECT coalesce(sum(60 + length(l.runs) + coalesce(length(l.ticks), 0)
                              + coalesce(length(l.weights), 0)), 0)
          FROM slot l WHERE l.part_id = p.id)
FROM part p LEFT JOIN chunk c ON c.id = p.chunk_id
  LEFT JOIN session s ON s.id = p.session_id
WHERE p.start_ns >= :after AND p.start_ns <= :before AND p.end_ns <= :before
  AND coalesce(c.finished, 1) = 1
  AND NOT (coalesce(s.state, '') = 'live'
           AND p.chunk_id = (SELECT q.chunk_id FROM part q
                             WHERE q.session_id = p.session_id
                             ORDER BY q.start_ns DESC LIMIT 1))
  AND NOT EXISTS (SELECT 1 FROM outbox o
                  WHERE o.chunk_id = p.chunk_id AND o.state = 'waiting')
  AND (NOT :summed
       OR EXISTS (SELECT 1 FROM rolled r
                  WHERE r.session_id = p.session_id AND r.level = 3600
                    AND r.bucket = p.start_ns / 3600000000000 AND r.state IN (1, 2)))
ORDER BY p.start_ns, p.end_ns, p.session_id, p.id
LIMIT :limit;

-- name: gc_waiting
SELECT count(*)
FROM part p JOIN chunk c ON c.id = p.chunk_id
WHERE p.start_ns <= :before AND p.end_ns <= :before AND c.finished <> 1;

-- name: gc_leave_hour
-- Its sums are all that is left from now on.
UPDATE rolled SET state = 2
WHERE session_id = :session AND level = 3600 AND bucket = :hour AND state = 1;

-- name: gc_hours
-- Hours without samples, the oldest first; if days outlive them, those of days that are
-- summed up, a day at a time.
SELECT h.session_id, h.bucket, h.bucket FROM rolled h /*scan*/
WHERE NOT :summed AND h.level = 3600 AND h.state = 2 AND h.bucket < :before
UNION ALL
SELECT h.session_id, min(h.bucket), max(h.bucket) FROM rolled h /*scan*/
WHERE :summed AND h.level = 3600 AND h.state = 2 AND h.bucket / 24 * 24 + 24 <= :before
GROUP BY h.session_id, h.bucket / 24
HAVING EXISTS (SELECT 1 FROM rolled d
               WHERE d.session_id = h.session_id AND d.level = 86400
                 AND d.bucket = h.bucket / 24 AND d.state IN (1, 2))
ORDER BY 2, 1
LIMIT :limit;

-- name: gc_days
SELECT d.session_id, d.bucket, d.bucket FROM rolled d /*scan*/
WHERE d.level = 86400 AND d.state = 2 AND d.bucket < :before
ORDER BY 2, 1
LIMIT :limit;

-- name: gc_delete_rollups
DELETE FROM rollup
WHERE level = :level AND bucket BETWEEN :first AND :last AND session_id = :session;

-- name: gc_delete_rolled
DELETE FROM rolled
WHERE session_id = :session AND level = :level AND bucket BETWEEN :first AND :last
  AND state = 2;

-- name: gc_leave_day
UPDATE rolled SET state = 2
WHERE session_id = :session AND level = 86400 AND bucket = :day AND state = 1;

-- name: gc_delete_slots
DELETE FROM slot WHERE part_id IN (SELECT value FROM json_each(:parts));

-- name: gc_delete_tags
-- Those no other part has: a trace id is said once and never again.
DELETE FROM tag
WHERE id IN (SELECT g.tag_id FROM label_span g
             WHERE g.part_id IN (SELECT value FROM json_each(:parts)))
  AND NOT EXISTS (SELECT 1 FROM label_span o WHERE o.tag_id = tag.id
                  AND o.part_id NOT IN (SELECT value FROM json_each(:parts)));

-- name: gc_delete_labels
DELETE FROM label_span WHERE part_id IN (SELECT value FROM json_each(:parts));

-- name: gc_delete_losses
DELETE FROM loss
WHERE session_id IN (SELECT value FROM json_each(:sessions))
  AND part_id IN (SELECT value FROM json_each(:parts));

-- name: gc_delete_parts
DELETE FROM part WHERE id IN (SELECT value FROM json_each(:parts));

-- name: gc_shorten_chunks
UPDATE chunk SET start_ns = (SELECT min(p.start_ns) FROM part p WHERE p.chunk_id = chunk.id),
                 end_ns = (SELECT max(p.end_ns) FROM part p WHERE p.chunk_id = chunk.id)
WHERE id IN (SELECT value FROM json_each(:chunks))
  AND EXISTS (SELECT 1 FROM part p WHERE p.chunk_id = chunk.id);

-- name: gc_delete_chunk_losses
DELETE FROM loss
WHERE session_id IN (SELECT value FROM json_each(:sessions))
  AND chunk_id IN (SELECT value FROM json_each(:chunks))
  AND NOT EXISTS (SELECT 1 FROM part p WHERE p.chunk_id = loss.chunk_id);

-- name: gc_delete_sent
DELETE FROM outbox
WHERE chunk_id IN (SELECT value FROM json_each(:chunks))
  AND NOT EXISTS (SELECT 1 FROM part p WHERE p.chunk_id = outbox.chunk_id);

-- name: gc_delete_chunks
-- Outcomes stay: they say what was accepted, and that a resend is a duplicate.
DELETE FROM chunk
WHERE id IN (SELECT value FROM json_each(:chunks))
  AND NOT EXISTS (SELECT 1 FROM part p WHERE p.chunk_id = chunk.id);

-- name: gc_delete_threads
-- Those of the session that no sample, loss or label speaks of any more.
DELETE FROM thread
WHERE session_id = :session
  AND id NOT IN (SELECT l.thread_id FROM part p JOIN slot l ON l.part_id = p.id
                 WHERE p.session_id = :session)
  AND id NOT IN (SELECT l.thread_id FROM part p JOIN label_span l ON l.part_id = p.id
                 WHERE p.session_id = :session)
  AND id NOT IN (SELECT thread_id FROM loss
                 WHERE session_id = :session AND thread_id IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM rollup r WHERE r.thread_id = thread.id);

-- name: gc_empty_sessions
-- A session ends a little after its last part: its start is what is as old.
SELECT s.id
FROM session s /*scan*/
WHERE s.state <> 'live' AND s.start_ns <= :before
  AND NOT EXISTS (SELECT 1 FROM part p WHERE p.session_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM chunk c WHERE c.session_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM rolled r WHERE r.session_id = s.id AND r.state = 2)
LIMIT 200;

-- name: gc_delete_session_threads
DELETE FROM thread WHERE session_id IN (SELECT value FROM json_each(:sessions));

-- name: gc_delete_session_losses
DELETE FROM loss WHERE session_id IN (SELECT value FROM json_each(:sessions));

-- name: gc_delete_session_rollups
DELETE FROM rollup
WHERE thread_id IN (SELECT id FROM thread WHERE session_id IN
                    (SELECT value FROM json_each(:sessions)));

-- name: gc_delete_session_rolled
DELETE FROM rolled WHERE session_id IN (SELECT value FROM json_each(:sessions));

-- name: gc_delete_sessions
DELETE FROM session WHERE id IN (SELECT value FROM json_each(:sessions));

-- name: gc_fetched_file
SELECT coalesce((SELECT id FROM symbol_file /*scan*/ WHERE origin <> '' AND complete = 1
                 ORDER BY added_ns, id LIMIT 1), 0);

-- name: gc_fetched_files
SELECT (SELECT coalesce(sum(length(p.data)), 0) FROM symbol_piece p
        WHERE p.file_id = f.id)
FROM symbol_file f /*scan*/ WHERE f.origin <> '' AND f.complete = 1
ORDER BY f.added_ns, f.id;

-- name: gc_symbol_bytes
SELECT coalesce(sum(length(data)), 0) FROM symbol_piece /*scan*/;

-- name: gc_vacuum
PRAGMA incremental_vacuum(256);

-- ---- the dictionary -----------------------------------------------------------

-- name: gc_trim_epochs
-- Parts that are to come use the newest epoch, whatever number they get.
UPDATE dict_epoch /*scan*/
SET first_part_id = (SELECT coalesce(max(id), 0) + 1 FROM part)
WHERE first_part_id > (SELECT coalesce(max(id), 0) + 1 FROM part);

-- name: gc_nothing_left
SELECT NOT EXISTS (SELECT 1 FROM part /*scan*/)
  AND NOT EXISTS (SELECT 1 FROM rollup /*scan*/);

-- name: gc_old_stacks
-- The newest epoch before which nothing refers to any stack, if there is something
-- before it. Entries of sums come in the order of stacks: the first is the oldest.
SELECT e.id, e.first_stack_id, (SELECT max(id) FROM dict_epoch)
FROM dict_epoch e /*scan*/
WHERE e.id > (SELECT min(id) FROM dict_epoch)
  AND e.first_part_id <= (SELECT coalesce(min(id), 9223372036854775807) FROM part)
  AND e.first_stack_id <=
      (SELECT coalesce(min(CAST(hex(substr(r.sums, 1, 6)) AS INTEGER)),
                       9223372036854775807)
       FROM rollup r /*scan*/)
ORDER BY e.id DESC LIMIT 1;

-- name: gc_would_stacks
-- As gc_old_stacks, of what would be left.
SELECT count(*) FROM stack
WHERE id < (SELECT coalesce(max(e.first_stack_id), 1) FROM dict_epoch e /*scan*/
            WHERE e.first_part_id <=
                  (SELECT coalesce(min(p.id), 9223372036854775807) FROM part p /*scan*/
                   WHERE p.end_ns > :before)
              AND e.first_stack_id <=
                  (SELECT coalesce(min(CAST(hex(substr(r.sums, 1, 6)) AS INTEGER)),
                                   9223372036854775807)
                   FROM rollup r /*scan*/
                   WHERE (r.level = 3600 AND r.bucket >= :hours)
                      OR (r.level = 86400 AND r.bucket >= :days)));

-- name: gc_delete_stacks
-- Newest first: a parent stays as long as its children.
DELETE FROM stack
WHERE id IN (SELECT id FROM stack WHERE id < :first ORDER BY id DESC LIMIT :limit)
  AND (SELECT max(id) FROM dict_epoch) = :newest;

-- name: gc_delete_epochs
DELETE FROM dict_epoch
WHERE id < :epoch AND (SELECT max(id) FROM dict_epoch) = :newest;

-- name: gc_void_ids
-- Ids that writers remember are looked up anew; stacks stay.
UPDATE dict_epoch SET id = id + 1 + abs(random() % 1000000)
WHERE id = (SELECT max(id) FROM dict_epoch);

-- name: gc_sweep_wanted
SELECT count(*) FROM meta WHERE key = 'sweep';

-- name: gc_want_sweep
INSERT INTO meta (key, value) VALUES ('sweep', 1) ON CONFLICT (key) DO NOTHING;

-- name: gc_swept
DELETE FROM meta WHERE key = 'sweep';

-- name: gc_last_frame
SELECT coalesce(max(id), 0) FROM frame_raw;

-- name: gc_last_function
SELECT coalesce(max(id), 0) FROM function;

-- name: gc_last_module
SELECT coalesce(max(id), 0) FROM module;

-- name: gc_frames
SELECT id FROM frame_raw WHERE id > :after ORDER BY id LIMIT :limit;

-- name: gc_functions
SELECT id FROM function WHERE id > :after ORDER BY id LIMIT :limit;

-- name: gc_modules
SELECT id FROM module WHERE id > :after ORDER BY id LIMIT :limit;

-- name: gc_functions_of_frames
SELECT id, function_id FROM frame_raw WHERE id > :after ORDER BY id;

-- name: gc_functions_of_names
SELECT frame_id, function_id FROM frame_name WHERE frame_id > :after ORDER BY frame_id;

-- name: gc_modules_of_frames
SELECT id, module_id FROM frame_raw WHERE id > :after ORDER BY id;

-- name: gc_modules_of_functions
SELECT id, module_id FROM function WHERE id > :after ORDER BY id;

-- name: gc_delete_names
DELETE FROM frame_name WHERE frame_id IN (SELECT value FROM json_each(:ids));

-- name: gc_delete_frames
DELETE FROM frame_raw WHERE id IN (SELECT value FROM json_each(:ids));

-- name: gc_delete_functions
DELETE FROM function WHERE id IN (SELECT value FROM json_each(:ids));

-- name: gc_delete_modules
DELETE FROM module WHERE id IN (SELECT value FROM json_each(:ids));

-- name: gc_delete_loose_tags
DELETE FROM tag
WHERE id IN (SELECT t.id FROM tag t /*scan*/
             WHERE NOT EXISTS (SELECT 1 FROM label_span l WHERE l.tag_id = t.id)
             LIMIT 10000);
