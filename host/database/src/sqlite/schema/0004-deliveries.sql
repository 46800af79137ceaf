-- The delivery log: more outcomes, when and how long a delivery was handled, and who it was by event.
-- SQLite cannot change a CHECK, so the tables are made anew.

CREATE TABLE new_deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    received_at INTEGER NOT NULL,
    -- When it was last handled, and how long that took until it was handed to the ledger.
    handled_at INTEGER NOT NULL,
    elapsed_us INTEGER NOT NULL DEFAULT 0,
    event_id TEXT,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'ping', 'ignored', 'failed', 'superseded', 'refused')),
    detail TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 1
) STRICT;
INSERT INTO new_deliveries
    (number, id, connection, received_at, handled_at, event_id, status, detail, size_bytes, attempts)
    SELECT number, id, connection, received_at, received_at, event_id, status, detail, size_bytes, attempts
    FROM deliveries;

CREATE TABLE new_delivery_requests (
    delivery INTEGER PRIMARY KEY REFERENCES new_deliveries ON DELETE CASCADE,
    sealed BLOB NOT NULL
) STRICT;
INSERT INTO new_delivery_requests SELECT delivery, sealed FROM delivery_requests;

-- In this order nothing cascades. The triggers go with their tables, and the totals stay true.
DROP TABLE delivery_requests;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
ALTER TABLE new_delivery_requests RENAME TO delivery_requests;

CREATE INDEX deliveries_by_connection ON deliveries (connection, number);
CREATE INDEX deliveries_by_status ON deliveries (status, number);
CREATE INDEX deliveries_by_event ON deliveries (connection, event_id) WHERE event_id IS NOT NULL;

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
