-- What security detectors found: one growing row for each source that attacks, an append-only history beside it, and
-- where each detector is.

-- Columns as in domain/finding.py; `settled` is for whoever detects next.
CREATE TABLE console.finding (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 50),
    severity text NOT NULL CHECK (severity IN ('critical', 'warning', 'info')),
    source text NOT NULL CHECK (length(source) BETWEEN 1 AND 100),
    phase text NOT NULL CHECK (phase IN ('open', 'blocked', 'quiet')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    first_at timestamptz NOT NULL CHECK (isfinite(first_at)),
    attack_at timestamptz NOT NULL CHECK (isfinite(attack_at)),
    last_at timestamptz NOT NULL CHECK (isfinite(last_at)),
    count bigint NOT NULL CHECK (count > 0),
    peak int NOT NULL CHECK (peak > 0),
    threshold int NOT NULL CHECK (threshold > 0),
    window_s float8 NOT NULL CHECK (window_s > 0 AND window_s < 'Infinity'),
    users text[] NOT NULL CHECK (cardinality(users) <= 200),
    users_more boolean NOT NULL,
    affected text[] NOT NULL CHECK (cardinality(affected) <= 200),
    affected_more boolean NOT NULL,
    action text NOT NULL CHECK (length(action) <= 50),
    action_for_s float8 NOT NULL CHECK (action_for_s >= 0 AND action_for_s < 'Infinity'),
    blocked_until timestamptz CHECK (isfinite(blocked_until)),
    dismissed_by text,
    dismissed_at timestamptz,
    dismissed_reason text NOT NULL DEFAULT '',
    settled jsonb NOT NULL,
    CHECK ((dismissed_by IS NULL) = (dismissed_at IS NULL))
) WITH (fillfactor = 50);
CREATE INDEX finding_at ON console.finding (at);
CREATE INDEX finding_live ON console.finding (id) WHERE phase IN ('open', 'blocked');

CREATE TABLE console.finding_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    finding_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    actor text NOT NULL DEFAULT session_user,
    text text NOT NULL,
    count bigint NOT NULL
);
CREATE INDEX finding_change_finding ON console.finding_change (finding_id, id);

-- `revision` grows with each round that was written: a round that is sent twice is written once. An empty reason: it
-- can run.
CREATE TABLE console.detector (
    name text PRIMARY KEY,
    revision bigint NOT NULL DEFAULT 0,
    settled_at timestamptz,
    ran_at timestamptz,
    reason text NOT NULL DEFAULT ''
) WITH (fillfactor = 10);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console.finding_change
    FOR EACH STATEMENT EXECUTE FUNCTION console.refuse_change();
CREATE TRIGGER tell_insert AFTER INSERT ON console.finding REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('finding');
-- A column list, so that what only the next agent looks into wakes nobody.
CREATE TRIGGER tell_update AFTER UPDATE OF at ON console.finding
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('finding');
CREATE TRIGGER tell_insert AFTER INSERT ON console.detector REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('finding');
-- That one has run again wakes nobody.
CREATE TRIGGER tell_update AFTER UPDATE ON console.detector
    FOR EACH ROW WHEN (OLD.reason IS DISTINCT FROM NEW.reason) EXECUTE FUNCTION console.tell('finding');

GRANT SELECT ON console.finding, console.finding_change, console.detector TO console_viewer;

-- --- what the agent writes -----------------------------------------------------------------------------------------

