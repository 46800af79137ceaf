-- How far an export of another ledger was taken over into this one.
CREATE TABLE arrived_export (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    export text NOT NULL,
    lines bigint NOT NULL,
    is_complete boolean NOT NULL
);
