-- The ledger. Times are milliseconds since 1970-01-01 UTC; texts are compared by their bytes.

CREATE TABLE connections (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    integration text COLLATE "C" NOT NULL,
    scope_id text COLLATE "C" NOT NULL,
    scope_name text NOT NULL,
    owner_id text NOT NULL,
    owner_name text NOT NULL,
    owner_email text,
    hook text COLLATE "C" NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('connecting', 'active', 'disconnected')),
    -- Whether it has ever been active: then its activities outlive an attempt to connect again.
    completed boolean NOT NULL DEFAULT false,
    attention_code text,
    attention_message text,
    subscription_id text,
    subscription_enabled boolean,
    subscription_validated_at bigint,
    -- A JSON array.
    subscription_events text,
    users_mapped bigint NOT NULL DEFAULT 0,
    users_total bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    last_delivery_at bigint,
    -- How many deliveries the log has, so that nothing must be counted.
    deliveries bigint NOT NULL DEFAULT 0,
    connected_at bigint,
    covered_until bigint,
    gap_from bigint,
    gap_reason text,
    gap_opened_at bigint,
    gap_noticed_at bigint,
    gap_obstacle_code text,
    gap_obstacle_message text,
    reconciled_at bigint,
    -- A JSON array of [name, remaining, total, seconds until the period ends].
    quotas text,
    quotas_seen_at bigint,
    UNIQUE (integration, scope_id)
);

-- Users of the platform that members were mapped to, as last seen.
CREATE TABLE users (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    email text
);

CREATE TABLE members (
    connection bigint NOT NULL REFERENCES connections ON DELETE CASCADE,
    remote_user text COLLATE "C" NOT NULL,
    name text NOT NULL,
    email text,
    state text NOT NULL CHECK (state IN ('active', 'invited', 'deactivated')),
    present boolean NOT NULL,
    user_number bigint REFERENCES users,
    matched_by text CHECK (matched_by IN ('email', 'manual')),
    note text,
    PRIMARY KEY (connection, remote_user)
);

-- What is known of a subject is two registers, so that any order of arrival gives the same:
-- the newest state that has a name, and the newest parent that a state without a name told of.
CREATE TABLE subjects (
    connection bigint NOT NULL REFERENCES connections ON DELETE CASCADE,
    id text COLLATE "C" NOT NULL,
    named_revision text COLLATE "C",
    name text COLLATE "C",
    named_parent text COLLATE "C",
    hint_revision text COLLATE "C",
    hint_parent text COLLATE "C",
    -- The parent that follows from both.
    parent text COLLATE "C",
    PRIMARY KEY (connection, id)
);
CREATE INDEX subjects_by_parent ON subjects (connection, parent) WHERE parent IS NOT NULL;

-- The last place in the change feed. Whoever gives out places holds its lock until it commits, so that
-- places become visible in order and a reader never passes one that is still to come.
CREATE TABLE ledger_changes (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    last bigint NOT NULL
);
INSERT INTO ledger_changes (last) VALUES (0);

CREATE TABLE activities (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection bigint NOT NULL REFERENCES connections ON DELETE CASCADE,
    entry_id text COLLATE "C" NOT NULL,
    -- The newest content. NULL: only a deletion arrived so far.
    content_revision text COLLATE "C",
    content_event text COLLATE "C",
    remote_user text COLLATE "C",
    subject text COLLATE "C",
    description text,
    start bigint,
    stop bigint,
    billable boolean NOT NULL DEFAULT false,
    -- A JSON array.
    tags text,
    -- The newest deletion.
    deleted_revision text COLLATE "C",
    deleted_event text COLLATE "C",
    -- The user that `remote_user` is mapped to: a copy of `members`, so that lists need no join.
    user_number bigint REFERENCES users,
    -- Place in the change feed.
    change bigint NOT NULL,

    -- 1 for unmapped, 2 for deleted, added up.
    visibility smallint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN user_number IS NULL THEN 1 ELSE 0 END
        + CASE
            WHEN deleted_revision IS NOT NULL
                AND (content_revision IS NULL OR deleted_revision >= content_revision) THEN 2
            ELSE 0
        END
    ) STORED,
    -- Place in lists. Without content it is before every possible start.
    place bigint NOT NULL GENERATED ALWAYS AS (coalesce(start, -1000000000000000)) STORED,
    -- Class of duration: what runs at a time began at most the class's width before. Up to an hour,
    -- up to a day, up to 32 days, longer (or unknown), running.
    span smallint NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN start IS NULL THEN 3
            WHEN stop IS NULL THEN 4
            WHEN stop - start <= 3600000 THEN 0
            WHEN stop - start <= 86400000 THEN 1
            WHEN stop - start <= 2764800000 THEN 2
            ELSE 3
        END
    ) STORED,
    UNIQUE (connection, entry_id)
);
CREATE INDEX activities_by_change ON activities (change);
CREATE INDEX activities_by_place ON activities (visibility, span, place, number);
CREATE INDEX activities_by_connection ON activities (connection, visibility, span, place, number);
CREATE INDEX activities_by_user ON activities (user_number, visibility, span, place, number)
    WHERE user_number IS NOT NULL;
CREATE INDEX activities_by_remote_user ON activities (connection, remote_user) WHERE remote_user IS NOT NULL;
CREATE INDEX activities_by_subject ON activities (connection, subject) WHERE subject IS NOT NULL;

CREATE TABLE deliveries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    connection bigint NOT NULL REFERENCES connections ON DELETE CASCADE,
    received_at bigint NOT NULL,
    -- When it was last handled, and how long that took until it was handed to the ledger.
    handled_at bigint NOT NULL,
    elapsed_us bigint NOT NULL,
    event_id text COLLATE "C",
    status text COLLATE "C" NOT NULL
        CHECK (status IN ('accepted', 'ping', 'ignored', 'failed', 'superseded', 'refused')),
    detail text NOT NULL,
    size_bytes bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 1
);
CREATE INDEX deliveries_by_connection ON deliveries (connection, number);
CREATE INDEX deliveries_by_status ON deliveries (status, number);
CREATE INDEX deliveries_by_event ON deliveries (connection, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX deliveries_by_time ON deliveries (connection, received_at, status);
CREATE INDEX deliveries_by_outcome ON deliveries (connection, status, number);

-- Raw requests of failed deliveries, apart from the log so that the log stays small.
CREATE TABLE delivery_requests (
    delivery bigint PRIMARY KEY REFERENCES deliveries ON DELETE CASCADE,
    sealed bytea NOT NULL
);

CREATE TABLE connection_events (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection bigint NOT NULL REFERENCES connections ON DELETE CASCADE,
    at bigint NOT NULL,
    kind text NOT NULL,
    message text NOT NULL
);
CREATE INDEX connection_events_by_connection ON connection_events (connection, number);

-- When a host last ran that shares this database.
CREATE TABLE heartbeat (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    at bigint NOT NULL
);

-- Written to find out whether anything can be written.
CREATE TABLE probes (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    at timestamptz NOT NULL
);

-- Who does what at the moment, and until when it need not be done again.
CREATE SEQUENCE lease_fences;
CREATE TABLE leases (
    name text COLLATE "C" PRIMARY KEY,
    fence bigint NOT NULL,
    held_until timestamptz NOT NULL,
    rests_until timestamptz NOT NULL
);

-- The sealing keys that hosts have used: all must have one of them.
CREATE TABLE sealing_keys (
    id text COLLATE "C" PRIMARY KEY
);
