-- What background work has to remember of connections, over restarts and hosts.
CREATE TABLE connection_notes (
    connection bigint NOT NULL REFERENCES connections ON DELETE CASCADE,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (connection, name)
);
