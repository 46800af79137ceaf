-- Changes of what many activities share, such as a project's name, that are still to be told of some of them: these are
-- moved to the end of the change feed a few at a time, in the order of their numbers.
CREATE TABLE spreading_changes (
    -- Kind and id of what has changed, so that it is here once.
    what TEXT PRIMARY KEY,
    -- NULL: it is a user's, whose activities may be in all connections.
    connection INTEGER REFERENCES connections ON DELETE CASCADE,
    -- One of these: activities on this subject or below it, of this member, of this user. A mapping has a member and the
    -- user, or nobody, that the member's activities are given to.
    subject TEXT,
    remote_user TEXT,
    user INTEGER REFERENCES users,
    -- Of a mapping, and NULL otherwise: whether what belongs to a user stays that user's.
    keeps_earlier INTEGER,
    -- The last place in the change feed when it changed: what is behind it shows the change. Of a mapping, the number of the
    -- last activity then: later ones have the user already.
    until INTEGER NOT NULL,
    -- The activities up to this number have been gone through.
    passed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spreading_changes_by_progress ON spreading_changes (passed, what);
CREATE INDEX spreading_changes_by_connection ON spreading_changes (connection) WHERE connection IS NOT NULL;
