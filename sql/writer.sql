-- The writer: sessions, and one transaction per part.

-- name: insert_session
INSERT INTO session (uuid, project_id, recording_id, parent_id, app, release,
                     environment, dist, in_app_include, in_app_exclude, project_root,
                     host, pid, platform, mode, start_ns)
VALUES (:uuid, :project_id, :recording_id, :parent_id, :app, :release, :environment,
        :dist, :in_app_include, :in_app_exclude, :project_root, :host, :pid, :platform,
        :mode, :start_ns)
ON CONFLICT (uuid, project_id) DO NOTHING;

-- name: find_session
SELECT id, platform FROM session WHERE uuid = :uuid AND project_id = :project_id;

-- name: extend_session
-- Chunks from elsewhere arrive in any order.
UPDATE session SET slowed_ticks = slowed_ticks + :slowed_ticks,
                   start_ns = min(start_ns, :start_ns),
                   end_ns = max(coalesce(end_ns, start_ns), :end_ns)
WHERE id = :id;

-- name: end_session
UPDATE session SET end_ns = max(coalesce(end_ns, start_ns), :end_ns),
                   state = CASE state WHEN 'live' THEN :state ELSE state END,
                   exit_status = CASE state WHEN 'live' THEN :exit_status
                                            ELSE exit_status END
WHERE uuid = :uuid AND project_id = 0
RETURNING id;

-- name: find_chunk
SELECT id FROM chunk
WHERE uuid = :uuid AND project_id = :project_id AND session_id = :session_id;

-- name: insert_chunk
INSERT INTO chunk (uuid, event_id, session_id, project_id, platform, format, source,
                   start_ns, end_ns, received_ns)
VALUES (:uuid, :event_id, :session_id, :project_id, :platform, :format, :source,
        :start_ns, :end_ns, :received_ns);

-- A further part of a known chunk: the pass has to look again.
-- name: extend_chunk
UPDATE chunk SET start_ns = min(start_ns, :start_ns), end_ns = max(end_ns, :end_ns),
                 symbolicated = 0, deobfuscated = 0, normalized = 0, finished = 0
WHERE id = :id;

-- name: find_part
SELECT id FROM part WHERE chunk_id = :chunk_id AND start_ns = :start_ns AND live = 0;

-- name: insert_part
INSERT INTO part (chunk_id, session_id, start_ns, end_ns, period_ns, origin_ns,
                  unit_ns, tick_width, tick_count, ticks, bytes, live)
VALUES (:chunk_id, :session_id, :start_ns, :end_ns, :period_ns, :origin_ns, :unit_ns,
        :tick_width, :tick_count, :ticks, :bytes, :live);

-- name: insert_slot
INSERT INTO slot (part_id, thread_id, n, n_on, cpu_known, cpu_ns, weight, nruns, runs,
                  ticks, weights, weight_unit)
VALUES (:part_id, :thread_id, :n, :n_on, :cpu_known, :cpu_ns, :weight, :nruns, :runs,
        :ticks, :weights, :weight_unit);

-- name: find_live
SELECT id FROM part
WHERE session_id = :session_id AND live = 1 AND start_ns < :end_ns
LIMIT 1;

-- name: delete_live_slots
DELETE FROM slot WHERE part_id = :part;

-- name: delete_live_labels
DELETE FROM label_span WHERE part_id = :part;

-- name: delete_live_losses
DELETE FROM loss WHERE session_id = :session_id AND part_id = :part;

-- name: delete_live
DELETE FROM part WHERE id = :part;

-- name: watch
INSERT INTO watch (viewer, until_ns) VALUES (:viewer, :until_ns)
ON CONFLICT (viewer) DO UPDATE SET until_ns = :until_ns;

-- name: watch_forget
DELETE FROM watch /*scan*/ WHERE until_ns < :now_ns;

-- name: watched_until
SELECT coalesce(max(until_ns), 0) FROM watch /*scan*/;

-- name: find_thread
SELECT id FROM thread
WHERE session_id = :session_id AND tid = :tid AND name = :name AND seq = :seq;

-- name: insert_thread
INSERT INTO thread (session_id, tid, name, seq)
VALUES (:session_id, :tid, :name, :seq);

-- name: insert_loss
INSERT INTO loss (session_id, chunk_id, part_id, thread_id, reason, count)
VALUES (:session_id, :chunk_id, :part_id, :thread_id, :reason, :count);

-- name: insert_tag
INSERT INTO tag (key, value) VALUES (:key, :value)
ON CONFLICT (key, value) DO NOTHING;

-- name: insert_label
INSERT INTO label_span (part_id, thread_id, first_tick, n, tag_id)
VALUES (:part_id, :thread_id, :first_tick, :n,
        (SELECT id FROM tag WHERE key = :key AND value = :value));

-- name: find_module
SELECT id FROM module WHERE path = :path AND build_id = :build_id;

-- name: insert_module
INSERT INTO module (path, name, build_id, debug_id, kind)
VALUES (:path, :name, :build_id, :debug_id, :kind);

-- name: find_function
SELECT id FROM function
WHERE name = :name AND module_id = :module_id AND file = :file;

-- name: insert_function
INSERT INTO function (name, module_id, file) VALUES (:name, :module_id, :file);

-- name: find_frame
SELECT id FROM frame_raw
WHERE module_id = :module_id AND address = :address AND exact = :exact
      AND function_id = :function_id AND line = :line AND column = :column
      AND in_app = :in_app AND platform = :platform;

-- name: insert_frame
INSERT INTO frame_raw (module_id, address, exact, function_id, line, column, in_app,
                       platform)
VALUES (:module_id, :address, :exact, :function_id, :line, :column, :in_app,
        :platform);

-- name: last_stack
SELECT coalesce(max(id), 0) FROM stack;

-- name: stacks_after
SELECT id, parent, keep, frames FROM stack WHERE id > :after ORDER BY id;

-- name: insert_stack
INSERT INTO stack (id, parent, keep, frames) VALUES (:id, :parent, :keep, :frames);
