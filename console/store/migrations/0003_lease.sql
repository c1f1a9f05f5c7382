-- Who leads: one lease on the database's clock. Each time it changes hands its fence number grows, and every write
-- of an agent carries the number it was given.

CREATE TABLE console.lease (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder text,
    fence bigint NOT NULL DEFAULT 0,
    acquired_at timestamptz,
    expires_at timestamptz
) WITH (fillfactor = 10);
INSERT INTO console.lease DEFAULT VALUES;

CREATE TABLE console.presence (
    name text PRIMARY KEY,
    version text NOT NULL,
    login text NOT NULL,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 10);

GRANT SELECT ON console.lease, console.presence TO console_viewer;

-- A column list, so that a renewal (each second) wakes nobody.
CREATE TRIGGER tell AFTER UPDATE OF holder ON console.lease
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('lease');
CREATE TRIGGER tell AFTER INSERT ON console.presence
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('lease');

-- Every write of an agent begins here. The share lock holds the lease where it is until the write is committed: a
-- take-over waits for it, and idle_in_transaction_session_timeout ends the transaction of an agent that stands still.
CREATE FUNCTION console.hold(p_fence bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    l console.lease;
BEGIN
    PERFORM console.require('console_agent');
    SELECT * INTO l FROM console.lease FOR SHARE;
    IF l.holder IS NULL THEN
        RAISE EXCEPTION 'fence % is over: nobody leads', p_fence USING ERRCODE = 'TX001';
    ELSIF l.fence IS DISTINCT FROM p_fence THEN
        RAISE EXCEPTION 'fence % is over: % leads with fence %', p_fence, l.holder, l.fence USING ERRCODE = 'TX001';
    END IF;
END $$;

-- No row: somebody else's lease holds, or it is locked by a write that is not committed yet.
CREATE FUNCTION console.acquire_lease(p_holder text, p_ttl_s float8) RETURNS SETOF console.lease
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    l console.lease;
    past text := '';
    weight text := 'info';
BEGIN
    PERFORM console.require('console_agent');
    IF coalesce(p_holder, '') = '' OR p_ttl_s IS NULL OR NOT p_ttl_s BETWEEN 0.1 AND 300 THEN
        RAISE EXCEPTION 'a lease needs a holder, and lasts 0.1 to 300 seconds' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Looked at before it is locked, so that agents that stand by are never in the leader's way.
    IF EXISTS (SELECT FROM console.lease WHERE holder IS NOT NULL AND expires_at > clock_timestamp()) THEN
        RETURN;
    END IF;
    SELECT * INTO l FROM console.lease FOR UPDATE SKIP LOCKED;
    IF NOT FOUND OR (l.holder IS NOT NULL AND l.expires_at > clock_timestamp()) THEN
        RETURN;
    END IF;
    IF l.holder IS NOT NULL THEN
        weight := 'warning';
        past := format(', the lease of %s ran out', l.holder);
    END IF;
    UPDATE console.lease
        SET holder = left(p_holder, 100), fence = fence + 1, acquired_at = clock_timestamp(),
            expires_at = clock_timestamp() + make_interval(secs => p_ttl_s)
        RETURNING * INTO l;
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('agent', weight, l.holder, format('%s leads (fence %s)%s', l.holder, l.fence, past));
    RETURN NEXT l;
END $$;

-- False: the lease has passed on. One that ran out and that nobody took is renewed, its fence still holds.
CREATE FUNCTION console.renew_lease(p_fence bigint, p_ttl_s float8) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.require('console_agent');
    IF p_ttl_s IS NULL OR NOT p_ttl_s BETWEEN 0.1 AND 300 THEN
        RAISE EXCEPTION 'a lease lasts 0.1 to 300 seconds' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE console.lease SET expires_at = clock_timestamp() + make_interval(secs => p_ttl_s)
        WHERE fence = p_fence AND holder IS NOT NULL;
    RETURN FOUND;
END $$;

CREATE FUNCTION console.release_lease(p_fence bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    l console.lease;
BEGIN
    PERFORM console.require('console_agent');
    SELECT * INTO l FROM console.lease WHERE fence = p_fence AND holder IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE console.lease SET holder = NULL, expires_at = clock_timestamp();
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('agent', 'info', l.holder, format('%s has stopped leading', l.holder));
    RETURN true;
END $$;

CREATE FUNCTION console.heartbeat(p_name text, p_version text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.require('console_agent');
    UPDATE console.presence SET version = left(p_version, 50), login = session_user, seen_at = clock_timestamp()
        WHERE name = left(p_name, 100);
    IF NOT FOUND THEN
        INSERT INTO console.presence VALUES (left(p_name, 100), left(p_version, 50), session_user, clock_timestamp())
            ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at;
    END IF;
END $$;

-- An entry of the leading agent.
CREATE FUNCTION console.append_event(p_fence bigint, p_kind text, p_severity text, p_subject text, p_text text)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM console.hold(p_fence);
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES (left(p_kind, 50), p_severity, left(p_subject, 100), left(p_text, 500)) RETURNING id INTO new_id;
    RETURN new_id;
END $$;

REVOKE ALL ON FUNCTION
    console.hold(bigint),
    console.acquire_lease(text, float8),
    console.renew_lease(bigint, float8),
    console.release_lease(bigint),
    console.heartbeat(text, text),
    console.append_event(bigint, text, text, text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.acquire_lease(text, float8),
    console.renew_lease(bigint, float8),
    console.release_lease(bigint),
    console.heartbeat(text, text),
    console.append_event(bigint, text, text, text, text)
TO console_agent;
