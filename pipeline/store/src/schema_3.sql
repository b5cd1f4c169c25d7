-- Version 3: the site's key may be changed.

-- The keys that rows of the audit log were chained with before the site's key was changed, each for the rows up to
-- `last_sequence` from the one before it on. Rows behind the last of them are chained with the present key.
CREATE TABLE audit_key (
    -- The last row that it chained.
    last_sequence INTEGER PRIMARY KEY CHECK (last_sequence >= 1),
    -- The 32 bytes of the key, sealed with the present one.
    key_sealed BLOB NOT NULL CHECK (length(key_sealed) = 72)
) STRICT;
