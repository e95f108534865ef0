-- `proflite check`: each statement gives one line of text for each thing that is
-- wrong, but for the few at the end. They read whole tables, once.

-- name: check_integrity
PRAGMA integrity_check(20);

-- ---- references ---------------------------------------------------------------

-- name: check_threads
SELECT format('thread %d: no session %d', t.id, t.session_id)
FROM thread t /*scan*/
WHERE NOT EXISTS (SELECT 1 FROM session s WHERE s.id = t.session_id);

-- name: check_chunks
SELECT format('chunk %d: no session %d', c.id, c.session_id)
FROM chunk c /*scan*/
WHERE NOT EXISTS (SELECT 1 FROM session s WHERE s.id = c.session_id);

-- name: check_parts
SELECT CASE WHEN c.id IS NULL THEN format('part %d: no chunk %d', p.id, p.chunk_id)
            ELSE format('part %d: of session %d, its chunk %d of session %d', p.id,
                        p.session_id, c.id, c.session_id) END
FROM part p /*scan*/ LEFT JOIN chunk c ON c.id = p.chunk_id
WHERE c.id IS NULL OR c.session_id <> p.session_id;

-- name: check_slots
SELECT CASE WHEN p.id IS NULL THEN format('slot %d: no part %d', l.id, l.part_id)
            WHEN t.id IS NULL THEN format('slot %d: no thread %d', l.id, l.thread_id)
            ELSE format('slot %d: of session %d, its thread %d of session %d', l.id,
                        p.session_id, t.id, t.session_id) END
FROM slot l /*scan*/ LEFT JOIN part p ON p.id = l.part_id
  LEFT JOIN thread t ON t.id = l.thread_id
WHERE p.id IS NULL OR t.id IS NULL OR t.session_id <> p.session_id;

-- name: check_labels
SELECT CASE WHEN p.id IS NULL THEN format('label %d: no part %d', l.id, l.part_id)
            WHEN t.id IS NULL THEN format('label %d: no thread %d', l.id, l.thread_id)
            WHEN g.id IS NULL THEN format('label %d: no tag %d', l.id, l.tag_id)
            ELSE format('label %d: its ticks make no sense', l.id) END
FROM label_span l /*scan*/ LEFT JOIN part p ON p.id = l.part_id
  LEFT JOIN thread t ON t.id = l.thread_id LEFT JOIN tag g ON g.id = l.tag_id
WHERE p.id IS NULL OR t.id IS NULL OR g.id IS NULL OR l.first_tick < 0 OR l.n < 0;

-- name: check_losses
SELECT CASE WHEN s.id IS NULL THEN format('loss %d: no session %d', l.id, l.session_id)
            WHEN l.chunk_id IS NOT NULL AND c.id IS NULL
            THEN format('loss %d: no chunk %d', l.id, l.chunk_id)
            WHEN l.part_id IS NOT NULL AND p.id IS NULL
            THEN format('loss %d: no part %d', l.id, l.part_id)
            WHEN l.thread_id IS NOT NULL AND t.id IS NULL
            THEN format('loss %d: no thread %d', l.id, l.thread_id)
            ELSE format('loss %d: %d samples', l.id, l.count) END
FROM loss l /*scan*/ LEFT JOIN session s ON s.id = l.session_id
  LEFT JOIN chunk c ON c.id = l.chunk_id LEFT JOIN part p ON p.id = l.part_id
  LEFT JOIN thread t ON t.id = l.thread_id
WHERE s.id IS NULL OR (l.chunk_id IS NOT NULL AND c.id IS NULL)
  OR (l.part_id IS NOT NULL AND p.id IS NULL)
  OR (l.thread_id IS NOT NULL AND t.id IS NULL) OR l.count < 0;

-- name: check_rollups
SELECT format('rollup %d of %d s: no thread %d of session %d', r.bucket, r.level,
              r.thread_id, r.session_id)
FROM rollup r /*scan*/
WHERE NOT EXISTS (SELECT 1 FROM thread t
                  WHERE t.id = r.thread_id AND t.session_id = r.session_id);

-- name: check_rolled_sessions
SELECT format('rollup %d of %d s: no session %d', r.bucket, r.level, r.session_id)
FROM rolled r /*scan*/
WHERE NOT EXISTS (SELECT 1 FROM session s WHERE s.id = r.session_id);

-- name: check_functions
SELECT format('function %d: no module %d', f.id, f.module_id)
FROM function f /*scan*/
WHERE f.module_id <> 0 AND NOT EXISTS (SELECT 1 FROM module m WHERE m.id = f.module_id);

-- name: check_frames
SELECT format('frame %d: no module %d or no function %d', f.id, f.module_id,
              f.function_id)
FROM frame_raw f /*scan*/
WHERE (f.module_id <> 0 AND NOT EXISTS (SELECT 1 FROM module m WHERE m.id = f.module_id))
  OR (f.function_id <> 0
      AND NOT EXISTS (SELECT 1 FROM function g WHERE g.id = f.function_id));

