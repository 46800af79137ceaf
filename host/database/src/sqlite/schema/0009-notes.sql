-- What background work has to remember of connections, over restarts.
CREATE TABLE connection_notes (
    connection INTEGER NOT NULL REFERENCES connections ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (connection, name)
) STRICT, WITHOUT ROWID;
