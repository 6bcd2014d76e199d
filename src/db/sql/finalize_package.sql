UPDATE artifact_packages
SET status = 'finalized', tree = ?2, finalized_at = ?3, finalized_sequence = ?4, changed_sequence = ?4,
    manifest_digest = ?5, manifest_size = ?6, content_digest = ?7, entries = ?8, files = ?9, bytes = ?10,
    objects = ?11, object_bytes = ?12, backend_id = ?13, origin = ?14
WHERE package = ?1
