-- Runs of the checks of a platform, result by result, and what people say of those that only a person can answer.

-- `commit` and `version` are what it is about, '' for what runs. Of an action: what its step found.
CREATE TABLE console.check_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    occasion text NOT NULL CHECK (occasion IN ('env', 'pre', 'post')),
    author text NOT NULL DEFAULT session_user,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    commit text NOT NULL DEFAULT '',
    version text NOT NULL DEFAULT '',
    started_at timestamptz,
    ended_at timestamptz,
    total int NOT NULL DEFAULT 0,
    action_id bigint REFERENCES console.action,
    fence bigint,
    words text NOT NULL DEFAULT ''
);
-- Whoever asks for what is open joins it.
CREATE UNIQUE INDEX check_run_open ON console.check_run (occasion, coalesce(action_id, 0)) WHERE ended_at IS NULL;
CREATE INDEX check_run_action ON console.check_run (action_id) WHERE action_id IS NOT NULL;

CREATE TABLE console.check_result (
    run_id bigint NOT NULL REFERENCES console.check_run ON DELETE CASCADE,
    place int NOT NULL CHECK (place BETWEEN 1 AND 100),
    item text NOT NULL,
    title text NOT NULL,
    part text NOT NULL,
    status text NOT NULL CHECK (status IN ('passed', 'manual', 'warning', 'failed')),
    evidence text NOT NULL,
    duration_ms float8 NOT NULL,
    PRIMARY KEY (run_id, place)
);

