-- When somebody last looked at the time, by which old deliveries are removed a day later.
CREATE TABLE age_look (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    as_of bigint NOT NULL,
    looked_at bigint NOT NULL,
    ran_ms bigint NOT NULL
);
