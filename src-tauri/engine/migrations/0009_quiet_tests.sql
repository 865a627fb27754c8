-- How many tests passed and failed by what a command's output says; nothing where it says nothing of the kind.
ALTER TABLE quiet ADD COLUMN passed INTEGER;
ALTER TABLE quiet ADD COLUMN failed INTEGER;
