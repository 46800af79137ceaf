-- Sessions of the console: those of another epoch have ended, and of the present one those that are listed.
CREATE TABLE session_epoch (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL
) STRICT;
INSERT INTO session_epoch VALUES (1, lower(hex(randomblob(16))));
CREATE TABLE ended_sessions (
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
