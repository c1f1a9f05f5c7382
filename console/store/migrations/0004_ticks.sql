-- One row per tick: every metric's number or text in the order of its catalogue.

CREATE TABLE console.catalogue (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sha256 text NOT NULL UNIQUE,
    names text[] NOT NULL,
    specs jsonb NOT NULL,
    seeded boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- numbers[i] is the number of metric i, texts[i] the text of a state metric. A metric without a value has a null
-- number, and chr(1) followed by the reason as its text.
CREATE TABLE console.tick (
    at timestamptz PRIMARY KEY,
    catalogue_id int NOT NULL,
    numbers float8[] NOT NULL CHECK (NOT numbers && '{NaN, Infinity, -Infinity}'::float8[]),
    texts text[] NOT NULL
) PARTITION BY RANGE (at);

-- What is left of a day after 30 days: one tick per five minutes, in monthly partitions.
CREATE TABLE console.tick_thin (LIKE console.tick INCLUDING ALL) PARTITION BY RANGE (at);

GRANT SELECT ON console.catalogue, console.tick, console.tick_thin TO console_viewer;

CREATE TRIGGER tell AFTER INSERT ON console.tick
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('tick');

-- The partition of `p_parent` (tick: a day, tick_thin: a month) that holds `p_at`, in UTC. Attached, not created in
-- place: that would lock out readers.
CREATE FUNCTION console.ensure_partition(p_parent text, p_at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    unit text := CASE p_parent WHEN 'tick' THEN 'day' ELSE 'month' END;
    lower_end timestamp := date_trunc(unit, p_at AT TIME ZONE 'UTC');
    upper_end timestamp := lower_end + ('1 ' || unit)::interval;
    part text := p_parent || '_' || to_char(lower_end, CASE unit WHEN 'day' THEN 'YYYYMMDD' ELSE 'YYYYMM' END);
    bound text := 'YYYY-MM-DD HH24:MI:SS"+00"';
BEGIN
    IF to_regclass('console.' || part) IS NOT NULL THEN
        RETURN;
    END IF;
    -- One at a time, each in the same order: readers and writers go on, a second maker waits and finds it made.
    EXECUTE format('LOCK TABLE console.%I IN SHARE UPDATE EXCLUSIVE MODE', p_parent);
    IF to_regclass('console.' || part) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE console.%I (LIKE console.%I INCLUDING ALL) WITH (toast_tuple_target = 8160)',
                   part, p_parent);
    EXECUTE format('ALTER TABLE console.%I ATTACH PARTITION console.%I FOR VALUES FROM (%L) TO (%L)',
                   p_parent, part, to_char(lower_end, bound), to_char(upper_end, bound));
END $$;

CREATE FUNCTION console.ensure_catalogue(p_fence bigint, p_specs jsonb, p_seeded boolean) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    hash text := encode(sha256(convert_to(p_specs::text || p_seeded::text, 'UTF8')), 'hex');
    found_id int;
BEGIN
    PERFORM console.hold(p_fence);
    SELECT id INTO found_id FROM console.catalogue WHERE sha256 = hash;
    IF found_id IS NULL THEN
        INSERT INTO console.catalogue (sha256, names, specs, seeded)
            SELECT hash, coalesce(array_agg(s.spec ->> 'name' ORDER BY s.place), '{}'), p_specs, p_seeded
            FROM jsonb_array_elements(p_specs) WITH ORDINALITY AS s(spec, place)
            ON CONFLICT (sha256) DO UPDATE SET sha256 = excluded.sha256
            RETURNING id INTO found_id;
    END IF;
    RETURN found_id;
END $$;

CREATE FUNCTION console.check_width(p_catalogue int, p_numbers int, p_texts int) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    width int := (SELECT cardinality(names) FROM console.catalogue WHERE id = p_catalogue);
BEGIN
    IF width IS NULL OR p_numbers IS DISTINCT FROM width OR p_texts IS DISTINCT FROM width THEN
        RAISE EXCEPTION 'catalogue % has % metrics, but % numbers and % texts came',
            p_catalogue, coalesce(width, 0), p_numbers, p_texts USING ERRCODE = 'array_subscript_error';
    END IF;
END $$;

-- Ticks of the past, as the sandbox makes them up. Both arrays hold one tick after the other; a tick that is there
-- already stays.
CREATE FUNCTION console.write_seeded(
    p_fence bigint, p_catalogue int, p_ats timestamptz[], p_numbers float8[], p_texts text[]
) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    width int := (SELECT cardinality(names) FROM console.catalogue WHERE id = p_catalogue AND seeded);
    day timestamptz;
    written int;
BEGIN
    PERFORM console.hold(p_fence);
    IF width IS NULL OR cardinality(p_numbers) <> width * cardinality(p_ats)
        OR cardinality(p_texts) <> cardinality(p_numbers)
    THEN
        RAISE EXCEPTION 'no seeded catalogue %, or arrays that do not match it', p_catalogue
            USING ERRCODE = 'array_subscript_error';
    END IF;
    FOR day IN SELECT DISTINCT date_trunc('day', a AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' FROM unnest(p_ats) AS a LOOP
        PERFORM console.ensure_partition('tick', day);
    END LOOP;
    INSERT INTO console.tick (at, catalogue_id, numbers, texts)
        SELECT a.at, p_catalogue,
               p_numbers[(a.place - 1) * width + 1 : a.place * width], p_texts[(a.place - 1) * width + 1 : a.place * width]
        FROM unnest(p_ats) WITH ORDINALITY AS a(at, place)
        ON CONFLICT (at) DO NOTHING;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;

REVOKE ALL ON FUNCTION
    console.ensure_partition(text, timestamptz),
    console.ensure_catalogue(bigint, jsonb, boolean),
    console.check_width(int, int, int),
    console.write_seeded(bigint, int, timestamptz[], float8[], text[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.ensure_catalogue(bigint, jsonb, boolean),
    console.write_seeded(bigint, int, timestamptz[], float8[], text[])
TO console_agent;
