-- One row as long as something that was erased may still be in the files of the tables: a host that ends before it has written
-- them anew leaves that to the next one.
CREATE TABLE erasures (
    is_here boolean PRIMARY KEY DEFAULT true CHECK (is_here),
    -- How often something was erased since.
    number bigint NOT NULL
);
