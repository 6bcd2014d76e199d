SELECT package.name, package.version, file.path
FROM artifact_files AS file
JOIN artifact_packages AS package USING (tree)
WHERE file.object = ?1
ORDER BY package.name, package.version, file.path
LIMIT ?2
