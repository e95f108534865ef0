-- What goes to an upstream: chunks as they are read for it, and the outbox.

-- name: chunk_read_head
SELECT c.session_id, c.start_ns, c.end_ns, c.uuid, s.uuid, s.app, coalesce(s.release, ''),
       coalesce(s.environment, ''), coalesce(s.dist, ''),
       coalesce(c.platform, s.platform, ''), coalesce(s.mode, '')
FROM chunk c JOIN session s ON s.id = c.session_id
WHERE c.id = :chunk;

-- name: chunk_read_labels
SELECT id, first_tick, n, tag_id FROM label_span
WHERE part_id = :part AND thread_id = :thread AND id > :after
ORDER BY id;

-- name: chunk_read_span
-- Has a later part of the session the tag, too, and when was its first tick?
SELECT EXISTS (SELECT 1 FROM label_span l JOIN part p ON p.id = l.part_id
               WHERE l.tag_id = :tag AND p.session_id = :session
                 AND p.chunk_id <> :chunk AND p.start_ns > :start),
       (SELECT CASE
                   WHEN s.ticks IS NULL AND p.tick_width = 2 THEN
                       p.origin_ns + l.first_tick * p.period_ns + p.unit_ns *
                       coalesce(CAST(nullif(hex(substr(p.ticks, 2 * l.first_tick + 1,
                                                       2)), 'FFFF') AS INT) - 5000, 0)
                   ELSE
                       p.origin_ns +
                       coalesce(p.unit_ns *
                                CAST(nullif(hex(substr(coalesce(s.ticks, p.ticks),
                                                       4 * l.first_tick + 1, 4)),
                                            'FFFFFFFF') AS INT),
                                l.first_tick * p.period_ns)
               END
        FROM label_span l JOIN part p ON p.id = l.part_id
             JOIN slot s ON s.part_id = p.id AND s.thread_id = l.thread_id
        WHERE l.tag_id = :tag AND p.session_id = :session
        ORDER BY p.start_ns, l.first_tick LIMIT 1);

-- name: chunk_read_module
SELECT path, build_id FROM module WHERE id = :id;

-- name: chunk_read_frame
-- Names by depth; where none was found what the source said, if it did.
SELECT f.module_id, f.address, f.platform,
       coalesce(nullif(n.function_id, 0), f.function_id),
       coalesce(nullif(f.module_id, 0), g.module_id, 0),
       CASE WHEN n.function_id THEN n.line ELSE f.line END,
       CASE WHEN n.function_id THEN n.column ELSE f.column END,
       CASE WHEN n.in_app IS NOT NULL AND n.in_app <> -1 THEN n.in_app ELSE f.in_app END,
       coalesce(g.name, ''), coalesce(g.file, '')
FROM frame_raw f LEFT JOIN frame_name n ON n.frame_id = f.id
  LEFT JOIN function g ON g.id = coalesce(nullif(n.function_id, 0), f.function_id)
WHERE f.id = :id
ORDER BY n.depth;

-- ---- targets ------------------------------------------------------------------

-- name: outbox_target_insert
INSERT INTO outbox_target (name, created_ns) VALUES (:name, :now)
ON CONFLICT (name) DO NOTHING;

-- name: outbox_target_find
SELECT id, chunk_seen, inbox_seen, failures, next_try_ns, paused,
       coalesce(trouble, '')
FROM outbox_target WHERE name = :name;

-- name: outbox_target_seen
UPDATE outbox_target SET chunk_seen = :chunks, inbox_seen = :inbox WHERE id = :target;

-- name: outbox_target_state
UPDATE outbox_target SET failures = :failures, next_try_ns = :next, paused = :paused,
                         trouble = :trouble
WHERE id = :target;

-- name: outbox_count
INSERT INTO outbox_count (target_id, name, value) VALUES (:target, :name, :value)
ON CONFLICT (target_id, name) DO UPDATE SET value = value + excluded.value;

-- name: outbox_limit_set
INSERT INTO outbox_limit (target_id, category, until_ns, reason)
VALUES (:target, :category, :until, :reason)
ON CONFLICT (target_id, category) DO UPDATE
SET until_ns = excluded.until_ns, reason = excluded.reason
WHERE excluded.until_ns > until_ns;

-- name: outbox_limit_expire
DELETE FROM outbox_limit WHERE target_id = :target AND until_ns <= :now;

-- name: outbox_take_lease
INSERT INTO lease (name, owner, expires_ns) VALUES (:name, :owner, :expires)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_ns = excluded.expires_ns
WHERE owner = excluded.owner OR expires_ns <= :now OR expires_ns > :never
  OR owner = :dead
RETURNING owner;

-- name: outbox_lease_owner
SELECT owner FROM lease WHERE name = :name;

-- name: outbox_drop_lease
DELETE FROM lease WHERE name = :name AND owner = :owner;

-- ---- what is to go ---------------------------------------------------------------

