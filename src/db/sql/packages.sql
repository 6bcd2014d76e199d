SELECT package, tree, package_id, name, version, status, created_at, created_by, created_sequence,
       artifact_packages.changed_sequence AS changed_sequence, finalized_at, finalized_sequence, removed_at,
       removed_sequence, removed_reason, manifest_digest, manifest_size, content_digest, entries, files, bytes,
       objects, object_bytes, metadata, provenance, let_go_sequence, class, expires_at, hold, hold_reason,
       expired_sequence
FROM artifact_packages JOIN retention_state USING (package)
