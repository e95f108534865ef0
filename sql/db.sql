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

-- name: get_generation
SELECT value FROM meta WHERE key = 'generation';

-- name: bump_generation
INSERT INTO meta (key, value) VALUES ('generation', 1)
ON CONFLICT (key) DO UPDATE SET value = value + 1;
