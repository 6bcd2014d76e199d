SELECT count(*) FILTER (WHERE removed_at IS NULL AND status = 'open') AS open,
       count(*) FILTER (WHERE removed_at IS NULL AND status = 'finalized') AS finalized,
       count(*) FILTER (WHERE removed_at IS NOT NULL) AS removed,
       coalesce(sum(bytes) FILTER (WHERE removed_at IS NULL), 0) AS logical_bytes
FROM artifact_packages
