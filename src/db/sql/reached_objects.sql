SELECT object, digest_primary, size_bytes, max(stored_sequence, coalesce(let_go_sequence, 0)) AS since,
       payload_sequence IS NOT NULL AS is_payload, purged_sequence IS NOT NULL AS is_purged
FROM objects ORDER BY object
