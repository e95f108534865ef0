-- Files that bring names, and where to look for them.

-- name: symbol_file_known
SELECT id FROM symbol_file
WHERE content = :content AND kind = :kind AND debug_id = :debug_id
  AND project_id = :project AND complete = 1;

-- name: symbol_file_insert
INSERT INTO symbol_file (project_id, kind, debug_id, build_id, content, name, origin,
                         bytes, has_debug, added_ns)
VALUES (:project, :kind, :debug_id, :build_id, :content, :name, :origin, :bytes,
        :has_debug, :now)
RETURNING id;

-- name: symbol_file_insert_piece
-- Nothing comes back if the file is gone: somebody took it for given up.
INSERT INTO symbol_piece (file_id, number, data)
SELECT :id, :number, :data WHERE EXISTS (SELECT 1 FROM symbol_file WHERE id = :id)
RETURNING file_id;

-- name: symbol_file_complete
UPDATE symbol_file SET complete = 1 WHERE id = :id;

-- name: symbol_file_list
SELECT f.id, f.project_id, f.kind, f.debug_id, f.build_id, f.content, f.name, f.origin,
       f.bytes, f.has_debug, f.added_ns,
       (SELECT coalesce(sum(length(p.data)), 0) FROM symbol_piece p
        WHERE p.file_id = f.id)
FROM symbol_file f
WHERE f.complete = 1 /*scan*/
ORDER BY f.id;

-- name: symbol_file_find
-- The project's own before those for all, with debug information before without, the
-- newest first.
SELECT id, project_id, kind, debug_id, build_id, content, name, origin, bytes,
       has_debug, added_ns, 0
FROM symbol_file
WHERE id IN (SELECT id FROM symbol_file
             WHERE debug_id = :debug_id AND debug_id <> '' AND kind = :kind
               AND complete = 1
             UNION ALL
             SELECT id FROM symbol_file
             WHERE build_id = :build_id AND build_id <> '' AND kind = :kind
               AND complete = 1)
  AND project_id IN (0, :project)
ORDER BY project_id = 0, has_debug = 0, added_ns DESC, id DESC
LIMIT 16;

-- name: symbol_file_piece
SELECT data FROM symbol_piece WHERE file_id = :id AND number = :number;

-- name: symbol_file_bytes
SELECT bytes FROM symbol_file WHERE id = :id AND complete = 1;

-- name: symbol_file_delete_pieces
DELETE FROM symbol_piece WHERE file_id = :id;

-- name: symbol_file_delete
DELETE FROM symbol_file WHERE id = :id RETURNING id;

-- name: symbol_file_given_up
SELECT id FROM symbol_file WHERE complete = 0 AND added_ns < :before /*scan*/ LIMIT 1;

-- name: symbol_source_list
SELECT kind, place FROM symbol_source WHERE project_id = :project ORDER BY position;

-- name: symbol_source_delete
DELETE FROM symbol_source WHERE project_id = :project;

-- name: symbol_source_insert
INSERT INTO symbol_source (project_id, position, kind, place)
VALUES (:project, :position, :kind, :place);

-- name: symbol_miss_known
SELECT EXISTS (SELECT 1 FROM symbol_miss
               WHERE url = :url AND build_id = :build_id AND until_ns > :now);

-- name: symbol_miss_insert
INSERT INTO symbol_miss (url, build_id, until_ns) VALUES (:url, :build_id, :until)
ON CONFLICT (url, build_id) DO UPDATE SET until_ns = excluded.until_ns;

-- name: symbol_miss_expire
DELETE FROM symbol_miss WHERE until_ns <= :now /*scan*/;

-- name: symbol_miss_forget
DELETE FROM symbol_miss;
