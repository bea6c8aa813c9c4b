-- An event may be a thought (kind 1) or a piece of a call of a tool (kind 2, JSON) in the place of a token (kind 0). Their texts are no part of
-- the message's content: from the end of the stream on they are in `others`, NULL when there are none.

ALTER TABLE event ADD COLUMN kind INTEGER NOT NULL DEFAULT 0 CHECK (kind BETWEEN 0 AND 2);
ALTER TABLE generation ADD COLUMN others BLOB;
