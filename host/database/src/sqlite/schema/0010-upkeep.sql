-- When all of the last days were last compared with the remote service.
ALTER TABLE connections ADD COLUMN verified_at INTEGER;
-- When the remote service was last asked for a webhook without an answer that says what became of it.
ALTER TABLE connections ADD COLUMN unsettled_since INTEGER;
