-- SQLite's functions that the statements use. They are made in the database's own schema, where PostgreSQL prefers an
-- exact match of types to its own functions of the same name.

CREATE FUNCTION json_each(json text) RETURNS TABLE (key bigint, value text) LANGUAGE sql IMMUTABLE STRICT AS $$
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

CREATE AGGREGATE group_concat(text, text) (
    SFUNC = string_agg_transfn, STYPE = internal, FINALFUNC = string_agg_finalfn);

CREATE TABLE outdial_database (application_id bigint PRIMARY KEY);
