-- Which ledger this is, and which life of its change feed.
CREATE TABLE ledger_identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,
    -- NULL in a copy: whoever opens it begins another life.
    life TEXT,
    -- Whether places that name no life are of this one.
    is_first INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_identity VALUES (1, lower(hex(randomblob(16))), lower(hex(randomblob(8))), 1);
