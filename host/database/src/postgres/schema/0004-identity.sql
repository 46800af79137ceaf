-- Which ledger this is, and which life of its change feed.
CREATE TABLE ledger_identity (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id text NOT NULL,
    life text NOT NULL,
    -- Whether places that name no life are of this one.
    is_first boolean NOT NULL,
    -- The database cluster and its timeline that this life belongs to; NULL where the server tells neither.
    server text
);
INSERT INTO ledger_identity (id, life, is_first)
VALUES (
    replace(gen_random_uuid()::text, '-', ''),
    left(replace(gen_random_uuid()::text, '-', ''), 16),
    true
);
