-- By what a delivery is recognised that comes again, where no event's id is known: a digest of its body.
ALTER TABLE deliveries ADD COLUMN digest TEXT;
CREATE INDEX deliveries_by_digest ON deliveries (connection, digest) WHERE digest IS NOT NULL;
