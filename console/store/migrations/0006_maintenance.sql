-- Partitions ahead of time, and the thinning of what is older than 30 days. Each call is short: it holds the lease.

CREATE FUNCTION console.prepare_partitions(p_fence bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp SET lock_timeout = '500ms' AS $$
BEGIN
    PERFORM console.hold(p_fence);
    FOR ahead IN 0..2 LOOP
        PERFORM console.ensure_partition('tick', p_now + make_interval(days => ahead));
    END LOOP;
    DELETE FROM console.presence WHERE seen_at < p_now - interval '7 days';
END $$;

-- Thins the oldest day that ended 30 days ago or earlier and returns it; null when there is none.
CREATE FUNCTION console.thin_day(p_fence bigint, p_now timestamptz) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    part text;
    day date;
    day_start timestamptz;
BEGIN
    PERFORM console.hold(p_fence);
    SELECT c.relname INTO part
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'console.tick'::regclass
        ORDER BY c.relname LIMIT 1;
    day := to_date(right(part, 8), 'YYYYMMDD');
    day_start := day::timestamp AT TIME ZONE 'UTC';
    IF day IS NULL OR day_start + interval '1 day' > p_now - interval '30 days' THEN
        RETURN NULL;
    END IF;
    PERFORM console.ensure_partition('tick_thin', day_start);
    INSERT INTO console.tick_thin (at, catalogue_id, numbers, texts)
        SELECT t.at, t.catalogue_id, t.numbers, t.texts
        FROM generate_series(0, 287) AS slot,
            LATERAL (
                SELECT * FROM console.tick
                WHERE at >= day_start + slot * interval '5 minutes' AND at < day_start + (slot + 1) * interval '5 minutes'
                ORDER BY at LIMIT 1
            ) AS t
        ON CONFLICT (at) DO NOTHING;
    EXECUTE format('DROP TABLE console.%I', part);
    RETURN day;
END $$;

-- Drops the oldest month of thinned ticks that ended 13 months ago or earlier, and says whether there was one.
CREATE FUNCTION console.forget_month(p_fence bigint, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    part text;
    month_end timestamp;
BEGIN
    PERFORM console.hold(p_fence);
    SELECT c.relname INTO part
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'console.tick_thin'::regclass
        ORDER BY c.relname LIMIT 1;
    month_end := to_date(right(part, 6), 'YYYYMM') + interval '1 month';
    IF month_end IS NULL OR month_end > p_now AT TIME ZONE 'UTC' - interval '13 months' THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE console.%I', part);
    RETURN true;
END $$;

REVOKE ALL ON FUNCTION
    console.prepare_partitions(bigint, timestamptz),
    console.thin_day(bigint, timestamptz),
    console.forget_month(bigint, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.prepare_partitions(bigint, timestamptz),
    console.thin_day(bigint, timestamptz),
    console.forget_month(bigint, timestamptz)
TO console_agent;
