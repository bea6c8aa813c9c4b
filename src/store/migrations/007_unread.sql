-- An answer ended while nobody watched the conversation, and nobody has since.

ALTER TABLE conversation ADD COLUMN unread INTEGER NOT NULL DEFAULT 0 CHECK (unread IN (0, 1));
