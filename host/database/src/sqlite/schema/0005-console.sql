-- What the console asks for.

-- What a check last saw of the quotas: a JSON array of [name, remaining, total, seconds until the period ends].
ALTER TABLE connections ADD COLUMN quotas TEXT;
ALTER TABLE connections ADD COLUMN quotas_seen_at INTEGER;

-- Deliveries per minute, counted in the index alone; and one outcome of one connection, however rare.
CREATE INDEX deliveries_by_time ON deliveries (connection, received_at, status);
CREATE INDEX deliveries_by_outcome ON deliveries (connection, status, number);