-- How one finding became what it is now: into its history, and onto the timeline. Of one that was dismissed the
-- timeline is told only that somebody entered.
CREATE FUNCTION console.tell_finding(p_old console.finding, p_new console.finding, p_text text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    -- 0 below ten times the threshold, 1 below a hundred times ...
    grown boolean := p_old.id IS NOT NULL
        AND length((p_new.count / p_new.threshold)::text) > length((p_old.count / p_old.threshold)::text);
    entered boolean := cardinality(p_new.affected) > coalesce(cardinality(p_old.affected), 0);
    step record;
BEGIN
    FOR step IN
        SELECT k.kind, k.severity, left(concat_ws(': ', format(k.words, p_new.source), nullif(p_text, '')), 500) AS text
        FROM (VALUES
            (p_old.id IS NULL, 'opened', p_new.severity, replace(p_new.kind, '_', ' ') || ' from %s'),
            (p_old.phase <> 'open' AND p_new.phase = 'open', 'again', p_new.severity,
                CASE p_old.phase WHEN 'blocked' THEN '%s is no longer blocked' ELSE '%s attacks again' END),
            (grown, 'grown', p_new.severity, '%s goes on'),
            (entered, 'affected', 'critical', 'somebody logged in from %s'),
            (p_new.phase = 'blocked' AND p_old.phase IS DISTINCT FROM 'blocked', 'blocked', 'ok', '%s is blocked'),
            (p_new.phase = 'quiet' AND p_old.phase IS DISTINCT FROM 'quiet', 'quiet', 'ok', '%s is quiet')
        ) AS k(holds, kind, severity, words)
        WHERE k.holds
    LOOP
        INSERT INTO console.finding_change (finding_id, kind, text, count)
            VALUES (p_new.id, step.kind, step.text, p_new.count);
        IF p_new.dismissed_by IS NULL OR step.kind = 'affected' THEN
            INSERT INTO console.event (kind, severity, subject, text)
                VALUES ('security', step.severity, p_new.source, step.text);
        END IF;
    END LOOP;
END $$;

-- One round of a detector: {detector, revision, settled_at, reason, findings: [{id, text, ...}]}; a finding without an
-- id is a new one. Returns the ids of the findings in their order; null: another round was written since `revision`,
-- and nothing of this one.
CREATE FUNCTION console.write_findings(p_fence bigint, p_round jsonb) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    detector text := left(p_round ->> 'detector', 50);
    ids bigint[] := '{}';
    given jsonb;
    old console.finding;
    n console.finding;
BEGIN
    PERFORM console.hold(p_fence);
    IF coalesce(detector, '') = '' OR jsonb_typeof(p_round -> 'findings') IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'a round has a detector and an array of findings' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO console.detector (name) VALUES (detector) ON CONFLICT (name) DO NOTHING;
    UPDATE console.detector AS d
        SET revision = revision + 1, reason = left(coalesce(p_round ->> 'reason', ''), 200),
            ran_at = CASE coalesce(p_round ->> 'reason', '') WHEN '' THEN clock_timestamp() ELSE d.ran_at END,
            settled_at = coalesce((p_round ->> 'settled_at')::timestamptz, d.settled_at)
        WHERE name = detector AND revision = (p_round ->> 'revision')::bigint;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR given IN SELECT f FROM jsonb_array_elements(p_round -> 'findings') WITH ORDINALITY AS e(f, place) ORDER BY place
    LOOP
        old := NULL;
        IF given ->> 'id' IS NOT NULL THEN
            SELECT * INTO old FROM console.finding WHERE id = (given ->> 'id')::bigint FOR NO KEY UPDATE;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'there is no finding %', given ->> 'id' USING ERRCODE = 'invalid_parameter_value';
            END IF;
        END IF;
        n := jsonb_populate_record(old, given - '{id,text,at,opened_at,since}'::text[]
            - '{dismissed_by,dismissed_at,dismissed_reason}'::text[]);
        n.kind := detector;
        IF old.id IS NULL THEN
            n.id := nextval('console.finding_id_seq');
            n.at := clock_timestamp();
            n.opened_at := n.at;
            n.since := n.at;
            n.dismissed_reason := '';
            INSERT INTO console.finding OVERRIDING SYSTEM VALUE SELECT (n).*;
        ELSE
            UPDATE console.finding SET settled = n.settled WHERE id = n.id;
            n.settled := old.settled;
            IF n IS DISTINCT FROM old THEN
                n.at := clock_timestamp();
                n.since := CASE WHEN n.phase = old.phase THEN old.since ELSE n.at END;
                UPDATE console.finding SET
                        severity = n.severity, phase = n.phase, at = n.at, since = n.since, first_at = n.first_at,
                        attack_at = n.attack_at, last_at = n.last_at, count = n.count, peak = n.peak,
                        threshold = n.threshold, window_s = n.window_s, users = n.users, users_more = n.users_more,
                        affected = n.affected, affected_more = n.affected_more, action = n.action,
                        action_for_s = n.action_for_s, blocked_until = n.blocked_until
                    WHERE id = n.id;
            END IF;
        END IF;
        PERFORM console.tell_finding(old, n, given ->> 'text');
        ids := ids || n.id;
    END LOOP;
    DELETE FROM console.finding WHERE at < clock_timestamp() - interval '400 days' AND phase = 'quiet';
    RETURN ids;
END $$;

-- --- what people do ------------------------------------------------------------------------------------------------

-- Null: done. Else why not.
CREATE FUNCTION console.dismiss_finding(p_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    why text := left(btrim(coalesce(p_reason, '')), 400);
    f console.finding;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
    SELECT * INTO f FROM console.finding WHERE id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN format('there is no finding %s', p_id);
    ELSIF why = '' THEN
        RETURN 'to dismiss a finding needs a reason';
    ELSIF f.dismissed_by IS NOT NULL THEN
        RETURN format('%s dismissed finding %s %s ago: %s', f.dismissed_by, p_id,
            console.age_words(clock_timestamp() - f.dismissed_at), f.dismissed_reason);
    END IF;
    UPDATE console.finding
        SET dismissed_by = session_user, dismissed_at = clock_timestamp(), dismissed_reason = why,
            at = clock_timestamp()
        WHERE id = p_id;
    INSERT INTO console.finding_change (finding_id, kind, text, count) VALUES (p_id, 'dismissed', why, f.count);
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('security', 'info', f.source,
            left(format('%s dismissed the %s from %s: %s', session_user, replace(f.kind, '_', ' '), f.source, why), 500));
    RETURN NULL;
END $$;

CREATE FUNCTION console.audit_findings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.note_audit('dismissed', 'finding ' || finding_id, NULL,
            jsonb_build_object('finding', finding_id, 'text', text))
        FROM (SELECT * FROM added WHERE kind = 'dismissed' ORDER BY id) AS q;
    RETURN NULL;
END $$;

CREATE TRIGGER audit AFTER INSERT ON console.finding_change REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.audit_findings();

REVOKE ALL ON FUNCTION
    console.tell_finding(console.finding, console.finding, text),
    console.write_findings(bigint, jsonb),
    console.dismiss_finding(bigint, text),
    console.audit_findings()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.write_findings(bigint, jsonb) TO console_agent;
GRANT EXECUTE ON FUNCTION console.dismiss_finding(bigint, text) TO console_responder;
