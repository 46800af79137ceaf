-- When all of the last days were last compared with the remote service; when it was last asked for a webhook without
-- an answer that says what became of it.
ALTER TABLE connections ADD COLUMN verified_at bigint, ADD COLUMN unsettled_since bigint;
