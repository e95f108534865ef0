-- The processing pass: what is to be done, names, flags, outcomes.

-- name: pass_next
SELECT id, project_id, uuid, sampled, symbolicated, deobfuscated, normalized,
       coalesce(format, ''), coalesce(platform, ''), debug_meta, has_profile
FROM chunk
WHERE finished <> 1 AND id > :after
ORDER BY id LIMIT :most;

-- name: pass_take
-- In work, until somebody extends it; an unsampled one needs no more.
UPDATE chunk SET finished = CASE sampled WHEN 0 THEN 1 ELSE 2 END WHERE id = :id;

-- name: pass_take_lease
INSERT INTO lease (name, owner, expires_ns) VALUES ('pass', :owner, :expires)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_ns = excluded.expires_ns
WHERE owner = excluded.owner OR expires_ns <= :now OR expires_ns > :never
RETURNING owner;

-- name: pass_lease_owner
SELECT owner, expires_ns FROM lease WHERE name = 'pass';

-- name: pass_drop_lease
DELETE FROM lease WHERE name = 'pass' AND owner = :owner;

-- name: pass_raw_frame
-- A native frame without a name, and, with :redo, one that has a status.
SELECT f.module_id, coalesce(m.path, ''), coalesce(m.build_id, ''), f.address, f.exact,
       EXISTS (SELECT 1 FROM frame_name n
               WHERE n.frame_id = f.id AND n.status = 'symbolicated'),
       coalesce(m.debug_id, ''), coalesce(m.kind, '')
FROM frame_raw f LEFT JOIN module m ON m.id = f.module_id
WHERE f.id = :id AND f.function_id = 0
  AND (:redo OR NOT EXISTS (SELECT 1 FROM frame_name n WHERE n.frame_id = f.id));

-- name: pass_given_frame
-- Likewise, one that its source named in words that code explains. (With an address it
-- is a native one, too.)
SELECT f.module_id, coalesce(m.path, ''), coalesce(m.debug_id, ''), g.name,
       coalesce(c.path, ''), g.file, f.platform, f.line, f.column, f.in_app,
       EXISTS (SELECT 1 FROM frame_name n
               WHERE n.frame_id = f.id AND n.status IN ('symbolicated', 'deobfuscated'))
FROM frame_raw f JOIN function g ON g.id = f.function_id
  LEFT JOIN module m ON m.id = f.module_id
  LEFT JOIN module c ON c.id = g.module_id
WHERE f.id = :id AND f.address = 0
  AND (f.platform IN ('android', 'java')
       OR (f.platform IN ('javascript', 'node') AND f.module_id <> 0))
  AND (:redo OR NOT EXISTS (SELECT 1 FROM frame_name n WHERE n.frame_id = f.id));

-- name: pass_delete_names
DELETE FROM frame_name WHERE frame_id = :id;

-- name: pass_frame_module
SELECT module_id, function_id FROM frame_raw WHERE id = :id;

-- name: pass_module_status
UPDATE module SET status = :status
WHERE id = :id AND status IS NOT :status
  AND NOT (:only_better AND :status <> 'found' AND status IS 'found');

-- name: pass_known_name
-- What was found for the same address of the same build under another path.
SELECT n.depth, g.name, g.file, g.line, n.line, n.column
FROM frame_raw f
  JOIN module m ON m.id = f.module_id
  JOIN module o ON o.build_id = m.build_id AND o.build_id <> '' AND o.id <> m.id
  JOIN frame_raw r ON r.module_id = o.id AND r.address = f.address
                  AND r.exact = f.exact AND r.function_id = 0
  JOIN frame_name n ON n.frame_id = r.id AND n.status = 'symbolicated'
  JOIN function g ON g.id = n.function_id
WHERE f.id = :id
ORDER BY r.id, n.depth;

-- name: pass_image_status
UPDATE image SET status = (SELECT m.status FROM module m WHERE m.id = image.module_id)
WHERE chunk_id = :chunk AND module_id <> 0;

-- name: pass_insert_class
INSERT INTO module (path, name) VALUES (:path, :path);

-- name: pass_find_function
SELECT id, line FROM function
WHERE name = :name AND module_id = :module AND file = :file;

