SELECT object, tree FROM artifact_files INDEXED BY artifact_files_by_object
WHERE object IS NOT NULL ORDER BY object, tree
