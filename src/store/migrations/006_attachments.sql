-- A file that a person sent along is there once, named by the SHA-256 of its bytes; `text` is what the model reads of it, NULL: nothing yet.
-- n_refs counts the messages that have it. Of one that none has, added_ms says since when (0: it had some); -1: its file is being removed.

CREATE TABLE attachment (
    key      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    type     TEXT NOT NULL,
    size     INTEGER NOT NULL CHECK (size >= 0),
    text     TEXT,
    added_ms INTEGER NOT NULL,
    n_refs   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX attachment_unused ON attachment (added_ms) WHERE n_refs = 0;

CREATE TABLE message_attachment (
    message_key    INTEGER NOT NULL REFERENCES message (key) ON DELETE CASCADE,
    position       INTEGER NOT NULL,
    attachment_key INTEGER NOT NULL REFERENCES attachment (key),
    name           TEXT NOT NULL,
    PRIMARY KEY (message_key, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_attachment_attachment ON message_attachment (attachment_key);

CREATE TRIGGER message_attachment_added AFTER INSERT ON message_attachment BEGIN
    UPDATE attachment SET n_refs = n_refs + 1 WHERE key = NEW.attachment_key;
END;

CREATE TRIGGER message_attachment_removed AFTER DELETE ON message_attachment BEGIN
    UPDATE attachment SET n_refs = n_refs - 1, added_ms = 0 WHERE key = OLD.attachment_key;
END;

-- Where an imported conversation came from: the same one is not imported again.
ALTER TABLE conversation ADD COLUMN origin TEXT;

CREATE UNIQUE INDEX conversation_origin ON conversation (origin) WHERE origin IS NOT NULL;
