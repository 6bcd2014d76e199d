INSERT INTO artifact_packages (package_id, name, version, status, tree, created_at, created_by, created_sequence,
                               changed_sequence, entries, files, bytes, objects, object_bytes, backend_id,
                               metadata, provenance, attests)
VALUES (?1, ?2, ?3, 'open', 0, ?4, ?5, ?6, ?6, 0, 0, 0, 0, 0, 'local', ?7, ?8, ?9)
