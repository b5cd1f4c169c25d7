-- The store of one site: enrolled people with their consent and templates, passes and cards, the entry outbox, the
-- site's own entry log, and the audit log.
--
-- Times are nanoseconds since 1970-01-01T00:00:00Z (`_unix_ns`). A column named `_sealed` holds a 24-byte nonce
-- followed by an XChaCha20-Poly1305 ciphertext with its 16-byte tag; table, column and row are bound to it as
-- associated data, so a sealed value copied to another row does not open. "Sealed with the person's key" means with a
-- key from the keys file beside the store (`keys_schema.sql`): once that key is destroyed, nobody can read the value,
-- here or in any backup. What is not said to be so is sealed with a key derived from the site's secret.
--
-- What is not sealed says when and at which gate somebody came in, by whose number passes were issued, and when each was last
-- used: anyone who has the file can combine these, but needs the key for any name or face.
--
-- The rules below are triggers and checks rather than foreign keys alone, because a connection that forgets
-- `PRAGMA foreign_keys = ON` (the sqlite3 shell, for one) would not obey those.

-- One row: what the store says of itself.
CREATE TABLE meta (
    -- Always 1.
    meta_id INTEGER PRIMARY KEY CHECK (meta_id = 1),
    -- Random; the keys file beside the store carries the same, so that another store's keys are noticed.
    store_id BLOB NOT NULL CHECK (length(store_id) = 16),
    -- A known text, sealed: opens only with the site's key, so a wrong key is noticed before anything is written.
    key_check_sealed BLOB NOT NULL CHECK (length(key_check_sealed) >= 40),
    -- Goes up by one at each change of a template or a consent. A running node compares it.
    gallery_revision INTEGER NOT NULL DEFAULT 0 CHECK (gallery_revision >= 0),
    -- Sequence and hash of the newest audit row, so that a log whose end was cut off is noticed.
    audit_head_sealed BLOB NOT NULL CHECK (length(audit_head_sealed) = 80),
    -- Sequence and hash of the last audit row that retention removed (0 and the chain's start if none).
    audit_anchor_sealed BLOB NOT NULL CHECK (length(audit_anchor_sealed) = 80),
    -- That row's sequence once more, in plain, for the trigger that guards the others.
    audit_removed_until INTEGER NOT NULL DEFAULT 0 CHECK (audit_removed_until >= 0)
) STRICT;

-- Someone who has enrolled, for recognition or for passes only.
CREATE TABLE person (
    -- A ULID; says when the person enrolled and nothing else.
    person_id TEXT PRIMARY KEY CHECK (length(person_id) = 26),
    -- The name that the enrolling desk sees; sealed with the person's key for their name.
    name_sealed BLOB NOT NULL CHECK (length(name_sealed) >= 40),
    -- When the person was enrolled.
    enrolled_at_unix_ns INTEGER NOT NULL,
    -- When they were enrolled, last issued a pass, or withdrew their face: who has neither face nor pass for a while
    -- after that is forgotten.
    kept_since_unix_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a person agreed to. A person without one has no templates: they come in by pass.
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
    -- The guardian who agreed for them; sealed with the person's key for their face.
    guardian_sealed BLOB CHECK (length(guardian_sealed) >= 40),
    CHECK (under_14 = 0 OR guardian_sealed IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX consent_by_end ON consent (valid_until_unix_ns);

-- A protected face template, as one model made it.
CREATE TABLE template (
    -- Counts templates; says nothing.
    template_id INTEGER PRIMARY KEY,
    -- Whose, which is also: by whose consent.
    person_id TEXT NOT NULL REFERENCES consent (person_id) ON DELETE CASCADE,
    -- The model that made it; templates of different models can't be compared.
    model TEXT NOT NULL CHECK (model <> ''),
    -- That model's version.
    model_version TEXT NOT NULL CHECK (model_version <> ''),
    -- The values, 32-bit little-endian floats one after the other; sealed with the person's key for their face.
    values_sealed BLOB NOT NULL CHECK (length(values_sealed) > 40)
) STRICT;

CREATE INDEX template_by_person ON template (person_id);

-- The last changes of templates and consents, so that a running node need not read everybody for one enrolment.
CREATE TABLE gallery_change (
    -- The revision that the change led to. None is left out between the oldest kept here and the newest.
    revision INTEGER PRIMARY KEY,
    -- Whose templates or consent changed.
    person_id TEXT NOT NULL CHECK (length(person_id) = 26),
    -- 1 if a template was added, 0 if one was removed or the consent changed.
    added INTEGER NOT NULL CHECK (added IN (0, 1))
) STRICT;

-- What stays of someone who withdrew: that it happened, and when. Not who.
CREATE TABLE withdrawal (
    -- Counts withdrawals.
    withdrawal_id INTEGER PRIMARY KEY,
    -- When.
    withdrawn_at_unix_ns INTEGER NOT NULL
) STRICT;

-- The consent of someone who carries their own template on a card. The store knows neither their name nor their face.
CREATE TABLE card_consent (
    -- The card; the consent is written first, and the card refused without one.
    pass_id TEXT PRIMARY KEY CHECK (length(pass_id) = 26),
    -- What for, in the words of the notice.
    purpose TEXT NOT NULL CHECK (purpose <> ''),
    -- Which version of the notice was shown.
    notice_version TEXT NOT NULL CHECK (notice_version <> ''),
    -- How it was given.
    how_given TEXT NOT NULL CHECK (how_given IN ('paper', 'screen', 'online')),
    -- When it was given.
    given_at_unix_ns INTEGER NOT NULL,
    -- When it ends; the card opens nothing from this moment on.
    valid_until_unix_ns INTEGER NOT NULL CHECK (valid_until_unix_ns > given_at_unix_ns),
    -- 1 if the holder is younger than 14 years.
    under_14 INTEGER NOT NULL CHECK (under_14 IN (0, 1)),
    -- The guardian who agreed for them; sealed with a key of this card's own.
    guardian_sealed BLOB CHECK (length(guardian_sealed) >= 40),
    CHECK (under_14 = 0 OR guardian_sealed IS NOT NULL)
) STRICT, WITHOUT ROWID;

-- A QR pass, or a card that carries its holder's template.
CREATE TABLE pass (
    -- A ULID; all that the QR code says of it, with its validity.
    pass_id TEXT PRIMARY KEY CHECK (length(pass_id) = 26),
    -- `pass` belongs to an enrolled person, `card` to the person with the face on it.
    kind TEXT NOT NULL CHECK (kind IN ('pass', 'card')),
    -- Whose pass. None for a card, and for a pass whose owner was forgotten.
    person_id TEXT REFERENCES person (person_id) ON DELETE SET NULL,
    -- When it was issued.
    issued_at_unix_ns INTEGER NOT NULL,
    -- From when on it opens a gate.
    valid_from_unix_ns INTEGER NOT NULL,
    -- From when on it doesn't any more.
    valid_until_unix_ns INTEGER NOT NULL CHECK (valid_until_unix_ns > valid_from_unix_ns),
    -- How often it may be used; none means as often as its holder likes.
    max_uses INTEGER CHECK (max_uses >= 1),
    -- How often it was.
    uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0 AND (max_uses IS NULL OR uses <= max_uses)),
    -- When it was last.
    last_used_at_unix_ns INTEGER,
    -- When it was taken back.
    revoked_at_unix_ns INTEGER,
    CHECK (kind = 'pass' OR person_id IS NULL),
    CHECK (kind = 'card' OR person_id IS NOT NULL OR revoked_at_unix_ns IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE INDEX pass_by_person ON pass (person_id);

-- The last number given to an entry of each gate. Outlives the entries themselves, so no number is given twice.
CREATE TABLE entry_sequence (
    -- The gate's id.
    gate TEXT PRIMARY KEY CHECK (gate <> ''),
    -- The highest number given so far; each gate counts from 1 without a gap.
    last_sequence INTEGER NOT NULL CHECK (last_sequence >= 1)
) STRICT, WITHOUT ROWID;

-- Entries on their way to the bus, and for a while after, for receivers that missed some. They say that someone
-- enrolled came in, not who.
CREATE TABLE entry_outbox (
    -- The order in which entries were decided, over all gates.
    append_order INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The gate's id.
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

-- The site's own log of entries. Never leaves the site; read only with a role and a reason, and each look is audited.
CREATE TABLE entry_log (
    -- The order in which entries were decided.
    append_order INTEGER PRIMARY KEY,
    -- The event, as it stands on the bus.
    event_id TEXT NOT NULL UNIQUE CHECK (length(event_id) = 26),
    -- The gate's id.
    gate TEXT NOT NULL CHECK (gate <> ''),
    -- Where the gate leads.
    direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
    -- When the frame that settled it was captured.
    captured_at_unix_ns INTEGER NOT NULL,
    -- What was decided.
    decision TEXT NOT NULL CHECK (decision IN ('admit', 'refer')),
    -- What was presented.
    method TEXT NOT NULL CHECK (method IN ('face', 'qr', 'qr+face')),
    -- The person's and the pass's id, or that there is none; always of one length, so that it shows nothing.
    who_sealed BLOB NOT NULL CHECK (length(who_sealed) = 74)
) STRICT;

CREATE INDEX entry_log_by_time ON entry_log (captured_at_unix_ns);

-- What was done with the store and the site, by whom. Only ever added to; each row is chained to the one before.
CREATE TABLE audit_log (
    -- Counts from 1 without a gap.
    sequence INTEGER PRIMARY KEY CHECK (sequence >= 1),
    -- When.
    at_unix_ns INTEGER NOT NULL,
    -- Who, as `role/user`.
    actor TEXT NOT NULL CHECK (actor <> ''),
    -- What was done.
    action TEXT NOT NULL CHECK (action <> ''),
    -- To whom or what: `person:` or `pass:` and its id.
    subject TEXT,
    -- More about it, without any name.
    details_json TEXT NOT NULL CHECK (json_valid(details_json)),
    -- The `hash` of the row before.
    previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32),
    -- HMAC-SHA256 over the previous hash and all the above, with a key derived from the site's secret.
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

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

CREATE TRIGGER no_card_without_consent BEFORE INSERT ON pass
WHEN NEW.kind = 'card' AND NOT EXISTS (SELECT 1 FROM card_consent WHERE card_consent.pass_id = NEW.pass_id)
BEGIN SELECT RAISE (ABORT, 'no card without a consent'); END;

CREATE TRIGGER card_goes_with_consent AFTER DELETE ON card_consent
BEGIN DELETE FROM pass WHERE pass_id = OLD.pass_id; END;

CREATE TRIGGER consent_goes_with_card AFTER DELETE ON pass
BEGIN DELETE FROM card_consent WHERE pass_id = OLD.pass_id; END;

CREATE TRIGGER revoked_pass_stays_revoked BEFORE UPDATE OF revoked_at_unix_ns ON pass
WHEN OLD.revoked_at_unix_ns IS NOT NULL AND NEW.revoked_at_unix_ns IS NOT OLD.revoked_at_unix_ns
BEGIN SELECT RAISE (ABORT, 'a pass that was taken back stays so'); END;

CREATE TRIGGER passes_of_a_lost_person_are_revoked BEFORE DELETE ON person
BEGIN
    UPDATE pass SET person_id = NULL, revoked_at_unix_ns = coalesce(revoked_at_unix_ns, issued_at_unix_ns)
    WHERE person_id = OLD.person_id;
END;

CREATE TRIGGER unpublished_entry_stays BEFORE DELETE ON entry_outbox WHEN OLD.published = 0
BEGIN SELECT RAISE (ABORT, 'an entry that is not published yet is never deleted'); END;

CREATE TRIGGER logged_entry_is_never_changed BEFORE UPDATE ON entry_log
BEGIN SELECT RAISE (ABORT, 'a logged entry is never changed'); END;

CREATE TRIGGER audit_row_is_never_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE (ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER audit_row_comes_last BEFORE INSERT ON audit_log
WHEN NEW.sequence <= (SELECT coalesce(max(sequence), 0) FROM audit_log)
BEGIN SELECT RAISE (ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER audit_row_stays BEFORE DELETE ON audit_log
WHEN OLD.sequence > (SELECT audit_removed_until FROM meta)
BEGIN SELECT RAISE (ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER revision_after_new_template AFTER INSERT ON template
BEGIN
    UPDATE meta SET gallery_revision = gallery_revision + 1;
    INSERT INTO gallery_change (revision, person_id, added) SELECT gallery_revision, NEW.person_id, 1 FROM meta;
END;

CREATE TRIGGER revision_after_lost_template AFTER DELETE ON template
BEGIN
    UPDATE meta SET gallery_revision = gallery_revision + 1;
    INSERT INTO gallery_change (revision, person_id, added) SELECT gallery_revision, OLD.person_id, 0 FROM meta;
END;

CREATE TRIGGER revision_after_consent_change AFTER UPDATE ON consent
BEGIN
    UPDATE meta SET gallery_revision = gallery_revision + 1;
    INSERT INTO gallery_change (revision, person_id, added) SELECT gallery_revision, NEW.person_id, 0 FROM meta;
END;
