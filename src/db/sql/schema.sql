-- The events: the only source of truth. store-layout.md, "The database".
CREATE TABLE events (
    sequence        INTEGER PRIMARY KEY,
    created_at      INTEGER NOT NULL,
    event_type      TEXT NOT NULL,
    subject_kind    TEXT NOT NULL,
    subject_id      TEXT NOT NULL,
    actor           TEXT NOT NULL,
    payload         BLOB,
    payload_digest  BLOB NOT NULL CHECK (length(payload_digest) = 32),
    previous_digest BLOB NOT NULL CHECK (length(previous_digest) = 32),
    digest          BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- What happened to one package, without reading the whole log.
CREATE INDEX events_of_packages ON events (subject_id) WHERE subject_kind = 'package';
-- The payloads that are objects: few, and asked for before anything is called unknown or lost.
CREATE INDEX events_with_payload_objects ON events (sequence) WHERE payload IS NULL AND subject_kind = 'package';

CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
BEGIN SELECT raise(ABORT, 'events are never updated'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN SELECT raise(ABORT, 'events are never deleted'); END;
CREATE TRIGGER events_have_no_gap BEFORE INSERT ON events
WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM events)
BEGIN SELECT raise(ABORT, 'events are appended without a gap'); END;

-- Neither event nor view: where log/ stood at the last commit, and what the views below were made by.
CREATE TABLE bookkeeping (
    name  TEXT PRIMARY KEY,
    value ANY
) STRICT, WITHOUT ROWID;
