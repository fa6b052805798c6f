-- The node that writes states for each row whether other nodes must apply it. Earlier this depended on the number of
-- the kind, and a new kind of record needed a new function. NOTIFY is no longer part of the transaction: if its queue
-- was full, the COMMIT failed, which undid what an administrator did. A node now sends it after the commit, as a hint.
--
-- Nodes of an earlier version that are still running call testudo_commit, which stays as it is. Both functions take
-- the same lock, and both write to the table of changes, which every node reads.

-- Commits a group of batches. The rows of one batch are adjacent; a batch that conflicts is undone alone.
-- ops: 1 insert, 2 replace, 3 delete, 4 require absence, 5 add to a counter (its name in keys).
-- announce: true for a row that other nodes must apply.
-- Returns one number for each batch: 0, or the position of the row that conflicted.
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
    -- Groups of all nodes run one after the other, because the order in which they lock counters could deadlock.
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
