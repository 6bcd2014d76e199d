INSERT INTO events (sequence, created_at, event_type, subject_kind, subject_id, actor,
                    payload, payload_digest, previous_digest, digest)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
