-- Conversations are trees of messages; a generation is one attempt at one assistant message; its events are the rows of a
-- stream that has not ended. At the end they become message.content and generation.text_sizes.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- created_ms is unique so that a page of the list can go on exactly where the last one stopped.
-- made_by is the client_msg_id of the send that made the conversation: a retry of it finds the conversation (P10).
CREATE TABLE conversation (
    key        INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL,
    created_ms INTEGER NOT NULL UNIQUE,
    updated_ms INTEGER NOT NULL,
    made_by    TEXT
) STRICT;

CREATE INDEX conversation_made_by ON conversation (made_by) WHERE made_by IS NOT NULL;

-- The parent is checked at commit, so that a whole tree can be deleted in any order.
CREATE TABLE message (
    key              INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    conversation_key INTEGER NOT NULL REFERENCES conversation (key),
    parent_key       INTEGER REFERENCES message (key) DEFERRABLE INITIALLY DEFERRED,
    role             INTEGER NOT NULL CHECK (role BETWEEN 0 AND 2),
    content          TEXT NOT NULL,
    created_ms       INTEGER NOT NULL,
    client_msg_id    TEXT
) STRICT;

CREATE INDEX message_conversation ON message (conversation_key);
CREATE INDEX message_parent ON message (parent_key);
CREATE UNIQUE INDEX message_client ON message (conversation_key, client_msg_id) WHERE client_msg_id IS NOT NULL;

-- Keys are never used again (AUTOINCREMENT): a late job for a deleted generation must not find another one.
-- A detached generation has no conversation and no message; its row goes when it ends.
CREATE TABLE generation (
    key              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    conversation_key INTEGER REFERENCES conversation (key),
    message_key      INTEGER UNIQUE REFERENCES message (key),
    last_seq         INTEGER NOT NULL CHECK (last_seq >= 1),
    ended            INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
    reason           TEXT,
    error            TEXT,
    usage            TEXT,
    timings          TEXT,
    model            TEXT,
    settings         TEXT,
    n_prompt_tokens  INTEGER NOT NULL DEFAULT 0,
    context_size     INTEGER NOT NULL DEFAULT 0,
    text_sizes       BLOB,
    CHECK ((conversation_key IS NULL) = (message_key IS NULL)),
    CHECK (ended = 0 OR reason IS NOT NULL)
) STRICT;

CREATE INDEX generation_conversation ON generation (conversation_key);
CREATE UNIQUE INDEX generation_unended ON generation (conversation_key) WHERE ended = 0;

-- No foreign key: the append guard has just found the generation.
CREATE TABLE event (
    generation_key INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    token          INTEGER NOT NULL,
    text           TEXT NOT NULL,
    PRIMARY KEY (generation_key, seq)
) STRICT, WITHOUT ROWID;

-- The words; the texts stay where they are.
CREATE VIRTUAL TABLE message_words USING fts5 (
    content, content = 'message', content_rowid = 'key', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE title_words USING fts5 (
    title, content = 'conversation', content_rowid = 'key', tokenize = 'unicode61 remove_diacritics 2'
);
