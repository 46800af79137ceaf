-- Sizes of the ledger's tables and indexes, for docs/scaling.md. In an empty database, from the repository's root:
--
--   createdb sizes
--   psql sizes --quiet --file docs/sizes.sql
--
-- A million activities of 1,000 connections over a year, each told of by one delivery, written in the order in which
-- they happened as a host writes them: many in a transaction, none updated afterwards. Then every twentieth
-- activity is changed once, as an entry is that somebody edits.

\set ON_ERROR_STOP on
CREATE SCHEMA integration_host;
SET search_path TO integration_host;
\i host/database/src/postgres/schema/0001-storage.sql
\i host/database/src/postgres/schema/0002-ledger.sql

-- As long as what a host writes: ids, hooks and revisions of the program's own lengths.
INSERT INTO connections (id, name, integration, scope_id, scope_name, owner_id, owner_name, owner_email, hook, state,
    completed, subscription_id, subscription_enabled, subscription_events, created_at, updated_at)
SELECT substr(md5(n::text), 1, 10), 'Workspace ' || n, 'toggl', (7400000 + n)::text, 'Workspace ' || n,
    (9000000 + n)::text, 'Owner ' || n, 'owner.' || n || '@example.com', md5('hook' || n), 'active',
    true, (5000000 + n)::text, true, '["time_entry"]', 1740000000000, 1740000000000
FROM generate_series(1, 1000) AS n;

INSERT INTO users (id, name, email)
SELECT 'user-' || n, 'Person ' || n, 'person.' || n || '@example.com' FROM generate_series(1, 10000) AS n;

-- Ten members a connection, two of three mapped.
INSERT INTO members (connection, remote_user, name, email, state, present, user_number, matched_by)
SELECT c, (9000000 + c * 10 + m)::text, 'Person ' || m, 'person.' || c || '.' || m || '@example.com', 'active', true,
    CASE WHEN m % 3 > 0 THEN (c - 1) * 10 + m + 1 END, CASE WHEN m % 3 > 0 THEN 'email' END
FROM generate_series(1, 1000) AS c, generate_series(0, 9) AS m;

INSERT INTO subjects (connection, id, named_revision, name, named_parent, parent)
SELECT c, 'project/' || (20000000 + c * 20 + s), '2025-03-02T10:00:00Z/2025-03-02T10:00:00.827000000Z/' || lpad((400000000 + s)::text, 20, '0'), 'Project ' || s,
    'client/' || (6000000 + c), 'client/' || (6000000 + c)
FROM generate_series(1, 1000) AS c, generate_series(0, 19) AS s;

INSERT INTO activities (connection, entry_id, content_revision, content_event, remote_user, subject, description,
    start, stop, billable, tags, user_number, change)
SELECT c, (3000000000 + n)::text,
    to_char(to_timestamp(1740000000 + n * 31), 'YYYY-MM-DD"T"HH24:MI:SS"Z/"YYYY-MM-DD"T"HH24:MI:SS".827000000Z/"')
        || lpad((400000000 + n)::text, 20, '0'), (400000000 + n)::text,
    (9000000 + c * 10 + m)::text, CASE WHEN n % 10 > 0 THEN 'project/' || (20000000 + c * 20 + n / 1000 % 20) END,
    'Write up number ' || n % 1000, 1740000000000 + n * 31000, 1740000000000 + n * 31000 + 300000 + n % 9973 * 1000,
    n % 2 = 0, CASE n % 3 WHEN 0 THEN '[]' WHEN 1 THEN '["deep work"]' ELSE '["meeting","review"]' END,
    CASE WHEN m % 3 > 0 THEN (c - 1) * 10 + m + 1 END, n
FROM (
    -- Spread over the connections, so that neighbours in time are not neighbours in an index.
    SELECT n, 1 + n * 7919 % 1000 AS c, n / 1000 % 10 AS m FROM generate_series(1::bigint, 1000000) AS n
) AS spread
ORDER BY n;

INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes)
SELECT substr(md5('delivery' || n), 1, 16), 1 + n * 7919 % 1000, 1740000000000 + n * 31000, 1740000000000 + n * 31000,
    900 + n % 500, (400000000 + n)::text, 'accepted', 'A time entry was created.', 1100 + n % 300
FROM generate_series(1::bigint, 1000000) AS n
ORDER BY n;

-- What a connection stores for itself, sealed: a signing secret, names, and what it knows of its subscription.
INSERT INTO storage_entries (connection, key, value, version)
SELECT substr(md5(c::text), 1, 10), convert_to('state/' || k, 'UTF8'),
    decode(repeat(md5(c::text || k), 10), 'hex'), nextval('storage_versions')
FROM generate_series(1, 1000) AS c, generate_series(1, 20) AS k;

VACUUM ANALYZE;

\echo '── as written, bytes a row'
SELECT tables.relname AS "table", coalesce(indexes.relname, '(rows)') AS "of it",
    pg_size_pretty(pg_relation_size(coalesce(indexes.oid, tables.oid))) AS size,
    round(pg_relation_size(coalesce(indexes.oid, tables.oid)) / nullif(tables.reltuples, 0)::numeric, 1) AS "bytes a row"
FROM pg_class AS tables
CROSS JOIN LATERAL (
    SELECT NULL::oid AS oid, NULL::name AS relname
    UNION ALL
    SELECT indexrelid, indexes.relname FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid
    WHERE indrelid = tables.oid
) AS indexes
WHERE tables.relnamespace = 'integration_host'::regnamespace AND tables.relkind = 'r' AND tables.reltuples >= 1000
ORDER BY pg_total_relation_size(tables.oid) DESC, indexes.oid IS NOT NULL, pg_relation_size(indexes.oid) DESC;

\echo '── log written for 1,000 activities with their deliveries, ten in a transaction, bytes an activity'
SELECT pg_current_wal_insert_lsn() AS before \gset
DO $$
BEGIN
    FOR batch IN 0..99 LOOP
        INSERT INTO activities (connection, entry_id, content_revision, content_event, remote_user, subject, description,
            start, stop, billable, tags, user_number, change)
        SELECT 1 + n * 7919 % 1000, (4000000000 + n)::text,
            '2026-03-02T10:00:00Z/2026-03-02T10:00:00.827000000Z/' || lpad((500000000 + n)::text, 20, '0'),
            (500000000 + n)::text,
            (9000000 + n % 1000 * 10)::text, 'project/' || n, 'Write up number ' || n, 1780000000000 + n * 31000,
            1780000000000 + n * 31000 + 900000, true, '["deep work"]', n % 1000 + 1, 2000000 + n
        FROM generate_series(batch * 10, batch * 10 + 9) AS n;
        INSERT INTO deliveries (id, connection, received_at, handled_at, elapsed_us, event_id, status, detail, size_bytes)
        SELECT substr(md5('later' || n), 1, 16), 1 + n * 7919 % 1000, 1780000000000 + n, 1780000000000 + n, 900,
            (500000000 + n)::text, 'accepted', 'A time entry was created.', 1200
        FROM generate_series(batch * 10, batch * 10 + 9) AS n;
        UPDATE connections SET deliveries = deliveries + 1, last_delivery_at = 1780000000000 + batch
        WHERE number IN (SELECT 1 + n * 7919 % 1000 FROM generate_series(batch * 10, batch * 10 + 9) AS n);
        UPDATE ledger_changes SET last = last + 10;
        COMMIT;
    END LOOP;
END $$;
SELECT round(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), :'before') / 1000) AS "bytes, a checkpoint just before or not";

\echo '── after one in twenty activities was changed, by size'
SELECT sum(pg_relation_size(indexrelid)) AS before FROM pg_index WHERE indrelid = 'activities'::regclass \gset
UPDATE activities SET description = description || '.', change = change + 2000000 WHERE number % 20 = 0;
SELECT pg_size_pretty(sum(pg_relation_size(indexrelid)) - :before) AS "indexes of activities have grown by"
FROM pg_index WHERE indrelid = 'activities'::regclass;
