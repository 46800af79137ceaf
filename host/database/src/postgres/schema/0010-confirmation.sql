-- What imports of a team found of mappings that earlier ones made.

-- Whether no address confirms it any more.
ALTER TABLE members ADD COLUMN unconfirmed boolean NOT NULL DEFAULT false;
-- Who has the address, if the mapping did not follow.
ALTER TABLE members ADD COLUMN claimed_by bigint REFERENCES users;
-- Who still has earlier activities, because the mapping followed for what is new only.
ALTER TABLE members ADD COLUMN earlier_user bigint REFERENCES users;
