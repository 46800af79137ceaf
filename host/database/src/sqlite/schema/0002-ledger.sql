-- The ledger. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE connections (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    integration TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    scope_name TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    owner_email TEXT,
    hook TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('connecting', 'active', 'disconnected')),
    -- Whether it has ever been active: then its activities outlive an attempt to connect again.
    completed INTEGER NOT NULL DEFAULT 0,
    attention_code TEXT,
    attention_message TEXT,
    subscription_id TEXT,
    subscription_enabled INTEGER,
    subscription_validated_at INTEGER,
    -- A JSON array.
    subscription_events TEXT,
    users_mapped INTEGER NOT NULL DEFAULT 0,
    users_total INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_delivery_at INTEGER,
    deliveries INTEGER NOT NULL DEFAULT 0,
    UNIQUE (integration, scope_id)
) STRICT;

-- Users of the platform that members were mapped to, as last seen.
CREATE TABLE users (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    email TEXT
) STRICT;

CREATE TABLE members (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    remote_user TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'invited', 'deactivated')),
    present INTEGER NOT NULL,
    user INTEGER REFERENCES users,
    matched_by TEXT CHECK (matched_by IN ('email', 'manual')),
    note TEXT,
    PRIMARY KEY (connection, remote_user)
) STRICT, WITHOUT ROWID;

-- What is known of a subject is two registers, so that any order of arrival gives the same:
-- the newest state that has a name, and the newest parent that a state without a name told of.
CREATE TABLE subjects (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    id TEXT NOT NULL,
    named_revision TEXT,
    name TEXT,
    named_parent TEXT,
    hint_revision TEXT,
    hint_parent TEXT,
    -- The parent that follows from both.
    parent TEXT,
    PRIMARY KEY (connection, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX subjects_by_parent ON subjects (connection, parent) WHERE parent IS NOT NULL;

CREATE TABLE ledger_changes (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_changes VALUES (1, 0);

CREATE TABLE activities (
    number INTEGER PRIMARY KEY,
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    entry_id TEXT NOT NULL,
    -- The newest content. NULL: only a deletion arrived so far.
    content_revision TEXT,
    content_event TEXT,
    remote_user TEXT,
    subject TEXT,
    description TEXT,
    start INTEGER,
    stop INTEGER,
    billable INTEGER NOT NULL DEFAULT 0,
    -- A JSON array.
    tags TEXT,
    -- The newest deletion.
    deleted_revision TEXT,
    deleted_event TEXT,
    -- The user that `remote_user` is mapped to: a copy of `members`, so that lists need no join.
    user INTEGER REFERENCES users,
    -- Place in the change feed.
    change INTEGER NOT NULL,

    deleted INTEGER NOT NULL GENERATED ALWAYS AS (
        deleted_revision IS NOT NULL AND (content_revision IS NULL OR deleted_revision >= content_revision)
    ) VIRTUAL,
    -- 1 for unmapped, 2 for deleted, added up.
    visibility INTEGER NOT NULL GENERATED ALWAYS AS ((user IS NULL) + 2 * deleted) VIRTUAL,
    -- Place in lists. Without content it is before every possible start.
    place INTEGER NOT NULL GENERATED ALWAYS AS (ifnull(start, -1000000000000000)) VIRTUAL,
    -- Class of duration: what runs at a time began at most the class's width before. Up to an hour,
    -- up to a day, up to 32 days, longer (or unknown), running.
    span INTEGER NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN start IS NULL THEN 3
            WHEN stop IS NULL THEN 4
            WHEN stop - start <= 3600000 THEN 0
            WHEN stop - start <= 86400000 THEN 1
            WHEN stop - start <= 2764800000 THEN 2
            ELSE 3
        END
    ) VIRTUAL,
    UNIQUE (connection, entry_id)
) STRICT;
CREATE UNIQUE INDEX activities_by_change ON activities (change);
CREATE INDEX activities_by_place ON activities (visibility, span, place);
CREATE INDEX activities_by_connection ON activities (connection, visibility, span, place);
CREATE INDEX activities_by_user ON activities (user, deleted, span, place) WHERE user IS NOT NULL;
CREATE INDEX activities_by_remote_user ON activities (connection, remote_user) WHERE remote_user IS NOT NULL;
CREATE INDEX activities_by_subject ON activities (connection, subject) WHERE subject IS NOT NULL;

CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    received_at INTEGER NOT NULL,
    event_id TEXT,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'ping', 'ignored', 'failed')),
    detail TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX deliveries_by_connection ON deliveries (connection, number);
CREATE INDEX deliveries_by_status ON deliveries (status, number);

-- Raw requests of failed deliveries, apart from the log so that the log stays small.
CREATE TABLE delivery_requests (
    delivery INTEGER PRIMARY KEY REFERENCES deliveries ON DELETE CASCADE,
    sealed BLOB NOT NULL
) STRICT;

-- Totals that bound the log, kept by triggers so that nothing has to be counted.
CREATE TABLE delivery_requests_total (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    requests INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO delivery_requests_total VALUES (1, 0, 0);

CREATE TRIGGER delivery_request_added AFTER INSERT ON delivery_requests BEGIN
    UPDATE delivery_requests_total SET requests = requests + 1, bytes = bytes + length(new.sealed);
END;
CREATE TRIGGER delivery_request_removed AFTER DELETE ON delivery_requests BEGIN
    UPDATE delivery_requests_total SET requests = requests - 1, bytes = bytes - length(old.sealed);
END;
CREATE TRIGGER delivery_added AFTER INSERT ON deliveries BEGIN
    UPDATE connections SET deliveries = deliveries + 1 WHERE number = new.connection;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON deliveries BEGIN
    UPDATE connections SET deliveries = deliveries - 1 WHERE number = old.connection;
END;
