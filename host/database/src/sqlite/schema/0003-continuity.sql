-- Up to when the ledger is complete, gaps in deliveries, and what happened to a connection.

ALTER TABLE connections ADD COLUMN connected_at INTEGER;
ALTER TABLE connections ADD COLUMN covered_until INTEGER;
ALTER TABLE connections ADD COLUMN gap_from INTEGER;
ALTER TABLE connections ADD COLUMN gap_reason TEXT;
ALTER TABLE connections ADD COLUMN gap_opened_at INTEGER;
ALTER TABLE connections ADD COLUMN gap_noticed_at INTEGER;
ALTER TABLE connections ADD COLUMN gap_obstacle_code TEXT;
ALTER TABLE connections ADD COLUMN gap_obstacle_message TEXT;
ALTER TABLE connections ADD COLUMN reconciled_at INTEGER;
UPDATE connections SET connected_at = created_at, covered_until = max(ifnull(last_delivery_at, 0), updated_at);

CREATE TABLE connection_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX connection_events_by_connection ON connection_events (connection, number);

-- When a host last ran that shares this database.
CREATE TABLE heartbeat (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at INTEGER NOT NULL
) STRICT;