-- The last one of each item, and of each release where it is of one.
CREATE TABLE console.check_tick (
    item text NOT NULL,
    commit text NOT NULL,
    author text NOT NULL,
    at timestamptz NOT NULL,
    note text NOT NULL,
    until timestamptz,
    PRIMARY KEY (item, commit)
);

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['check_run', 'check_result', 'check_tick'] LOOP
        EXECUTE format('CREATE TRIGGER tell_insert AFTER INSERT ON console.%I REFERENCING NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, 'check');
        EXECUTE format('CREATE TRIGGER tell_update AFTER UPDATE ON console.%I REFERENCING NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, 'check');
    END LOOP;
END $$;

GRANT SELECT ON console.check_run, console.check_result, console.check_tick TO console_viewer;

-- --- inside --------------------------------------------------------------------------------------------------------

-- `checks pre v2.9.0`.
CREATE FUNCTION console.checks_subject(p_occasion text, p_commit text, p_version text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT concat_ws(' ', 'checks', left(p_occasion, 20),
        left(coalesce(nullif(p_version, ''), nullif(left(p_commit, 8), '')), 60))
$$;

-- [{id, title, group, status, evidence, duration_ms}], the first one at `p_place`. The same place twice is the last one.
CREATE FUNCTION console.put_results(p_run bigint, p_place int, p_results jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    INSERT INTO console.check_result (run_id, place, item, title, part, status, evidence, duration_ms)
        SELECT p_run, p_place + o - 1, left(r ->> 'id', 60), left(r ->> 'title', 100), left(r ->> 'group', 40),
            r ->> 'status', left(r ->> 'evidence', 500), (r ->> 'duration_ms')::float8
        FROM jsonb_array_elements(p_results) WITH ORDINALITY AS e(r, o)
        ON CONFLICT (run_id, place) DO UPDATE SET item = excluded.item, title = excluded.title, part = excluded.part,
            status = excluded.status, evidence = excluded.evidence, duration_ms = excluded.duration_ms
$$;

-- The last 50, those of releases, and what is not over.
CREATE FUNCTION console.forget_checks() RETURNS void
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    DELETE FROM console.check_run AS c
        WHERE c.ended_at IS NOT NULL
            AND c.id < (SELECT min(id) FROM (SELECT id FROM console.check_run ORDER BY id DESC LIMIT 50) AS kept)
            AND NOT EXISTS (SELECT FROM console.release AS r WHERE r.action_id = c.action_id)
$$;

-- --- what people do ------------------------------------------------------------------------------------------------

-- Ask the leading agent to run the checks of an occasion. Of one that is open already `told` says whose it is.
CREATE FUNCTION console.ask_checks(
    p_occasion text, p_commit text, p_version text, OUT refusal text, OUT id bigint, OUT told text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    c console.check_run;
    subject text := console.checks_subject(p_occasion, p_commit, p_version);
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    told := '';
    refusal := CASE
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: to have the checks run takes a responder', session_user, console.role_of(session_user))
        WHEN p_occasion IS NULL OR p_occasion NOT IN ('env', 'pre', 'post') THEN
            format('there are no checks %s: env, pre or post', left(coalesce(p_occasion, ''), 20))
        WHEN coalesce(p_commit, '') !~ '^([0-9a-f]{4,64})?$' THEN format('%s is no commit', left(p_commit, 64))
    END;
    IF refusal IS NOT NULL THEN
        refusal := console.refuse('checks', subject, NULL, refusal);
        RETURN;
    END IF;
    SELECT * INTO c FROM console.check_run AS q
        WHERE q.occasion = p_occasion AND q.action_id IS NULL AND q.ended_at IS NULL;
    IF FOUND THEN
        id := c.id;
        told := format('%s asked for %s already', c.author, console.checks_subject(c.occasion, c.commit, c.version));
        PERFORM console.note_audit('joined', subject, NULL, jsonb_build_object('text', told, 'run', id));
        RETURN;
    END IF;
    INSERT INTO console.check_run (occasion, commit, version)
        VALUES (p_occasion, coalesce(p_commit, ''), left(coalesce(p_version, ''), 60))
        RETURNING check_run.id INTO id;
    PERFORM console.note_audit('asked', subject, NULL, jsonb_build_object('run', id));
END $$;

-- What somebody ran by hand, also as the login of the agents machine, whole: it took `p_for_s` and is over.
CREATE FUNCTION console.keep_checks(
    p_occasion text, p_commit text, p_version text, p_for_s float8, p_results jsonb, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    subject text := console.checks_subject(p_occasion, p_commit, p_version);
    moment timestamptz := clock_timestamp();
    begun timestamptz;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    refusal := CASE
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander', 'agent') THEN
            format('%s is a %s: to keep a run of the checks takes a responder', session_user, console.role_of(session_user))
        WHEN p_occasion IS NULL OR p_occasion NOT IN ('env', 'pre', 'post') THEN
            format('there are no checks %s: env, pre or post', left(coalesce(p_occasion, ''), 20))
        WHEN coalesce(p_commit, '') !~ '^([0-9a-f]{4,64})?$' THEN format('%s is no commit', left(p_commit, 64))
        WHEN jsonb_typeof(p_results) IS DISTINCT FROM 'array' OR jsonb_array_length(p_results) NOT BETWEEN 1 AND 100 THEN
            'expected 1 to 100 results'
        WHEN p_for_s IS NULL OR NOT (p_for_s >= 0 AND p_for_s <= 3600) THEN 'a run lasts at most an hour'
    END;
    IF refusal IS NOT NULL THEN
        refusal := console.refuse('checks', subject, NULL, refusal);
        RETURN;
    END IF;
    begun := moment - make_interval(secs => p_for_s);
    INSERT INTO console.check_run (occasion, commit, version, asked_at, started_at, ended_at, total)
        VALUES (p_occasion, coalesce(p_commit, ''), left(coalesce(p_version, ''), 60), begun, begun, moment,
            jsonb_array_length(p_results))
        RETURNING check_run.id INTO id;
    PERFORM console.put_results(id, 1, p_results);
    PERFORM console.forget_checks();
    PERFORM console.note_audit('ran', subject, NULL, jsonb_build_object('run', id));
END $$;

-- A person's word for what no program can see: of one release, or for at most 90 days.
CREATE FUNCTION console.tick_check(
    p_item text, p_commit text, p_note text, p_for_s float8, OUT refusal text, OUT made console.check_tick
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    subject text := 'check ' || left(coalesce(p_item, '?'), 60);
    what text := left(btrim(coalesce(p_note, '')), 400);
    of_release boolean := p_item = 'fe.error_boundaries';
    moment timestamptz;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    refusal := CASE
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: to tick a check takes a responder', session_user, console.role_of(session_user))
        WHEN p_item IS NULL OR p_item NOT IN ('db.backups', 'fe.error_boundaries') THEN
            format('%s is not ticked by hand: db.backups and fe.error_boundaries are', left(coalesce(p_item, ''), 60))
        WHEN what = '' THEN 'a tick needs a note: what was tried, and how it went'
        WHEN of_release AND coalesce(p_commit, '') !~ '^[0-9a-f]{7,64}$' THEN
            format('%s is ticked for one release: which one?', p_item)
        WHEN NOT coalesce(p_for_s > 0 AND p_for_s <= 90 * 86400, p_for_s IS NULL) THEN
            'a tick holds for at most 90 days'
    END;
    IF refusal IS NOT NULL THEN
        refusal := console.refuse('tick', subject, NULL, refusal);
        RETURN;
    END IF;
    moment := clock_timestamp();
    INSERT INTO console.check_tick (item, commit, author, at, note, until)
        VALUES (p_item, CASE WHEN of_release THEN p_commit ELSE '' END, session_user, moment, what,
            moment + CASE WHEN p_for_s IS NOT NULL THEN make_interval(secs => p_for_s)
                WHEN NOT of_release THEN interval '90 days' END)
        ON CONFLICT (item, commit) DO UPDATE SET author = excluded.author, at = excluded.at, note = excluded.note,
            until = excluded.until
        RETURNING * INTO made;
    DELETE FROM console.check_tick
        WHERE at < (SELECT min(at) FROM (SELECT at FROM console.check_tick ORDER BY at DESC LIMIT 500) AS kept);
    PERFORM console.note_audit('ticked', subject, NULL,
        jsonb_build_object('text', what, 'commit', made.commit, 'until', made.until));
END $$;

-- --- what the agent writes -----------------------------------------------------------------------------------------

-- A run of the agent's own, or of a step of an action: the open one where there is one.
CREATE FUNCTION console.open_checks(p_fence bigint, p_occasion text, p_commit text, p_version text, p_action_id bigint)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    found bigint;
BEGIN
    PERFORM console.hold(p_fence);
    INSERT INTO console.check_run (occasion, commit, version, action_id)
        VALUES (p_occasion, left(coalesce(p_commit, ''), 64), left(coalesce(p_version, ''), 60), p_action_id)
        ON CONFLICT (occasion, coalesce(action_id, 0)) WHERE ended_at IS NULL DO NOTHING
        RETURNING id INTO found;
    IF found IS NULL THEN
        SELECT id INTO found FROM console.check_run
            WHERE occasion = p_occasion AND action_id IS NOT DISTINCT FROM p_action_id AND ended_at IS NULL;
    END IF;
    RETURN found;
END $$;

-- It begins, or begins again: what an agent that died left of it is dropped. False: it is over.
CREATE FUNCTION console.start_checks(p_fence bigint, p_id bigint, p_total int) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    UPDATE console.check_run SET started_at = clock_timestamp(), total = p_total, fence = p_fence, words = ''
        WHERE id = p_id AND ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM console.check_result WHERE run_id = p_id;
    RETURN true;
END $$;

CREATE FUNCTION console.put_check(p_fence bigint, p_id bigint, p_place int, p_result jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    IF EXISTS (SELECT FROM console.check_run WHERE id = p_id AND ended_at IS NULL AND fence = p_fence) THEN
        PERFORM console.put_results(p_id, p_place, jsonb_build_array(p_result));
    END IF;
END $$;

-- The end of it; `p_words` say why it came to nothing.
CREATE FUNCTION console.end_checks(p_fence bigint, p_id bigint, p_words text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    UPDATE console.check_run SET ended_at = clock_timestamp(), words = left(coalesce(p_words, ''), 500)
        WHERE id = p_id AND ended_at IS NULL;
    PERFORM console.forget_checks();
END $$;

-- Which one to run next: the oldest that is open, also one that another agent began. Steps run their own; those whose
-- action is over come to nothing.
CREATE FUNCTION console.next_checks(p_fence bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    UPDATE console.check_run AS c SET ended_at = clock_timestamp(), words = 'cut off'
        WHERE c.ended_at IS NULL
            AND EXISTS (SELECT FROM console.action AS a WHERE a.id = c.action_id AND NOT console.under_way(a.state));
    RETURN (SELECT min(id) FROM console.check_run WHERE ended_at IS NULL AND action_id IS NULL);
END $$;

REVOKE ALL ON FUNCTION
    console.checks_subject(text, text, text),
    console.put_results(bigint, int, jsonb),
    console.forget_checks(),
    console.ask_checks(text, text, text),
    console.keep_checks(text, text, text, float8, jsonb),
    console.tick_check(text, text, text, float8),
    console.open_checks(bigint, text, text, text, bigint),
    console.start_checks(bigint, bigint, int),
    console.put_check(bigint, bigint, int, jsonb),
    console.end_checks(bigint, bigint, text),
    console.next_checks(bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.ask_checks(text, text, text),
    console.keep_checks(text, text, text, float8, jsonb),
    console.tick_check(text, text, text, float8)
TO console_viewer;
GRANT EXECUTE ON FUNCTION
    console.open_checks(bigint, text, text, text, bigint),
    console.start_checks(bigint, bigint, int),
    console.put_check(bigint, bigint, int, jsonb),
    console.end_checks(bigint, bigint, text),
    console.next_checks(bigint)
TO console_agent;
