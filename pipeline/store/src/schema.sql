-- The store of one site: enrolled people with their consent and templates, and the entry outbox.
--
-- Times are nanoseconds since 1970-01-01T00:00:00Z (`_unix_ns`). A column named `_sealed` holds a 24-byte nonce
-- followed by an XChaCha20-Poly1305 ciphertext with its 16-byte tag; table, column and row are bound to it as
-- associated data, so a sealed value copied to another row does not open.
--
-- The rules below are triggers and checks rather than foreign keys alone, because a connection that forgets
-- `PRAGMA foreign_keys = ON` (the sqlite3 shell, for one) would not obey those.

-- One row: what the store says of itself.
CREATE TABLE meta (
    -- Always 1.
    meta_id INTEGER PRIMARY KEY CHECK (meta_id = 1),
    -- A known text, sealed: opens only with the site's key, so a wrong key is noticed before anything is written.
    key_check_sealed BLOB NOT NULL CHECK (length(key_check_sealed) >= 40),
    -- Goes up whenever the set of templates or of consents changes, by whoever changes it. A running node compares it.
    gallery_revision INTEGER NOT NULL DEFAULT 0 CHECK (gallery_revision >= 0)
) STRICT;

-- Someone who has enrolled.
CREATE TABLE person (
    -- A ULID; says when the person enrolled and nothing else.
    person_id TEXT PRIMARY KEY CHECK (length(person_id) = 26),
    -- The name that the enrolling desk sees.
    name_sealed BLOB NOT NULL CHECK (length(name_sealed) >= 40),
    -- When the person was enrolled.
    enrolled_at_unix_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a person agreed to. One each: a person without one has no templates.
CREATE TABLE consent (
    -- Who agreed.
    person_id TEXT PRIMARY KEY REFERENCES person (person_id) ON DELETE CASCADE,
    -- What for, in the words of the notice.
    purpose TEXT NOT NULL CHECK (purpose <> ''),
    -- Which version of the notice was shown.
    notice_version TEXT NOT NULL CHECK (notice_version <> ''),
    -- How it was given.
    how_given TEXT NOT NULL CHECK (how_given IN ('paper', 'screen', 'online')),
    -- When it was given.
    given_at_unix_ns INTEGER NOT NULL,
    -- When it ends; no one is recognised from this moment on.
    valid_until_unix_ns INTEGER NOT NULL CHECK (valid_until_unix_ns > given_at_unix_ns),
    -- 1 if the person is younger than 14 years.
    under_14 INTEGER NOT NULL CHECK (under_14 IN (0, 1)),
    -- The guardian who agreed for them.
    guardian_sealed BLOB CHECK (length(guardian_sealed) >= 40),
    CHECK (under_14 = 0 OR guardian_sealed IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- A face template, as one model made it.
CREATE TABLE template (
    template_id INTEGER PRIMARY KEY,
    -- Whose, which is also: by whose consent.
    person_id TEXT NOT NULL REFERENCES consent (person_id) ON DELETE CASCADE,
    -- The model that made it; templates of different models can't be compared.
    model TEXT NOT NULL CHECK (model <> ''),
    -- That model's version.
    model_version TEXT NOT NULL CHECK (model_version <> ''),
    -- The values, 32-bit little-endian floats one after the other.
    values_sealed BLOB NOT NULL CHECK (length(values_sealed) > 40)
) STRICT;

CREATE INDEX template_by_person ON template (person_id);

-- What stays of someone who withdrew: that it happened, and when. Not who.
CREATE TABLE withdrawal (
    withdrawal_id INTEGER PRIMARY KEY,
    -- When.
    withdrawn_at_unix_ns INTEGER NOT NULL
) STRICT;

-- The last number given to an entry of each gate. Outlives the entries themselves, so no number is given twice.
CREATE TABLE entry_sequence (
    gate TEXT PRIMARY KEY CHECK (gate <> ''),
    -- The highest number given so far; each gate counts from 1 without a gap.
    last_sequence INTEGER NOT NULL CHECK (last_sequence >= 1)
) STRICT, WITHOUT ROWID;

-- Entries on their way to the bus, and for a while after, for receivers that missed some. They say that someone
-- enrolled came in, not who.
CREATE TABLE entry_outbox (
    -- The order in which entries were decided, over all gates.
    append_order INTEGER PRIMARY KEY AUTOINCREMENT,
    gate TEXT NOT NULL REFERENCES entry_sequence (gate),
    -- The gate's own count.
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    -- The event exactly as it stands on the bus.
    event_json TEXT NOT NULL CHECK (json_valid(event_json)),
    -- When the frame that settled it was captured; entries are pruned by it.
    captured_at_unix_ns INTEGER NOT NULL,
    -- 1 once the bus has taken it.
    published INTEGER NOT NULL DEFAULT 0 CHECK (published IN (0, 1)),
    UNIQUE (gate, sequence)
) STRICT;

CREATE INDEX entry_unpublished ON entry_outbox (append_order) WHERE published = 0;

CREATE TRIGGER no_template_without_consent BEFORE INSERT ON template
WHEN NOT EXISTS (SELECT 1 FROM consent WHERE consent.person_id = NEW.person_id)
BEGIN SELECT RAISE (ABORT, 'no template without a consent'); END;

CREATE TRIGGER template_stays_with_its_person BEFORE UPDATE ON template
BEGIN SELECT RAISE (ABORT, 'a template is never changed'); END;

CREATE TRIGGER consent_stays_with_its_person BEFORE UPDATE OF person_id ON consent
BEGIN SELECT RAISE (ABORT, 'a consent stays with its person'); END;

CREATE TRIGGER templates_go_with_consent AFTER DELETE ON consent
BEGIN DELETE FROM template WHERE person_id = OLD.person_id; END;

CREATE TRIGGER consent_goes_with_person AFTER DELETE ON person
BEGIN DELETE FROM consent WHERE person_id = OLD.person_id; END;

CREATE TRIGGER unpublished_entry_stays BEFORE DELETE ON entry_outbox WHEN OLD.published = 0
BEGIN SELECT RAISE (ABORT, 'an entry that is not published yet is never deleted'); END;

CREATE TRIGGER revision_after_new_template AFTER INSERT ON template
BEGIN UPDATE meta SET gallery_revision = gallery_revision + 1; END;

CREATE TRIGGER revision_after_lost_template AFTER DELETE ON template
BEGIN UPDATE meta SET gallery_revision = gallery_revision + 1; END;

CREATE TRIGGER revision_after_consent_change AFTER UPDATE ON consent
BEGIN UPDATE meta SET gallery_revision = gallery_revision + 1; END;
