-- a body with semicolons, and a search path that must not reach what comes after
SET search_path = pg_catalog;
CREATE FUNCTION public.greet(name text) RETURNS text LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM 1;
    RETURN 'hello; ' || name;
END
$body$;
