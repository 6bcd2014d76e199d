SELECT path, kind, mode, target, mtime, mtime_nanos, digest_primary, digest_sha256, size_bytes
FROM artifact_files LEFT JOIN objects USING (object)
WHERE tree = ?1
