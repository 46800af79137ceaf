-- Which version of an integration last ran on this ledger.
CREATE TABLE integrations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL
) STRICT, WITHOUT ROWID;
