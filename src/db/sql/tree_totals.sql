SELECT count(*) AS entries,
       count(object) AS files,
       coalesce(sum(size_bytes), 0) AS bytes,
       count(DISTINCT object) AS objects,
       (SELECT coalesce(sum(size_bytes), 0) FROM objects
        WHERE object IN (SELECT object FROM artifact_files WHERE tree = ?1)) AS object_bytes
FROM artifact_files LEFT JOIN objects USING (object)
WHERE tree = ?1
