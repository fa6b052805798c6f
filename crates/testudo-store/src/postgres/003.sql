-- What other nodes must feel is said by the node that writes, row by row, and no longer by the number of a kind:
-- a new kind of record needs no new function. And NOTIFY is no longer part of the transaction. It raises its error at
-- COMMIT, where its queue is full, and so undid what an administrator did. A node sends it afterwards, as a hint.
--
-- Nodes of an earlier version that are still running call testudo_commit, which stays as it is. Both functions take
-- the same lock, and both write to the table of changes, which every node looks at.

-- Commits a group of batches. Rows of one batch follow each other; a batch that conflicts is undone alone.
-- ops: 1 insert, 2 replace, 3 delete, 4 demand absence, 5 add to a counter (its name in keys).
-- announce: the other nodes must be told of this row.
-- The answer has one number per batch: 0, or the position of the row that conflicted.
CREATE FUNCTION testudo_write(
    batches INT[], ops SMALLINT[], kinds SMALLINT[], keys BYTEA[], versions BIGINT[],
    expiries BIGINT[], bodies BYTEA[], deltas BIGINT[], maxima BIGINT[], announce BOOLEAN[]
) RETURNS INT[] LANGUAGE plpgsql AS $$
DECLARE
    answers INT[] := '{}';
    i INT := 1;
    n INT := coalesce(array_length(batches, 1), 0);
    current_batch INT;
    at_row INT;
    changed BIGINT;
BEGIN
    -- Groups of all nodes take turns: counters are locked in no particular order.
    PERFORM pg_advisory_xact_lock(7308002);
    WHILE i <= n LOOP
        current_batch := batches[i];
        BEGIN
            WHILE i <= n AND batches[i] = current_batch LOOP
                at_row := i;
                changed := 1;
                IF ops[i] = 1 THEN
                    INSERT INTO records (kind, key, version, expires, body)
                        VALUES (kinds[i], keys[i], 1, expiries[i], bodies[i])
                        ON CONFLICT (kind, key) DO NOTHING;
                    GET DIAGNOSTICS changed = ROW_COUNT;
                ELSIF ops[i] = 2 THEN
                    UPDATE records SET version = version + 1, expires = expiries[i], body = bodies[i]
                        WHERE kind = kinds[i] AND key = keys[i] AND version = versions[i];
                    GET DIAGNOSTICS changed = ROW_COUNT;
                ELSIF ops[i] = 3 THEN
                    DELETE FROM records WHERE kind = kinds[i] AND key = keys[i] AND version = versions[i];
                    GET DIAGNOSTICS changed = ROW_COUNT;
                ELSIF ops[i] = 4 THEN
                    IF EXISTS (SELECT 1 FROM records WHERE kind = kinds[i] AND key = keys[i]) THEN
                        changed := 0;
                    END IF;
                ELSIF ops[i] = 5 THEN
                    INSERT INTO counters (name, value) VALUES (convert_from(keys[i], 'UTF8'), 0)
                        ON CONFLICT (name) DO NOTHING;
                    UPDATE counters SET value = value + deltas[i]
                        WHERE name = convert_from(keys[i], 'UTF8')
                          AND (deltas[i] <= 0 OR maxima[i] IS NULL OR value + deltas[i] <= maxima[i]);
                    GET DIAGNOSTICS changed = ROW_COUNT;
                ELSE
                    RAISE EXCEPTION 'testudo_write knows no operation %', ops[i];
                END IF;
                IF changed <> 1 THEN
                    RAISE EXCEPTION USING ERRCODE = 'TD001';
                END IF;
                IF announce[i] THEN
                    INSERT INTO changes (kind, key) VALUES (kinds[i], keys[i]);
                END IF;
                i := i + 1;
            END LOOP;
            answers := answers || 0;
        EXCEPTION WHEN SQLSTATE 'TD001' THEN
            answers := answers || at_row;
            WHILE i <= n AND batches[i] = current_batch LOOP
                i := i + 1;
            END LOOP;
        END;
    END LOOP;
    RETURN answers;
END $$;
