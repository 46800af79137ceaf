-- Which version of an integration last ran on this ledger.
CREATE TABLE integrations (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    version text NOT NULL
);
