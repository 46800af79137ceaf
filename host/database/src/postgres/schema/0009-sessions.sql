-- Sessions of the console: those of another epoch have ended, and of the present one those that are listed.
CREATE TABLE session_epoch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch text NOT NULL
);
INSERT INTO session_epoch (epoch) VALUES (replace(gen_random_uuid()::text, '-', ''));
CREATE TABLE ended_sessions (
    id text PRIMARY KEY
);
