-- What a forge did not tell when it was asked for everything last. It answers all the same, so that is no trouble.
ALTER TABLE forge ADD COLUMN left_out TEXT;
