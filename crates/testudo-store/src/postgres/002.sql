-- The order to reload the configuration (kind 10) is announced to all nodes. Otherwise the function is that of 001.

-- Commits a group of batches. The rows of one batch are adjacent; a batch that conflicts is undone alone.
-- ops: 1 insert, 2 replace, 3 delete, 4 require absence, 5 add to a counter (its name in keys), 6 replace without a
-- row in changes.
-- Returns one number for each batch: 0, or the position of the row that conflicted.
CREATE OR REPLACE FUNCTION testudo_commit(
    batches INT[], ops SMALLINT[], kinds SMALLINT[], keys BYTEA[], versions BIGINT[],
    expiries BIGINT[], bodies BYTEA[], deltas BIGINT[], maxima BIGINT[]
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
                    INSERT INTO records VALUES (kinds[i], keys[i], 1, expiries[i], bodies[i])
                        ON CONFLICT (kind, key) DO NOTHING;
                    GET DIAGNOSTICS changed = ROW_COUNT;
                ELSIF ops[i] IN (2, 6) THEN
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
                ELSE
                    INSERT INTO counters VALUES (convert_from(keys[i], 'UTF8'), 0) ON CONFLICT (name) DO NOTHING;
                    UPDATE counters SET value = value + deltas[i]
                        WHERE name = convert_from(keys[i], 'UTF8')
                          AND (deltas[i] <= 0 OR maxima[i] IS NULL OR value + deltas[i] <= maxima[i]);
                    GET DIAGNOSTICS changed = ROW_COUNT;
                END IF;
                IF changed <> 1 THEN
                    RAISE EXCEPTION USING ERRCODE = 'TD001';
                END IF;
                -- Other nodes must apply these: a client that was changed or deleted (1),
                -- blocks (3), switches (5), keys (6), reloads (10).
                IF (ops[i] IN (2, 3) AND kinds[i] = 1) OR (ops[i] IN (1, 2, 3) AND kinds[i] IN (3, 5, 6, 10)) THEN
                    INSERT INTO changes (kind, key) VALUES (kinds[i], keys[i]);
                    PERFORM pg_notify('testudo', '');
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
