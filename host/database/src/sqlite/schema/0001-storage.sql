-- Keys and values of the storage capability.

-- Versions are numbers that are never used again, whatever is deleted.
CREATE TABLE storage_versions (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO storage_versions VALUES (1, 0);

CREATE TABLE storage_entries (
    number INTEGER PRIMARY KEY,
    connection TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    expires_at INTEGER,
    UNIQUE (connection, key)
) STRICT;
CREATE INDEX storage_entries_by_expiry ON storage_entries (expires_at) WHERE expires_at IS NOT NULL;
