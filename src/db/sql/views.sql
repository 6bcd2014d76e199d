-- The views: a function of the events and of the payload objects they name. Dropped and made again by replay.
-- store-layout.md, "The views".

CREATE TABLE artifact_packages (
    package            INTEGER PRIMARY KEY,  -- counts from 1 in order of first mention
    package_id         TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    version            INTEGER NOT NULL,
    status             TEXT NOT NULL CHECK (status IN ('open', 'finalized')),
    tree               INTEGER NOT NULL,     -- whose rows of artifact_files these are: a package number
    created_at         INTEGER NOT NULL,
    created_by         TEXT NOT NULL,
    created_sequence   INTEGER NOT NULL,
    changed_sequence   INTEGER NOT NULL,     -- the last event about this package
    finalized_at       INTEGER,
    finalized_sequence INTEGER,
    removed_at         INTEGER,
    removed_sequence   INTEGER,
    removed_reason     TEXT,
    manifest_digest    BLOB CHECK (length(manifest_digest) = 32),
    manifest_size      INTEGER,
    content_digest     BLOB CHECK (length(content_digest) = 32),
    entries            INTEGER NOT NULL,
    files              INTEGER NOT NULL,
    bytes              INTEGER NOT NULL,     -- the sum of all files, objects counted as often as they appear
    objects            INTEGER NOT NULL,     -- distinct objects
    object_bytes       INTEGER NOT NULL,     -- the sum of the distinct objects
    backend_id         TEXT NOT NULL,
    metadata           BLOB NOT NULL,        -- canonical CBOR map, text to text
    provenance         BLOB NOT NULL,        -- canonical CBOR map, text to text
    origin             TEXT,                 -- where an imported package came from
    let_go_sequence    INTEGER,              -- the last event that took a pin off this package
    attests            BLOB CHECK (length(attests) = 32), -- the manifest that it is an attestation about
    UNIQUE (name, version)
) STRICT;
CREATE INDEX artifact_packages_by_attests ON artifact_packages (attests) WHERE attests IS NOT NULL;
CREATE INDEX artifact_packages_by_content ON artifact_packages (content_digest) WHERE content_digest IS NOT NULL;
CREATE INDEX artifact_packages_by_tree ON artifact_packages (tree);

