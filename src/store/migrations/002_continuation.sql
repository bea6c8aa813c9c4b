-- The text of a message is the texts of its generations, one behind the other: each continues the one before. So a message
-- has many of them, of which one continues another at most; the code sees to it that only the last has not ended.
-- tokens: as text_sizes, one varint of token + 1 for each token event (0: the event is no sampled token); NULL: not known.
-- attempts: how often in a row, up to this one, the answer was begun and brought no token.

ALTER TABLE conversation ADD COLUMN settings TEXT;

-- SQLite drops no constraint: the table is made again. Nothing refers to it.
ALTER TABLE generation RENAME TO generation_001;

CREATE TABLE generation (
    key              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    conversation_key INTEGER REFERENCES conversation (key),
    message_key      INTEGER REFERENCES message (key),
    continues_key    INTEGER REFERENCES generation (key),
    last_seq         INTEGER NOT NULL CHECK (last_seq >= 1),
    ended            INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
    attempts         INTEGER NOT NULL DEFAULT 0,
    reason           TEXT,
    error            TEXT,
    usage            TEXT,
    timings          TEXT,
    model            TEXT,
    settings         TEXT,
    n_prompt_tokens  INTEGER NOT NULL DEFAULT 0,
    context_size     INTEGER NOT NULL DEFAULT 0,
    text_sizes       BLOB,
    tokens           BLOB,
    CHECK ((conversation_key IS NULL) = (message_key IS NULL)),
    CHECK (continues_key IS NULL OR message_key IS NOT NULL),
    CHECK (ended = 0 OR reason IS NOT NULL)
) STRICT;

INSERT INTO generation (key, id, conversation_key, message_key, last_seq, ended, reason, error, usage, timings, model,
                        settings, n_prompt_tokens, context_size, text_sizes)
    SELECT key, id, conversation_key, message_key, last_seq, ended, reason, error, usage, timings, model,
           settings, n_prompt_tokens, context_size, text_sizes FROM generation_001;

-- Keys of rows that are gone are not used again either.
DELETE FROM sqlite_sequence WHERE name = 'generation';
INSERT INTO sqlite_sequence (name, seq) SELECT 'generation', seq FROM sqlite_sequence WHERE name = 'generation_001';

DROP TABLE generation_001;

CREATE INDEX generation_conversation ON generation (conversation_key);
CREATE INDEX generation_message ON generation (message_key);
CREATE UNIQUE INDEX generation_continues ON generation (continues_key) WHERE continues_key IS NOT NULL;
CREATE INDEX generation_unended ON generation (conversation_key) WHERE ended = 0;
