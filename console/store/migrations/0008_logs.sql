-- The tail of the platform's logs, for everybody's screens: the last 100,000 lines or 30 minutes of what the platform
-- itself keeps; older ones go as new ones come.

-- Its own and not the table's, so that it survives a crash: ids only grow, and readers go on from the last one they saw.
CREATE SEQUENCE console.log_line_id;

-- Unlogged: a copy of what can be read again, and the largest stream of rows by far; after a crash of the server it is
-- empty, and the tail fills it again.
CREATE UNLOGGED TABLE console.log_line (
    id bigint PRIMARY KEY DEFAULT nextval('console.log_line_id'),
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source text NOT NULL,
    -- The row's name at its source: a row that is read twice is here once.
    key text NOT NULL,
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    origin text NOT NULL,
    text text NOT NULL,
    user_id text NOT NULL,
    request_id text NOT NULL,
    UNIQUE (source, key)
);
ALTER SEQUENCE console.log_line_id OWNED BY console.log_line.id;

CREATE TRIGGER tell AFTER INSERT ON console.log_line REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('log');

-- Which logs are followed. An empty reason: its lines come in.
CREATE TABLE console.log_source (
    name text PRIMARY KEY,
    place int NOT NULL,
    title text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON console.log_source
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('log');

GRANT SELECT ON console.log_line, console.log_source TO console_viewer;

-- Returns how many of the lines were new.
CREATE FUNCTION console.append_logs(
    p_fence bigint, p_ats timestamptz[], p_sources text[], p_keys text[], p_levels text[], p_origins text[],
    p_texts text[], p_users text[], p_requests text[]
) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    now timestamptz := clock_timestamp();
    before bigint;
    newest bigint;
    written int;
BEGIN
    PERFORM console.hold(p_fence);
    before := (SELECT id FROM console.log_line ORDER BY id DESC LIMIT 1);
    INSERT INTO console.log_line (at, received_at, source, key, level, origin, text, user_id, request_id)
        SELECT l.at, now, l.source, l.key, l.level, l.origin, l.text, l.user_id, l.request_id
        FROM unnest(p_ats, p_sources, p_keys, p_levels, p_origins, p_texts, p_users, p_requests) WITH ORDINALITY
            AS l(at, source, key, level, origin, text, user_id, request_id, place)
        ORDER BY l.place
        ON CONFLICT (source, key) DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    newest := (SELECT id FROM console.log_line ORDER BY id DESC LIMIT 1);
    -- Every 2,000 lines, from the old end of the primary key: it costs what goes, whatever stays.
    IF newest / 2000 > coalesce(before, 0) / 2000 THEN
        DELETE FROM console.log_line WHERE id < greatest(newest - 99999, (
            SELECT id FROM console.log_line WHERE received_at >= now - interval '30 minutes' ORDER BY id LIMIT 1
        ));
    END IF;
    RETURN written;
END $$;

-- These are all the sources there are. One whose reason stays keeps the time since when.
CREATE FUNCTION console.set_log_sources(p_fence bigint, p_names text[], p_titles text[], p_reasons text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    DELETE FROM console.log_source WHERE name <> ALL (p_names);
    INSERT INTO console.log_source AS s (name, place, title, reason)
        SELECT n.name, n.place, n.title, n.reason
        FROM unnest(p_names, p_titles, p_reasons) WITH ORDINALITY AS n(name, title, reason, place)
        ON CONFLICT (name) DO UPDATE
            SET place = excluded.place, title = excluded.title, reason = excluded.reason,
                since = CASE s.reason WHEN excluded.reason THEN s.since ELSE excluded.since END;
END $$;

REVOKE ALL ON FUNCTION
    console.append_logs(bigint, timestamptz[], text[], text[], text[], text[], text[], text[], text[]),
    console.set_log_sources(bigint, text[], text[], text[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.append_logs(bigint, timestamptz[], text[], text[], text[], text[], text[], text[], text[]),
    console.set_log_sources(bigint, text[], text[], text[])
TO console_agent;
