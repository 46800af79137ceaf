-- When somebody last looked at the time, by which old deliveries are removed a day later.
CREATE TABLE age_look (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    as_of INTEGER NOT NULL,
    looked_at INTEGER NOT NULL,
    ran_ms INTEGER NOT NULL
) STRICT;
