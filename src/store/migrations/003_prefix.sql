-- The index of the words knows the beginnings of two and three letters: what a person types letter by letter is found without
-- reading the places of every word that begins so.
-- An answer that has not ended for the first time has no words yet.

DROP TABLE message_words;

CREATE VIRTUAL TABLE message_words USING fts5 (
    content, content = 'message', content_rowid = 'key', prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
);

INSERT INTO message_words (rowid, content)
    SELECT key, content FROM message m WHERE NOT EXISTS (
        SELECT 1 FROM generation g WHERE g.message_key = m.key AND g.ended = 0 AND g.continues_key IS NULL);
