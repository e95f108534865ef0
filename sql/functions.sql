-- Function metrics.

-- name: function_part
SELECT chunk_id FROM part WHERE id = :part;

-- name: function_kept
-- A row a call; its place in the list says which is the first.
SELECT f.fingerprint, f.function, f.module, f.file, f.start_ns, f.samples, j.key,
       CAST(j.value AS INTEGER)
FROM function_metric f, json_each(f.self_ns) j
WHERE f.start_ns >= :from AND f.start_ns < :to
  AND (:app IS NULL OR f.app = :app)
  AND (:release IS NULL OR f.release = :release)
  AND (:environment IS NULL OR f.environment = :environment)
ORDER BY f.start_ns, f.id, j.key;

-- name: function_insert
INSERT INTO function_metric (project_id, profile_id, app, release, environment, platform,
                             start_ns, fingerprint, function, module, file, samples,
                             sum_ns, self_ns)
VALUES (:project, :profile, :app, :release, :environment, :platform, :start_ns,
        :fingerprint, :function, :module, :file, :samples, :sum_ns, :self_ns);

-- name: function_expire
DELETE FROM function_metric WHERE start_ns < :before;