-- name: outbox_chunks
-- Those of our own after the last one seen. Ready: processed, and not the open minute.
-- Settled: what happened in it is over, so that spans that end in it are known to.
SELECT c.id,
       c.finished = 1 AND (s.state <> 'live'
                           OR NOT EXISTS (SELECT 1 FROM part p
                                          WHERE p.chunk_id = c.id AND p.live = 1)),
       c.finished = 1 AND (s.state <> 'live'
                           OR EXISTS (SELECT 1 FROM part p
                                      WHERE p.session_id = c.session_id
                                        AND p.chunk_id <> c.id
                                        AND p.start_ns > c.start_ns)),
       EXISTS (SELECT 1 FROM part p JOIN label_span l ON l.part_id = p.id
                    JOIN tag t ON t.id = l.tag_id
               WHERE p.chunk_id = c.id AND t.key = 'trace'),
       (SELECT coalesce(sum(p.bytes), 0) FROM part p WHERE p.chunk_id = c.id),
       c.project_id = 0 AND c.format = 'proflite' AND c.sampled <> 0
FROM chunk c JOIN session s ON s.id = c.session_id
WHERE c.id > :after
ORDER BY c.id LIMIT 256;

-- name: outbox_received
SELECT i.id, length(b.body) FROM inbox i JOIN inbox_body b ON b.inbox_id = i.id
WHERE i.id > :after ORDER BY i.id LIMIT 256;

-- name: outbox_add_chunk
INSERT INTO outbox (target_id, kind, chunk_id, categories, bytes, added_ns)
VALUES (:target, :kind, :chunk,
        CASE :kind WHEN 'chunk' THEN ',profile_chunk,' ELSE ',transaction,' END, :bytes,
        :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: outbox_add_received
INSERT INTO outbox (target_id, kind, inbox_id, bytes, added_ns)
VALUES (:target, 'received', :inbox, :bytes, :now)
ON CONFLICT DO NOTHING RETURNING id;

-- name: outbox_is_known
SELECT state FROM outbox
WHERE target_id = :target AND kind = :kind
  AND (chunk_id = :chunk OR inbox_id = :inbox);

-- name: outbox_waiting
SELECT count(*), coalesce(sum(bytes), 0) FROM outbox
WHERE target_id = :target AND state = 'waiting';

-- name: outbox_oldest
SELECT id, bytes, added_ns FROM outbox
WHERE target_id = :target AND state = 'waiting'
ORDER BY added_ns, id LIMIT 1;

-- name: outbox_next
-- Those that failed less often first: one that always fails is in nobody's way.
SELECT o.id, o.kind, coalesce(o.chunk_id, 0), coalesce(o.inbox_id, 0), o.attempts,
       coalesce(o.categories, '')
FROM outbox o
WHERE o.target_id = :target AND o.state = 'waiting' AND o.next_try_ns <= :now
  AND NOT EXISTS (SELECT 1 FROM outbox_limit l
                  WHERE l.target_id = :target AND l.until_ns > :now
                    AND (l.category = ''
                         OR instr(o.categories, ',' || l.category || ',') > 0))
ORDER BY o.attempts, o.id LIMIT 1;

-- name: outbox_soonest
-- When there may be something to send again; 0: not by itself.
SELECT coalesce(min(at_ns), 0)
FROM (SELECT min(next_try_ns) AS at_ns FROM outbox
      WHERE target_id = :target AND state = 'waiting' AND next_try_ns > :now
      UNION ALL
      SELECT min(until_ns) FROM outbox_limit
      WHERE target_id = :target AND until_ns > :now
        AND EXISTS (SELECT 1 FROM outbox o
                    WHERE o.target_id = :target AND o.state = 'waiting'));

-- name: outbox_categories
UPDATE outbox SET categories = :categories WHERE id = :id;

-- name: outbox_settle
UPDATE outbox SET state = :state, reason = :reason
WHERE id = :id AND state = 'waiting' RETURNING id;

-- name: outbox_retry
UPDATE outbox SET attempts = attempts + 1, next_try_ns = :next, reason = :reason
WHERE id = :id AND state = 'waiting';

-- name: outbox_hurry
-- Whoever starts anew wants to know now.
UPDATE outbox SET next_try_ns = 0
WHERE target_id = :target AND state = 'waiting' AND next_try_ns > 0;

-- name: outbox_revive
UPDATE outbox SET state = 'waiting', attempts = 0, next_try_ns = 0, added_ns = :now
WHERE target_id = :target AND state = 'dead' /*scan*/;

-- name: outbox_received_row
SELECT project_id, kind, encoding, headers, received_ns FROM inbox WHERE id = :id;

-- ---- how it stands -----------------------------------------------------------------

-- name: outbox_targets
SELECT t.id, t.name, t.failures, t.next_try_ns, t.paused, coalesce(t.trouble, ''),
       (SELECT count(*) FROM outbox o WHERE o.target_id = t.id AND o.state = 'waiting'),
       (SELECT coalesce(sum(bytes), 0) FROM outbox o
        WHERE o.target_id = t.id AND o.state = 'waiting'),
       (SELECT coalesce(min(added_ns), 0) FROM outbox o
        WHERE o.target_id = t.id AND o.state = 'waiting')
FROM outbox_target t /*scan*/ ORDER BY t.id;

-- name: outbox_counts
SELECT name, value FROM outbox_count WHERE target_id = :target ORDER BY name;

-- name: outbox_limits
SELECT category, until_ns, coalesce(reason, '') FROM outbox_limit
WHERE target_id = :target AND until_ns > :now ORDER BY category;
