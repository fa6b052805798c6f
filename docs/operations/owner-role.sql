-- Creates the database of Testudo, the role that owns it, and the role of the nodes. Run it once, as a superuser:
--
--     psql -v ON_ERROR_STOP=1 -v owner_password="$OWNER_PASSWORD" -v runner_password="$RUNNER_PASSWORD" \
--         -f owner-role.sql "$SUPERUSER_URL"
--
-- Then start one node once with the owner in store.url: it creates the tables. Then run run-time-role.sql as the owner,
-- and start the nodes with "runner" in store.url.

-- Owns the database and so its schema "public". Needed only for a start that creates or changes the tables.
CREATE ROLE testudo_owner LOGIN PASSWORD :'owner_password';
-- Reads and writes rows, and cannot create, change or drop anything.
CREATE ROLE runner LOGIN PASSWORD :'runner_password';

CREATE DATABASE testudo OWNER testudo_owner TEMPLATE template0 ENCODING 'UTF8';

-- A role with CONNECT could take the advisory lock that writes wait for, and so stop first uses and freezes.
REVOKE ALL ON DATABASE testudo FROM PUBLIC;
GRANT CONNECT ON DATABASE testudo TO runner;

\connect testudo
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO runner;

-- Tables and functions that a later version creates can be used by the nodes and by no other role.
ALTER DEFAULT PRIVILEGES FOR ROLE testudo_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE testudo_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO runner;
ALTER DEFAULT PRIVILEGES FOR ROLE testudo_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO runner;