-- The entries. Packages of equal content digest share one tree: the number of the package that had it first.
CREATE TABLE artifact_files (
    tree        INTEGER NOT NULL,
    path        BLOB NOT NULL,
    -- Not `kind IN (…)`: for a list of three SQLite makes a b-tree of its own, for each row that is written or checked.
    kind        TEXT NOT NULL CHECK (kind = 'file' OR kind = 'directory' OR kind = 'symlink'),
    mode        INTEGER,
    object      INTEGER,
    target      BLOB,
    mtime       INTEGER,                     -- seconds
    mtime_nanos INTEGER,
    PRIMARY KEY (tree, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_files_by_object ON artifact_files (object) WHERE object IS NOT NULL;

CREATE TABLE objects (
    object            INTEGER PRIMARY KEY,   -- counts from 1 in order of first mention
    digest_algorithm  TEXT GENERATED ALWAYS AS ('blake3') VIRTUAL,
    digest_primary    BLOB NOT NULL CHECK (length(digest_primary) = 32),
    digest_sha256     BLOB NOT NULL CHECK (length(digest_sha256) = 32),
    content_address   TEXT GENERATED ALWAYS AS ('blake3:' || lower(hex(digest_primary))) VIRTUAL,
    size_bytes        INTEGER NOT NULL,
    first_sequence    INTEGER NOT NULL,      -- the event that first named it
    stored_sequence   INTEGER NOT NULL,      -- the last event that said its bytes were stored anew
    payload_sequence  INTEGER,               -- the first event whose payload (or manifest) it is: never collected
    purged_sequence   INTEGER,               -- the gc.started that purged it, unless stored again since
    damaged_sequence  INTEGER,               -- the verify.completed that found it damaged, unless mended since
    let_go_sequence   INTEGER                -- the last event that took a pin off it, or displaced it in an open package
) STRICT;
-- Eight bytes of a digest find it; the rest is compared in the row. Whole digests in indices would double the cost.
CREATE INDEX objects_by_primary ON objects (substr(digest_primary, 1, 8));
CREATE INDEX objects_by_sha256 ON objects (substr(digest_sha256, 1, 8));
-- None, in a sound store: health asks each time.
CREATE INDEX objects_damaged ON objects (damaged_sequence) WHERE damaged_sequence IS NOT NULL;

-- Files that a gc purged though no event had named them before. Storing one gives it a row of objects; this one stays.
CREATE TABLE leftovers (
    digest_primary  BLOB PRIMARY KEY CHECK (length(digest_primary) = 32),
    size_bytes      INTEGER NOT NULL,        -- of the file that was there
    purged_sequence INTEGER NOT NULL         -- the last gc.started that purged it
) STRICT, WITHOUT ROWID;

CREATE TABLE storage_locations (
    object         INTEGER NOT NULL,
    backend_id     TEXT NOT NULL,
    retrieval_tier TEXT NOT NULL,            -- 'online' in version 1
    restore_status TEXT,                     -- NULL in version 1
    PRIMARY KEY (object, backend_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE retention_classes (
    name             TEXT PRIMARY KEY,
    duration_seconds INTEGER                 -- NULL: no expiry
) STRICT, WITHOUT ROWID;

CREATE TABLE retention_state (
    package          INTEGER PRIMARY KEY,
    class            TEXT NOT NULL,
    expires_at       INTEGER,                -- NULL: never, or not finalised yet
    hold             INTEGER NOT NULL CHECK (hold IN (0, 1)),
    hold_reason      TEXT,
    changed_sequence INTEGER NOT NULL,
    expired_sequence INTEGER                 -- the gc.started that took objects of it as expired, unless its expiry was set since
) STRICT;

CREATE TABLE pins (
    name           TEXT PRIMARY KEY,
    package        INTEGER,
    object         INTEGER,
    reason         TEXT,
    created_at     INTEGER NOT NULL,
    actor          TEXT NOT NULL,
    added_sequence INTEGER NOT NULL,
    CHECK ((package IS NULL) <> (object IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX pins_by_package ON pins (package) WHERE package IS NOT NULL;
CREATE INDEX pins_by_object ON pins (object) WHERE object IS NOT NULL;

CREATE TABLE gc_runs (
    started_sequence   INTEGER PRIMARY KEY,
    gc_id              TEXT NOT NULL,
    plan               TEXT NOT NULL,
    round              INTEGER NOT NULL,
    rounds             INTEGER NOT NULL,
    reason             TEXT,
    actor              TEXT NOT NULL,
    started_at         INTEGER NOT NULL,
    planned_objects    INTEGER NOT NULL,
    planned_bytes      INTEGER NOT NULL,
    completed_sequence INTEGER,
    completed_at       INTEGER,
    freed_objects      INTEGER,
    freed_bytes        INTEGER,
    missing_objects    INTEGER,
    failed_objects     INTEGER,
    duration           INTEGER               -- microseconds
) STRICT;

CREATE TABLE verify_runs (
    sequence       INTEGER PRIMARY KEY,
    verify_id      TEXT NOT NULL,
    mode           TEXT NOT NULL,
    actor          TEXT NOT NULL,
    completed_at   INTEGER NOT NULL,
    head_sequence  INTEGER NOT NULL,
    first_key      BLOB,
    last_key       BLOB,
    objects        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    faults         INTEGER NOT NULL
) STRICT;

CREATE TABLE metadata_schemas (
    name                TEXT NOT NULL,
    version             INTEGER NOT NULL,     -- counts from 1 for each name
    schema_digest       BLOB NOT NULL CHECK (length(schema_digest) = 32), -- BLAKE3 of the document
    size_bytes          INTEGER NOT NULL,     -- of the document, which stands in its event
    media_type          TEXT NOT NULL,
    registered_at       INTEGER NOT NULL,
    actor               TEXT NOT NULL,
    registered_sequence INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
