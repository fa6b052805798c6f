-- Grants what a node needs at run time if another role owns the schema. Run it as the owner, in the database of Testudo,
-- after the first start; where owner-role.sql was not used, also after each start that brought the schema to a newer
-- version. "runner" is the role in store.url. If the tables are in another schema than public, write that
-- schema.
GRANT USAGE ON SCHEMA public TO runner;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO runner;
REVOKE INSERT, UPDATE, DELETE ON public.testudo_schema FROM runner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO runner;
