-- How far an export of another ledger was taken over into this one.
CREATE TABLE arrived_export (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    export TEXT NOT NULL,
    lines INTEGER NOT NULL,
    is_complete INTEGER NOT NULL
) STRICT;
