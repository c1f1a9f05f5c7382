-- Each component's health now, and the write of a tick, which keeps it and puts every change on the timeline.

CREATE TABLE console.health (
    component text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('ok', 'degraded', 'down', 'unknown')),
    latency_ms float8 CHECK (latency_ms NOT IN ('NaN', 'Infinity', '-Infinity')),
    detail text NOT NULL,
    at timestamptz NOT NULL,
    since timestamptz NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT ON console.health TO console_viewer;

CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON console.health
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('health');

-- 4 s, 17 min, 2 h, 3 d: one unit, rounded down, never negative.
CREATE FUNCTION console.age_words(p_age interval) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN s >= 86400 THEN s / 86400 || ' d'
        WHEN s >= 3600 THEN s / 3600 || ' h'
        WHEN s >= 60 THEN s / 60 || ' min'
        ELSE s || ' s'
    END
    FROM (SELECT greatest(floor(extract(epoch FROM p_age)), 0)::bigint AS s) AS seconds
$$;

-- The checks of one tick. What is older than the row it would replace is passed over, unless that row lies in the
-- future (the clock was set back).
CREATE FUNCTION console.keep_health(
    p_components text[], p_statuses text[], p_latencies float8[], p_details text[], p_ats timestamptz[]
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    IF cardinality(p_components) = 0 THEN
        RETURN;
    END IF;
    -- The sum of several (edge_functions) changes only with one of them (edge_functions/NAME): one entry is enough.
    INSERT INTO console.event (at, kind, severity, subject, text)
        SELECT c.at, 'health',
               CASE c.status WHEN 'down' THEN 'critical' WHEN 'ok' THEN 'ok' ELSE 'warning' END,
               c.component,
               left(c.component || ' is ' || c.status || CASE c.detail WHEN '' THEN '' ELSE ': ' || c.detail END, 400)
                   || coalesce(' (was ' || h.status || ' for ' || console.age_words(c.at - h.since) || ')', '')
        FROM unnest(p_components, p_statuses, p_details, p_ats) WITH ORDINALITY
            AS c(component, status, detail, at, place)
        LEFT JOIN console.health AS h USING (component)
        WHERE c.status IS DISTINCT FROM h.status
            AND (h.status IS NOT NULL OR c.status <> 'ok')
            AND (h.at IS NULL OR c.at >= h.at OR h.at > clock_timestamp())
            AND NOT EXISTS (SELECT FROM unnest(p_components) AS p(part) WHERE starts_with(p.part, c.component || '/'))
        ORDER BY c.place;
    INSERT INTO console.health AS h (component, status, latency_ms, detail, at, since)
        SELECT c.component, c.status, c.latency_ms, c.detail, c.at, c.at
        FROM unnest(p_components, p_statuses, p_latencies, p_details, p_ats)
            AS c(component, status, latency_ms, detail, at)
        ON CONFLICT (component) DO UPDATE
            SET status = excluded.status, latency_ms = excluded.latency_ms, detail = excluded.detail, at = excluded.at,
                since = CASE h.status WHEN excluded.status THEN h.since ELSE excluded.since END
            WHERE excluded.at >= h.at OR h.at > clock_timestamp();
    -- A function that is not configured any more would stay for ever.
    IF EXISTS (SELECT FROM console.health WHERE component <> ALL (p_components)) THEN
        DELETE FROM console.health WHERE component <> ALL (p_components);
    END IF;
END $$;

-- A tick: one call, one round trip. The same tick written twice is there once.
CREATE FUNCTION console.write_tick(
    p_fence bigint, p_at timestamptz, p_catalogue int, p_numbers float8[], p_texts text[],
    p_components text[], p_statuses text[], p_latencies float8[], p_details text[], p_ats timestamptz[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.check_width(p_catalogue, cardinality(p_numbers), cardinality(p_texts));
    PERFORM console.ensure_partition('tick', p_at);
    INSERT INTO console.tick (at, catalogue_id, numbers, texts)
        VALUES (p_at, p_catalogue, p_numbers, p_texts)
        ON CONFLICT (at) DO UPDATE
            SET catalogue_id = excluded.catalogue_id, numbers = excluded.numbers, texts = excluded.texts;
    PERFORM console.keep_health(p_components, p_statuses, p_latencies, p_details, p_ats);
END $$;

REVOKE ALL ON FUNCTION
    console.age_words(interval),
    console.keep_health(text[], text[], float8[], text[], timestamptz[]),
    console.write_tick(bigint, timestamptz, int, float8[], text[], text[], text[], float8[], text[], timestamptz[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.write_tick(bigint, timestamptz, int, float8[], text[], text[], text[], float8[], text[], timestamptz[])
TO console_agent;
