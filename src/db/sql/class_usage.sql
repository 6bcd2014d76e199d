SELECT retention_classes.name AS class, count(package) AS packages, coalesce(sum(bytes), 0) AS bytes
FROM retention_classes
LEFT JOIN (SELECT package, class, bytes FROM retention_state JOIN artifact_packages USING (package)
           WHERE removed_at IS NULL) ON class = retention_classes.name
GROUP BY retention_classes.name
ORDER BY retention_classes.name
