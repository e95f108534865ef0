-- The inbox: what arrived by HTTP.

-- name: inbox_insert
INSERT INTO inbox (project_id, org_id, key_id, received_ns, kind, encoding, headers)
VALUES (:project, :org, :key, :received, :kind, :encoding, :headers)
RETURNING id;

-- name: inbox_insert_body
INSERT INTO inbox_body (inbox_id, body) VALUES (:id, zeroblob(:bytes));

-- name: inbox_next
SELECT i.id, i.project_id, coalesce(i.key_id, 0), i.received_ns, i.kind, i.encoding,
       i.items_done, coalesce(p.name, format('project-%d', i.project_id)),
       coalesce(i.org_id, 0)
FROM inbox i LEFT JOIN project p ON p.id = i.project_id
WHERE i.state = 'new' AND i.id > :after
ORDER BY i.id LIMIT 1;

-- name: inbox_app
SELECT coalesce((SELECT name FROM project WHERE id = :project),
                format('project-%d', :project));

-- name: inbox_progress
-- Nothing comes back if somebody else has taken this item.
UPDATE inbox SET items_done = :item + 1
WHERE id = :id AND state = 'new' AND items_done <= :item
RETURNING id;

-- name: inbox_finish
UPDATE inbox SET state = :state, error = :error WHERE id = :id AND state = 'new';

-- name: receive_outcome
INSERT INTO outcome (chunk_uuid, project_id, org_id, key_id, category, outcome, reason,
                     quantity, ts_ns)
VALUES (:uuid, :project, :org, :key, :category, :outcome, :reason, :quantity, :now)
ON CONFLICT (project_id, chunk_uuid, category) DO NOTHING
RETURNING id;

-- name: receive_known
-- Is there an outcome, or a chunk that will have one?
SELECT EXISTS (SELECT 1 FROM outcome
               WHERE project_id = :project AND chunk_uuid = :uuid
                     AND category = :category)
    OR EXISTS (SELECT 1 FROM chunk WHERE project_id = :project AND uuid = :uuid);

-- name: receive_details
UPDATE chunk SET org_id = :org, key_id = :key, debug_meta = :debug_meta,
                 has_profile = :has_profile, device_class = :device_class
WHERE id = :chunk;

-- name: receive_bare_chunk
-- Of a chunk without samples there is no part to write it with.
INSERT INTO chunk (uuid, event_id, session_id, project_id, platform, format, source,
                   start_ns, end_ns, received_ns)
SELECT :uuid, :event_id, id, project_id, :platform, :format, :source, :at, :at, :received
FROM session WHERE uuid = :session AND project_id = :project
RETURNING id;

-- name: receive_end_session
UPDATE session SET state = 'ended' WHERE uuid = :uuid AND project_id = :project;

-- name: receive_end_quiet
-- Of other machines we hear nothing when they end.
UPDATE session SET state = 'ended'
WHERE project_id > 0 AND state = 'live' AND end_ns < :before /*scan*/;

-- name: receive_image
INSERT INTO image (chunk_id, type, code_file, code_id, debug_file, debug_id, address,
                   size, vmaddr, module_id, status)
VALUES (:chunk, :type, :code_file, :code_id, :debug_file, :debug_id, :address, :size,
        :vmaddr,
        coalesce((SELECT id FROM module WHERE path = :path AND build_id = :build_id), 0),
        :status);

-- name: receive_measurement
INSERT INTO measurement (chunk_id, name, unit, ts_ns, value)
VALUES (:chunk, :name, :unit, :ts_ns, CAST(:value AS REAL));

-- name: receive_span
INSERT INTO span (project_id, trace_id, span_id, parent_span_id, event_id, profiler_id,
                  profile_id, tid, thread_name, name, op, is_segment, start_ns, end_ns)
VALUES (:project, :trace_id, :span_id, :parent_span_id, :event_id, :profiler_id,
        :profile_id, :tid, :thread_name, :name, :op, :is_segment, :start_ns, :end_ns)
ON CONFLICT (project_id, trace_id, span_id) DO NOTHING
RETURNING id;

-- name: receive_late_slots
-- A segment that arrived after the samples taken meanwhile: where those may lie.
SELECT p.chunk_id, p.id, l.thread_id
FROM session s
     JOIN part p ON p.session_id = s.id
     JOIN slot l ON l.part_id = p.id
     JOIN thread t ON t.id = l.thread_id
WHERE s.uuid = :profiler_id AND s.project_id = :project
      AND p.start_ns < :end_ns AND p.end_ns > :start_ns
      AND (:tid IS NULL OR t.tid = :tid) AND l.n > 0;

-- name: receive_late_ticks
SELECT coalesce(min(tick), 0), coalesce(max(tick) - min(tick) + 1, 0)
FROM sample
WHERE chunk_id = :chunk AND part_id = :part AND thread_id = :thread
      AND ts_ns >= :start_ns AND ts_ns < :end_ns;

-- name: receive_segments
-- Segments known already that ran while a chunk was sampled.
SELECT start_ns, end_ns, tid IS NULL, coalesce(tid, 0), name, trace_id, span_id
FROM span
WHERE profiler_id = :profiler_id AND project_id = :project AND is_segment
      AND start_ns < :end_ns AND start_ns > :start_ns AND end_ns > :from_ns
ORDER BY start_ns, id;

-- name: inbox_expire_find
-- Done with, and nobody waits to send them on.
SELECT i.id FROM inbox i /*scan*/
WHERE i.state <> 'new' AND i.received_ns < :before
  AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.inbox_id = i.id AND o.state = 'waiting')
LIMIT 100;

-- name: inbox_delete_body
DELETE FROM inbox_body WHERE inbox_id = :id;

-- name: inbox_delete_sent
DELETE FROM outbox WHERE inbox_id = :id;

-- name: inbox_delete
DELETE FROM inbox WHERE id = :id;

-- name: inbox_expire_spans
DELETE FROM span /*scan*/ WHERE end_ns < :before;

-- name: inbox_expire_bare
-- A chunk without samples has no part to go with.
DELETE FROM chunk /*scan*/ WHERE has_profile = 0 AND finished = 1 AND received_ns < :before;

-- name: inbox_expire_images
DELETE FROM image /*scan*/ WHERE NOT EXISTS (SELECT 1 FROM chunk c WHERE c.id = chunk_id);

-- name: inbox_expire_measurements
DELETE FROM measurement /*scan*/
WHERE NOT EXISTS (SELECT 1 FROM chunk c WHERE c.id = chunk_id);
