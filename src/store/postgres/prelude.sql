-- SQLite's functions that the statements use. They are made in the database's own schema, where PostgreSQL prefers an
-- exact match of types to its own functions of the same name.

-- Nearly always a few rows: a plan for a thousand would read whole tables.
CREATE FUNCTION json_each(json text) RETURNS TABLE (key bigint, value text) LANGUAGE sql IMMUTABLE STRICT ROWS 10 AS $$
    SELECT place - 1, item FROM jsonb_array_elements_text(json::jsonb) WITH ORDINALITY AS items (item, place)
$$;

CREATE FUNCTION json_element(json text, place integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT json::jsonb ->> place
$$;

CREATE OPERATOR ->> (LEFTARG = text, RIGHTARG = integer, FUNCTION = json_element);
CREATE OPERATOR -> (LEFTARG = text, RIGHTARG = integer, FUNCTION = json_element);

CREATE FUNCTION json_member(json text, name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT json::jsonb ->> name
$$;

CREATE OPERATOR ->> (LEFTARG = text, RIGHTARG = text, FUNCTION = json_member);

CREATE FUNCTION unixepoch() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT extract(epoch FROM clock_timestamp())::bigint
$$;

-- The server's own steps of string_agg are for superusers only.
CREATE FUNCTION group_concat_step(state text, item text, separator text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN item IS NULL THEN state WHEN state IS NULL THEN item ELSE state || separator || item END
$$;

CREATE AGGREGATE group_concat(text, text) (SFUNC = group_concat_step, STYPE = text);

CREATE TABLE outdial_database (application_id bigint PRIMARY KEY);