-- name: check_names
SELECT format('name of frame %d: no frame, no function %d or no depth %d', n.frame_id,
              n.function_id, n.depth)
FROM frame_name n /*scan*/
WHERE n.depth NOT BETWEEN 0 AND 255
  OR NOT EXISTS (SELECT 1 FROM frame_raw f WHERE f.id = n.frame_id)
  OR (n.function_id <> 0
      AND NOT EXISTS (SELECT 1 FROM function g WHERE g.id = n.function_id));

-- name: check_outbox
SELECT CASE WHEN (o.chunk_id IS NULL) = (o.inbox_id IS NULL)
              OR (o.kind = 'received') = (o.inbox_id IS NULL)
              OR o.kind NOT IN ('chunk', 'spans', 'received')
            THEN format('outbox %d: neither a chunk nor an envelope', o.id)
            WHEN o.state NOT IN ('waiting', 'sent', 'dead')
            THEN format('outbox %d: state is %s', o.id, o.state)
            WHEN NOT EXISTS (SELECT 1 FROM outbox_target t WHERE t.id = o.target_id)
            THEN format('outbox %d: no such target', o.id)
            ELSE format('outbox %d: no such chunk or envelope', o.id) END
FROM outbox o /*scan*/
WHERE (o.chunk_id IS NULL) = (o.inbox_id IS NULL)
  OR (o.kind = 'received') = (o.inbox_id IS NULL)
  OR o.kind NOT IN ('chunk', 'spans', 'received')
  OR o.state NOT IN ('waiting', 'sent', 'dead')
  OR NOT EXISTS (SELECT 1 FROM outbox_target t WHERE t.id = o.target_id)
  OR (o.chunk_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM chunk c WHERE c.id = o.chunk_id))
  OR (o.inbox_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.id = o.inbox_id));

-- name: check_symbol_files
SELECT format('symbol file %d: not all of its pieces', f.id)
FROM symbol_file f /*scan*/
WHERE f.complete = 1
  AND (SELECT count(*) FROM symbol_piece p
       WHERE p.file_id = f.id AND p.number BETWEEN 0 AND (f.bytes - 1) / 1048576)
      <> (f.bytes + 1048575) / 1048576;

-- name: check_symbol_pieces
SELECT format('symbol piece %d of %d: no such file', p.number, p.file_id)
FROM symbol_piece p /*scan*/
WHERE NOT EXISTS (SELECT 1 FROM symbol_file f WHERE f.id = p.file_id);

-- ---- times --------------------------------------------------------------------

-- name: check_part_times
SELECT CASE WHEN p.end_ns < p.start_ns OR p.end_ns - p.start_ns > 92000000000
              OR p.start_ns < 0
            THEN format('part %d: it lasts from %d to %d', p.id, p.start_ns, p.end_ns)
            WHEN p.start_ns < c.start_ns OR p.end_ns > c.end_ns
            THEN format('part %d: outside its chunk %d', p.id, c.id)
            WHEN p.live NOT IN (0, 1) THEN format('part %d: live is %s', p.id, p.live)
            ELSE format('part %d: it crosses an hour', p.id) END
FROM part p /*scan*/ LEFT JOIN chunk c ON c.id = p.chunk_id
WHERE p.end_ns < p.start_ns OR p.end_ns - p.start_ns > 92000000000 OR p.start_ns < 0
  OR p.start_ns < c.start_ns OR p.end_ns > c.end_ns
  OR p.live NOT IN (0, 1)
  OR p.end_ns > (p.start_ns / 3600000000000 + 1) * 3600000000000;

-- name: check_session_times
SELECT format('session %d: it ends before it starts', s.id)
FROM session s /*scan*/
WHERE s.end_ns < s.start_ns;

-- ---- values -------------------------------------------------------------------

-- name: check_session_values
SELECT format('session %d: its state, project, process or start makes no sense', s.id)
FROM session s /*scan*/
WHERE s.state NOT IN ('live', 'ended', 'crashed', 'killed', 'abandoned')
  OR s.project_id < 0 OR s.pid < 0 OR s.start_ns < 0 OR s.exit_status NOT BETWEEN 0 AND 255
  OR s.uuid = '' OR s.slowed_ticks < 0;

-- name: check_thread_values
SELECT format('thread %d: its number makes no sense', t.id)
FROM thread t /*scan*/
WHERE t.tid < 0 OR t.seq < 0;

-- name: check_chunk_values
SELECT format('chunk %d: its flags, project or arrival make no sense', c.id)
FROM chunk c /*scan*/
WHERE c.sampled NOT IN (0, 1) OR c.symbolicated NOT IN (0, 1)
  OR c.deobfuscated NOT IN (0, 1) OR c.normalized NOT IN (0, 1)
  OR c.finished NOT IN (0, 1, 2) OR c.project_id < 0 OR c.received_ns < 0 OR c.uuid = ''
  OR c.debug_meta NOT IN (0, 1, 2) OR c.has_profile NOT IN (0, 1) OR c.org_id < 0
  OR c.key_id < 0 OR c.retention_days < 0;

