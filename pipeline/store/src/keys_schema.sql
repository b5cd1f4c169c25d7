-- The keys file of one store: what must never come back from a backup.
--
-- It lies beside the store, is not part of the store's backups, and holds one random key for each person's name, one
-- for each person's face (templates and guardian) and one for each card with a guardian. Deleting a key here makes what
-- was sealed with it unreadable for good, in the store and in all of its backups.

-- One row: whose keys these are.
CREATE TABLE meta (
    -- Always 1.
    meta_id INTEGER PRIMARY KEY CHECK (meta_id = 1),
    -- The store's own random id.
    store_id BLOB NOT NULL CHECK (length(store_id) = 16),
    -- A known text, sealed: opens only with the site's key.
    key_check_sealed BLOB NOT NULL CHECK (length(key_check_sealed) >= 40)
) STRICT;

-- The keys. Always written before what they seal, and destroyed before it.
CREATE TABLE data_key (
    -- What the key seals.
    part TEXT NOT NULL CHECK (part IN ('name', 'face', 'card')),
    -- Whose: a person's id, or a card's.
    owner TEXT NOT NULL CHECK (length(owner) = 26),
    -- The 32 bytes of the key, sealed with the site's key.
    key_sealed BLOB NOT NULL CHECK (length(key_sealed) = 72),
    PRIMARY KEY (part, owner)
) STRICT, WITHOUT ROWID;

-- Destroyed keys whose rows in the store are not deleted yet. The next process that opens the store
-- after a crash deletes these rows, and then the entry here.
CREATE TABLE destroyed (
    -- What the key sealed.
    part TEXT NOT NULL CHECK (part IN ('name', 'face', 'card')),
    -- Whose it was.
    owner TEXT NOT NULL CHECK (length(owner) = 26),
    -- When it was destroyed.
    destroyed_at_unix_ns INTEGER NOT NULL,
    PRIMARY KEY (part, owner)
) STRICT, WITHOUT ROWID;

-- Passes and cards that were taken back, until their own end: a restored backup must not make them good again.
CREATE TABLE revocation (
    -- Which.
    pass_id TEXT PRIMARY KEY CHECK (length(pass_id) = 26),
    -- When it was taken back.
    revoked_at_unix_ns INTEGER NOT NULL,
    -- When it would have ended by itself.
    valid_until_unix_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
