-- What a conversation has of its own. title_by: 0 its text, 1 a model, 2 a person. deleted_ms: since when it is in the trash. current_key: the message
-- down to which it is shown; NULL, or a message that is not there: the newest. is_reshaped: a message of it was hidden or shown again, so that no
-- cursor of before says what its reader has.
-- A message that is deleted is hidden, and all below it, with one deleted_ms that no other of its conversation has.

ALTER TABLE conversation ADD COLUMN title_by INTEGER NOT NULL DEFAULT 0 CHECK (title_by BETWEEN 0 AND 2);
ALTER TABLE conversation ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1));
ALTER TABLE conversation ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1));
ALTER TABLE conversation ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0 CHECK (temporary IN (0, 1));
ALTER TABLE conversation ADD COLUMN folder TEXT;
ALTER TABLE conversation ADD COLUMN deleted_ms INTEGER;
ALTER TABLE conversation ADD COLUMN current_key INTEGER;
ALTER TABLE conversation ADD COLUMN is_reshaped INTEGER NOT NULL DEFAULT 0 CHECK (is_reshaped IN (0, 1));

ALTER TABLE message ADD COLUMN deleted_ms INTEGER;

CREATE INDEX conversation_folder ON conversation (folder) WHERE folder IS NOT NULL;
CREATE INDEX conversation_deleted ON conversation (deleted_ms) WHERE deleted_ms IS NOT NULL;
CREATE INDEX conversation_temporary ON conversation (updated_ms) WHERE temporary = 1;
CREATE INDEX message_deleted ON message (deleted_ms) WHERE deleted_ms IS NOT NULL;