-- name: check_part_values
SELECT format('part %d: takes %d bytes', p.id, p.bytes)
FROM part p /*scan*/
WHERE p.bytes < 0;

-- name: check_frame_values
SELECT format('frame %d: its flags or line make no sense', f.id)
FROM frame_raw f /*scan*/
WHERE f.exact NOT IN (0, 1) OR f.in_app NOT IN (-1, 0, 1) OR f.line < 0 OR f.column < 0;

-- name: check_name_values
SELECT format('name of frame %d: its flags or line make no sense, or one is missing',
              n.frame_id)
FROM frame_name n /*scan*/
WHERE n.in_app NOT IN (-1, 0, 1) OR n.line < 0 OR n.column < 0 OR n.status = ''
  OR n.trim NOT IN (0, 1, 2)
  OR (n.depth > 0 AND NOT EXISTS (SELECT 1 FROM frame_name m
                                  WHERE m.frame_id = n.frame_id AND m.depth = n.depth - 1));

-- name: check_function_values
-- A name may be empty: functions of JavaScript may have none.
SELECT format('function %d: line %d', f.id, f.line)
FROM function f /*scan*/
WHERE f.line < 0;

-- name: check_module_values
SELECT format('module %d: %.80s is not the end of its path', m.id, m.name)
FROM module m /*scan*/
WHERE substr(m.path, -length(m.name)) <> m.name OR m.name = '' AND m.path <> '';

-- name: check_epoch_values
SELECT format('dictionary %d begins at stack %d, the one before at %d', e.id,
              e.first_stack_id, d.first_stack_id)
FROM dict_epoch e /*scan*/
  LEFT JOIN dict_epoch d ON d.id = (SELECT max(id) FROM dict_epoch WHERE id < e.id)
WHERE e.first_stack_id < coalesce(d.first_stack_id, 1) OR e.first_stack_id >= 1000000001
  OR e.first_part_id < 1;

-- name: check_outcome_values
SELECT format('outcome %d: %d of an outcome %.40s', o.id, o.quantity, o.outcome)
FROM outcome o /*scan*/
WHERE o.quantity < 0 OR o.project_id < 0 OR o.ts_ns < 0 OR o.duration_ms < 0
  OR o.outcome NOT IN ('accepted', 'filtered', 'rate_limited', 'invalid', 'abuse',
                       'client_discard', 'cardinality_limited');

-- ---- outcomes -----------------------------------------------------------------

-- name: check_outcome_missing
-- A chunk that was not sampled has none.
SELECT format('chunk %d: done and without an outcome', c.id)
FROM chunk c /*scan*/
WHERE c.finished = 1 AND c.sampled <> 0
  AND NOT EXISTS (SELECT 1 FROM outcome o
                  WHERE o.project_id = c.project_id AND o.chunk_uuid = c.uuid
                    AND o.category LIKE 'profile%');

-- ---- stacks -------------------------------------------------------------------

-- name: check_stack_ids
SELECT format('stack %d: no such id can be', s.id)
FROM stack s
WHERE s.id < 1 OR s.id >= 1000000000;

-- name: check_epochs
SELECT format('stack %d: its parent %d is of an older generation', s.id, s.parent)
FROM dict_epoch e /*scan*/ CROSS JOIN stack s ON s.id >= e.first_stack_id
WHERE s.parent > 0 AND s.parent < e.first_stack_id;

-- name: check_forgotten_stacks
SELECT format('stack %d: of a generation that is gone', s.id)
FROM stack s
WHERE s.id < (SELECT min(first_stack_id) FROM dict_epoch /*scan*/);

-- name: check_frame_ids
SELECT id FROM frame_raw /*scan*/;

-- ---- samples ------------------------------------------------------------------

-- name: check_part_rows
-- The last column is the first stack that its slots may use.
SELECT id, chunk_id, start_ns, end_ns, period_ns, origin_ns, unit_ns, tick_width,
       tick_count, ticks,
       (SELECT coalesce(max(e.first_stack_id), 1) FROM dict_epoch e /*scan*/
        WHERE e.first_part_id <= part.id)
FROM part /*scan*/
ORDER BY chunk_id, start_ns;

-- name: check_slot_rows
SELECT id, n, n_on, cpu_known, cpu_ns, weight, nruns, runs, ticks, weights, weight_unit
FROM slot
WHERE part_id = :part;

-- name: check_view
-- What people see of a chunk.
SELECT coalesce(sum(n), 0), coalesce(sum(n * weight), 0)
FROM run_weight
WHERE chunk_id = :chunk;

-- name: check_rolled
SELECT session_id, level, bucket, state, n FROM rolled /*scan*/ WHERE state IN (1, 2);

-- name: check_counts
SELECT (SELECT count(*) FROM session /*scan*/), (SELECT count(*) FROM thread),
       (SELECT count(*) FROM chunk), (SELECT count(*) FROM outcome);
