-- Releases: what was deployed, by which action, and what of it runs now.

CREATE TABLE console.release (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version text NOT NULL,
    commit text NOT NULL,
    state text NOT NULL CHECK (state IN ('live', 'good', 'rolled back', 'failed')),
    at timestamptz NOT NULL,
    author text NOT NULL,
    action_id bigint UNIQUE REFERENCES console.action,
    functions jsonb NOT NULL,
    migrations text[] NOT NULL,
    frontend text NOT NULL,
    words text NOT NULL
);
CREATE UNIQUE INDEX release_live ON console.release ((true)) WHERE state = 'live';

CREATE TRIGGER tell_insert AFTER INSERT ON console.release REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('release');
CREATE TRIGGER tell_update AFTER UPDATE ON console.release
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('release');
GRANT SELECT ON console.release TO console_viewer;

-- How one deployment or rollback ended: {version, commit, state, functions, migrations, frontend, words}. One that
-- is live takes the place of the one before, which then is what `before` says of it. The same action is one release:
-- what is written twice is there once. Without an action: what an agent found running when it first looked.
CREATE FUNCTION console.put_release(p_fence bigint, p_action_id bigint, p_release jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    r console.release;
    made bigint;
BEGIN
    PERFORM console.hold(p_fence);
    SELECT * INTO a FROM console.action WHERE id = p_action_id;
    IF p_action_id IS NOT NULL AND a.id IS NULL THEN
        RAISE EXCEPTION 'there is no action %', p_action_id USING ERRCODE = 'invalid_parameter_value';
    END IF;
    r := jsonb_populate_record(NULL::console.release, p_release);
    IF p_action_id IS NULL AND EXISTS (SELECT FROM console.release WHERE state = 'live') THEN
        RETURN NULL;
    END IF;
    IF r.state = 'live' THEN
        UPDATE console.release SET state = coalesce(p_release ->> 'before', 'good')
            WHERE state = 'live' AND action_id IS DISTINCT FROM p_action_id;
    END IF;
    INSERT INTO console.release (version, commit, state, at, author, action_id, functions, migrations, frontend, words)
        VALUES (left(r.version, 60), left(r.commit, 64), r.state, clock_timestamp(),
            coalesce(nullif(a.confirmed_by, ''), a.requested_by, session_user), p_action_id, coalesce(r.functions, '[]'),
            coalesce(r.migrations, '{}'), left(coalesce(r.frontend, ''), 200), left(coalesce(r.words, ''), 500))
        ON CONFLICT (action_id) DO UPDATE SET state = excluded.state, functions = excluded.functions,
            migrations = excluded.migrations, frontend = excluded.frontend, words = excluded.words
        RETURNING id INTO made;
    RETURN made;
END $$;

-- What could be deployed: the commits that are not live yet, the newest first, as the agent last saw them.
CREATE TABLE console.candidate (
    place int PRIMARY KEY,
    commit jsonb NOT NULL
);
CREATE TRIGGER tell_insert AFTER INSERT ON console.candidate REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('release');
CREATE TRIGGER tell_delete AFTER DELETE ON console.candidate
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('release');
GRANT SELECT ON console.candidate TO console_viewer;

CREATE FUNCTION console.put_candidates(p_fence bigint, p_commits jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    DELETE FROM console.candidate;
    INSERT INTO console.candidate
        SELECT place, c FROM jsonb_array_elements(p_commits) WITH ORDINALITY AS e(c, place) WHERE place <= 100;
END $$;

REVOKE ALL ON FUNCTION
    console.put_release(bigint, bigint, jsonb),
    console.put_candidates(bigint, jsonb)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.put_release(bigint, bigint, jsonb),
    console.put_candidates(bigint, jsonb)
TO console_agent;

-- As before, and where a person chose to stop: what was done may have to be taken back.
CREATE OR REPLACE FUNCTION console.start_action(p_fence bigint, p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    first boolean;
    chosen text;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    IF NOT coalesce(
        a.state IN ('approved', 'running', 'verifying') OR a.state = 'confirmed' AND a.needs_approval = ''
            OR a.state = 'interrupted' AND a.choice IN ('again', 'skip', 'stop'),
        false
    ) THEN
        RETURN NULL;
    END IF;
    first := a.started_at IS NULL;
    chosen := a.choice;
    UPDATE console.action SET state = CASE WHEN state = 'verifying' THEN state ELSE 'running' END, fence = p_fence,
            started_at = coalesce(started_at, clock_timestamp()), question = '', choice = ''
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, CASE WHEN first THEN 'started' ELSE 'taken up' END,
        CASE WHEN first THEN 'it runs' ELSE 'it goes on where it was cut off' END, jsonb_build_object('fence', p_fence));
    RETURN chosen;
END $$;
