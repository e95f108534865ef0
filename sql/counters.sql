-- Counters of the file.

-- name: counter_add
INSERT INTO counter (name, value) VALUES (:name, :by)
ON CONFLICT (name) DO UPDATE SET value = value + excluded.value;

-- name: counter_list
SELECT name, value FROM counter ORDER BY name /*scan*/;

-- name: counter_waiting
SELECT 'waiting{in="inbox"}', count(*) FROM inbox WHERE state = 'new' /*scan*/
UNION ALL
SELECT 'waiting{in="pass"}', count(*) FROM chunk WHERE finished <> 1 /*scan*/;

-- name: counter_losses
-- Reasons are words of ours.
SELECT format('loss{reason="%s"}', reason), sum(count)
FROM loss GROUP BY reason ORDER BY reason /*scan*/;
