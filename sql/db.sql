-- Statements of the connection itself.

-- name: begin_write
BEGIN IMMEDIATE;

-- name: begin_read
BEGIN DEFERRED;

-- name: commit
COMMIT;

-- name: rollback
ROLLBACK;

-- name: sync_each_commit
PRAGMA synchronous = FULL;

-- name: data_version
-- Differs when another connection has written.
PRAGMA data_version;

-- name: last_epoch
SELECT id, first_stack_id, created_ns FROM dict_epoch
WHERE id = (SELECT max(id) FROM dict_epoch);

-- name: begin_epoch
-- A number no epoch ever had, whatever was lost.
INSERT INTO dict_epoch (id, first_stack_id, first_part_id, created_ns)
SELECT max(id) + 1 + abs(random() % 1000000),
       max(max(first_stack_id), (SELECT coalesce(max(id), 0) + 1 FROM stack)),
       (SELECT coalesce(max(id), 0) + 1 FROM part), unixepoch() * 1000000000
FROM dict_epoch /*scan*/;

-- name: schema_objects
SELECT name, sql FROM sqlite_schema /*scan*/
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY name COLLATE BINARY;

-- name: get_generation
SELECT value FROM meta WHERE key = 'generation';

-- name: bump_generation
INSERT INTO meta (key, value) VALUES ('generation', 1)
ON CONFLICT (key) DO UPDATE SET value = value + 1;
