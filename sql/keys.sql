-- Projects and their keys.

-- name: key_find
SELECT id FROM project_key WHERE project_id = :project AND public_key = :public;

-- name: key_of_project
-- The one everybody gets, whoever made it first.
SELECT id, public_key, secret_key FROM project_key
WHERE project_id = :project AND use_case = :use_case
ORDER BY id LIMIT 1;

-- name: key_insert
INSERT INTO project_key (project_id, public_key, secret_key, use_case, created_ns)
VALUES (:project, :public, :secret, :use_case, :now)
RETURNING id;

-- name: key_set_secret
UPDATE project_key SET secret_key = :secret WHERE id = :id;

-- name: project_insert
INSERT INTO project (id, name, created_ns) VALUES (:id, :name, :now)
ON CONFLICT (id) DO NOTHING;

-- name: project_rename
UPDATE project SET name = :name WHERE id = :id;

-- name: project_name
SELECT name FROM project WHERE id = :id;

-- name: project_known
SELECT EXISTS (SELECT 1 FROM project_key WHERE project_id = :project);
