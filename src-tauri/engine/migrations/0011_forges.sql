-- Forges that a person logged in to, and what each told last of open pull requests: what others say, and no part of history. A token
-- is in neither.
CREATE TABLE forge (
    host    TEXT PRIMARY KEY,
    login   TEXT NOT NULL,
    source  TEXT NOT NULL,
    known   INTEGER,
    trouble TEXT,
    budget  TEXT
) STRICT;
CREATE TABLE forge_pull (
    host   TEXT NOT NULL REFERENCES forge (host) ON DELETE CASCADE,
    repo   TEXT NOT NULL,
    number INTEGER NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (host, repo, number)
) STRICT;