-- name: pass_insert_function
INSERT INTO function (name, module_id, file, line)
VALUES (:name, :module, :file, :line)
RETURNING id;

-- name: pass_function_line
UPDATE function SET line = :line WHERE id = :id;

-- name: pass_insert_name
-- A Rust program is sampled from a signal handler of its own, and its threads begin in
-- code that may have no name.
INSERT INTO frame_name (frame_id, depth, function_id, line, column, in_app, status, trim)
SELECT :id, :depth, :function, :line, :column, :in_app, :status,
       CASE WHEN f.platform <> 'rust' THEN 0
            WHEN f.function_id = 0 AND :status <> 'symbolicated' THEN 1
            WHEN (SELECT name FROM function WHERE id = :function) = 'perf_signal_handler'
                THEN 2
            ELSE 0 END
FROM frame_raw f WHERE f.id = :id;

-- name: pass_symbolicated
-- Not if the chunk grew since it was taken: then there is more to look up.
UPDATE chunk SET symbolicated = :done AND finished <> 0,
                 symbolicator_error = :error, symbolicator_status = :status,
                 symbolicator_message = :message
WHERE id = :id;

-- name: pass_deobfuscated
UPDATE chunk SET deobfuscated = :done AND finished <> 0 WHERE id = :id;

-- name: pass_own_code
SELECT s.in_app_include, s.in_app_exclude, s.project_root
FROM chunk c JOIN session s ON s.id = c.session_id WHERE c.id = :id;

-- name: pass_named_frame
-- Names by depth. What a source named itself counts where the pass said nothing.
SELECT coalesce(n.depth, 0), coalesce(g.name, ''), coalesce(g.file, ''),
       coalesce(m.path, ''), coalesce(n.in_app, f.in_app), f.platform
FROM frame_raw f LEFT JOIN frame_name n ON n.frame_id = f.id
  LEFT JOIN function g ON g.id = coalesce(n.function_id, f.function_id)
  LEFT JOIN module m ON m.id = coalesce(g.module_id, f.module_id)
WHERE f.id = :id AND (n.frame_id IS NOT NULL OR f.function_id <> 0)
ORDER BY n.depth;

-- name: pass_normal_frame
-- What pass_named_frame told, as ids, and whether it lies in frame_name.
SELECT n.frame_id IS NOT NULL, coalesce(n.in_app, f.in_app),
       coalesce(n.function_id, f.function_id), coalesce(g.name, ''),
       coalesce(g.module_id, 0), coalesce(g.file, ''), coalesce(g.line, 0),
       coalesce(n.line, f.line), coalesce(n.column, f.column)
FROM frame_raw f LEFT JOIN frame_name n ON n.frame_id = f.id AND n.depth = :depth
  LEFT JOIN function g ON g.id = coalesce(n.function_id, f.function_id)
WHERE f.id = :id;

-- name: pass_update_name
UPDATE frame_name SET function_id = :function, in_app = :in_app
WHERE frame_id = :id AND depth = :depth;

-- name: pass_normalized
UPDATE chunk SET normalized = finished <> 0, deobfuscated = :deobfuscated,
                 retention_days = :retention_days,
                 device_class = CASE
                     WHEN platform NOT IN ('cocoa', 'android') OR format = 'sample_v2'
                         THEN NULL
                     ELSE coalesce(nullif(device_class, ''), 'unclassified')
                 END
WHERE id = :id;

-- name: pass_insert_outcome
INSERT INTO outcome (chunk_uuid, project_id, org_id, key_id, category, outcome, reason,
                     duration_ms, ts_ns)
SELECT uuid, project_id, org_id, key_id, :category, :outcome, :reason,
       (SELECT max(end_ns - period_ns) - min(start_ns) FROM part
        WHERE chunk_id = c.id) / 1000000,
       :now
FROM chunk c WHERE id = :id
ON CONFLICT (project_id, chunk_uuid, category) DO NOTHING
RETURNING id;

-- name: pass_chunk_known
SELECT id FROM chunk WHERE id = :id;

-- name: pass_finish
UPDATE chunk SET finished = 1 WHERE id = :id AND finished <> 0;

-- name: pass_redo_all
UPDATE chunk SET symbolicated = 0, deobfuscated = 0, normalized = 0, finished = 0
WHERE sampled <> 0 /*scan*/;
