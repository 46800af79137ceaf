-- Keys and values of the storage capability.

-- Versions come from here and are never used again, whatever is deleted.
CREATE SEQUENCE storage_versions;

-- One row for each connection that stores something; whoever commits holds its lock.
CREATE TABLE storage_scopes (
    connection text COLLATE "C" PRIMARY KEY
);

CREATE TABLE storage_entries (
    connection text COLLATE "C" NOT NULL,
    -- UTF-8, as bytes: a text cannot hold every character, and bytes are in the right order.
    key bytea NOT NULL,
    value bytea NOT NULL,
    version bigint NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    expires_at bigint,
    PRIMARY KEY (connection, key)
);
CREATE INDEX storage_entries_by_expiry ON storage_entries (expires_at) WHERE expires_at IS NOT NULL;
