-- Alerts: one row each, an append-only history beside it, silences, and the tick up to which rules were evaluated.

-- `definition` and `false_since` are for whoever evaluates next, `counted_at` is when it first fired without being
-- explained by another one; all other columns are as in domain/alert.py.
CREATE TABLE console.alert (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text NOT NULL CHECK (length(fingerprint) BETWEEN 1 AND 200),
    type text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning', 'info')),
    action text NOT NULL,
    phase text NOT NULL CHECK (phase IN ('pending', 'firing', 'resolved')),
    condition text NOT NULL,
    definition text NOT NULL,
    summary text NOT NULL,
    pending_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    for_s float8 NOT NULL CHECK (for_s >= 0 AND for_s < 'Infinity'),
    keep_firing_s float8 NOT NULL CHECK (keep_firing_s >= 0 AND keep_firing_s < 'Infinity'),
    metric text,
    unit text NOT NULL,
    "limit" float8 CHECK ("limit" NOT IN ('NaN', 'Infinity', '-Infinity')),
    low boolean NOT NULL,
    value float8 CHECK (value NOT IN ('NaN', 'Infinity', '-Infinity')),
    value_text text,
    peak float8 CHECK (peak NOT IN ('NaN', 'Infinity', '-Infinity')),
    peak_at timestamptz,
    fired_at timestamptz,
    false_since timestamptz,
    resolved_at timestamptz,
    resolution text NOT NULL,
    stale boolean NOT NULL,
    inhibited_by text,
    flaps int NOT NULL,
    channels text[] NOT NULL,
    runbook text NOT NULL,
    acknowledged_by text,
    acknowledged_at timestamptz,
    counted_at timestamptz,
    CHECK ((fired_at IS NULL) = (phase = 'pending')),
    CHECK ((resolved_at IS NOT NULL) = (phase = 'resolved')),
    CHECK ((acknowledged_by IS NULL) = (acknowledged_at IS NULL))
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX alert_open ON console.alert (fingerprint) WHERE phase IN ('pending', 'firing');
CREATE INDEX alert_resolved ON console.alert (resolved_at) WHERE phase = 'resolved';
CREATE INDEX alert_last ON console.alert (fingerprint, resolved_at) WHERE phase = 'resolved';

-- The severity is the alert's at that moment, and so is whether another one explained it: what fired can be counted
-- after it has changed or is gone.
CREATE TABLE console.alert_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    inhibited boolean NOT NULL DEFAULT false,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    actor text NOT NULL DEFAULT session_user,
    text text NOT NULL,
    value float8,
    value_text text
);
CREATE INDEX alert_change_alert ON console.alert_change (alert_id, id);
CREATE INDEX alert_change_rule ON console.alert_change (rule, id);
CREATE INDEX alert_change_fired ON console.alert_change (at) WHERE kind = 'firing';

CREATE TABLE console.silence (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    matchers jsonb NOT NULL,
    author text NOT NULL DEFAULT session_user,
    reason text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at >= starts_at),
    ended_by text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX silence_ends_at ON console.silence (ends_at);

CREATE TABLE console.alert_cursor (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    at timestamptz
) WITH (fillfactor = 10);
INSERT INTO console.alert_cursor DEFAULT VALUES;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console.alert_change
    FOR EACH STATEMENT EXECUTE FUNCTION console.refuse_change();

-- A trigger with a transition table is for one kind of statement only.
CREATE TRIGGER tell_insert AFTER INSERT ON console.alert REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('alert');
CREATE TRIGGER tell_update AFTER UPDATE ON console.alert REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('alert');
CREATE TRIGGER tell_delete AFTER DELETE ON console.alert REFERENCING OLD TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('alert');
CREATE TRIGGER tell_insert AFTER INSERT ON console.silence REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('alert');
CREATE TRIGGER tell_update AFTER UPDATE ON console.silence REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('alert');

-- Which open alerts the silences that hold at this moment match.
CREATE VIEW console.silenced AS
    SELECT a.id AS alert_id, s.id AS silence, s.author, s.ends_at
    FROM console.silence AS s CROSS JOIN console.alert AS a
    WHERE s.starts_at <= statement_timestamp() AND s.ends_at > statement_timestamp()
        AND a.phase IN ('pending', 'firing')
        AND NOT EXISTS (
            SELECT FROM jsonb_to_recordset(s.matchers) AS m(label text, op text, value text),
                LATERAL (
                    SELECT coalesce(CASE m.label
                        WHEN 'rule' THEN a.fingerprint WHEN 'severity' THEN a.severity
                        WHEN 'type' THEN a.type WHEN 'metric' THEN a.metric
                    END, '')
                ) AS has(value)
            WHERE NOT CASE m.op
                WHEN '=' THEN has.value = m.value
                WHEN '!=' THEN has.value <> m.value
                WHEN '=~' THEN has.value ~ ('^(?:' || m.value || ')$')
                WHEN '!~' THEN has.value !~ ('^(?:' || m.value || ')$')
            END
        );

-- Every alert with the silence that holds it longest.
CREATE VIEW console.alert_now AS
    SELECT a.*, s.silence, s.author AS silenced_by, s.ends_at AS silenced_until
    FROM console.alert AS a LEFT JOIN (
        SELECT DISTINCT ON (alert_id) * FROM console.silenced ORDER BY alert_id, ends_at DESC, silence DESC
    ) AS s ON s.alert_id = a.id;

GRANT SELECT ON console.alert, console.alert_change, console.silence, console.alert_cursor, console.alert_now
    TO console_viewer;

-- Whoever changes alerts does so alone: no row is changed under the agent's hands, and none waits crosswise. Somebody
-- who leaves a transaction open is not waited for longer than an agent would be.
CREATE FUNCTION console.hold_alerts() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM FROM console.alert_cursor FOR NO KEY UPDATE;
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
END $$;

-- --- what the agent writes -----------------------------------------------------------------------------------------

-- Raises for the first change that does not fit.
CREATE FUNCTION console.check_changes(p_changes jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    known text[] := '{op, rule, flap_s, type, severity, action, phase, condition, definition, summary, pending_at, at,
        for_s, keep_firing_s, metric, unit, limit, low, value, peak, peak_at, fired_at, false_since, resolved_at,
        resolution, stale, inhibited_by, channels, runbook}';
    bad record;
BEGIN
    IF jsonb_typeof(p_changes) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'changes of alerts must be an array, not %', coalesce(jsonb_typeof(p_changes), 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT e.place, left(e.change::text, 200) AS change,
            (SELECT min(key) FROM jsonb_object_keys(CASE jsonb_typeof(e.change) WHEN 'object' THEN e.change END) AS key
             WHERE key <> ALL (known)) AS unknown
        INTO bad
        FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS e(change, place)
        WHERE CASE jsonb_typeof(e.change) WHEN 'object' THEN
            e.change ->> 'op' IN ('open', 'update', 'drop', 'resolve')
            AND jsonb_typeof(e.change -> 'rule') = 'string' AND length(e.change ->> 'rule') BETWEEN 1 AND 200
            AND coalesce(jsonb_typeof(e.change -> 'value') IN ('number', 'string', 'null'), true)
            AND e.change - known = '{}'
        END IS NOT TRUE
        ORDER BY e.place LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'change % of alerts does not fit: % in %', bad.place,
                coalesce('unknown key ' || bad.unknown, 'op, rule (1 to 200 characters) or value is not as expected'),
                bad.change
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
END $$;

-- One change of one alert: `after` takes the place of `before` (null: a new row), and the pending row `gone` ends.
CREATE TYPE console.alert_step AS (op text, before console.alert, after console.alert, gone bigint);

CREATE FUNCTION console.next_step(p_change jsonb, p_open console.alert, p_cursor timestamptz)
RETURNS console.alert_step
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    op text := p_change ->> 'op';
    given jsonb := p_change -> 'value';
    old console.alert := p_open;
    n console.alert;
    acknowledged_as text := p_open.severity;
    gone bigint;
BEGIN
    IF (op = 'open') = (p_open.id IS NOT NULL) OR op = 'drop' AND p_open.phase <> 'pending'
        OR op = 'resolve' AND p_open.phase <> 'firing'
    THEN
        RAISE EXCEPTION 'alert "%" can''t %: it is %', p_change ->> 'rule', op, coalesce(p_open.phase, 'not open')
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- What is absent stays as it was.
    n := jsonb_populate_record(p_open, p_change - 'value');
    n.fingerprint := p_change ->> 'rule';
    n.at := coalesce((p_change ->> 'at')::timestamptz, p_cursor);
    IF given IS NOT NULL THEN
        n.value := CASE jsonb_typeof(given) WHEN 'number' THEN given::float8 END;
        n.value_text := CASE jsonb_typeof(given) WHEN 'string' THEN left(given #>> '{}', 500) END;
    END IF;
    IF op = 'resolve' THEN
        n.phase := 'resolved';
        n.resolved_at := coalesce(n.resolved_at, n.at);
        n.stale := false;
        n.false_since := NULL;
    END IF;
    n.pending_at := coalesce(n.pending_at, n.at);
    IF n.phase = 'firing' THEN
        n.fired_at := coalesce(n.fired_at, n.at);
    END IF;
    n.type := left(n.type, 100);
    n.action := left(n.action, 100);
    n.condition := left(n.condition, 1000);
    n.definition := left(coalesce(n.definition, ''), 200);
    n.summary := left(coalesce(n.summary, ''), 500);
    n.for_s := coalesce(n.for_s, 0);
    n.keep_firing_s := coalesce(n.keep_firing_s, 0);
    n.metric := left(n.metric, 200);
    n.unit := left(coalesce(n.unit, ''), 20);
    n.low := coalesce(n.low, false);
    n.resolution := left(coalesce(n.resolution, ''), 500);
    n.stale := coalesce(n.stale, false);
    n.inhibited_by := left(n.inhibited_by, 200);
    n.flaps := coalesce(n.flaps, 0);
    n.channels := coalesce(n.channels, '{}');
    n.runbook := left(coalesce(n.runbook, ''), 200);
    IF op = 'drop' THEN
        gone := n.id;
    ELSIF n.phase = 'firing' AND p_open.phase IS DISTINCT FROM 'firing' AND p_change ? 'flap_s' THEN
        SELECT * INTO old FROM console.alert AS a
            WHERE a.fingerprint = n.fingerprint AND a.phase = 'resolved'
                AND a.resolved_at >= n.at - make_interval(secs => (p_change ->> 'flap_s')::float8)
            ORDER BY a.resolved_at DESC LIMIT 1;
        IF FOUND THEN
            gone := n.id;
            n.id := old.id;
            n.flaps := old.flaps + 1;
            old.inhibited_by := NULL;
            IF n.acknowledged_by IS NULL THEN
                n.acknowledged_by := old.acknowledged_by;
                n.acknowledged_at := old.acknowledged_at;
                acknowledged_as := old.severity;
            ELSE
                old.acknowledged_by := n.acknowledged_by;
            END IF;
        ELSE
            old := p_open;
        END IF;
    END IF;
    IF n.severity = 'critical' AND acknowledged_as <> 'critical' THEN
        n.acknowledged_by := NULL;
        n.acknowledged_at := NULL;
    END IF;
    IF n.phase = 'firing' AND n.inhibited_by IS NULL THEN
        n.counted_at := coalesce(n.counted_at, old.counted_at, n.at);
    ELSE
        n.counted_at := coalesce(n.counted_at, old.counted_at);
    END IF;
    n.id := coalesce(n.id, nextval('console.alert_id_seq'));
    RETURN ROW(op, old, n, gone)::console.alert_step;
END $$;

-- Each alert is at most once among them.
CREATE FUNCTION console.apply_steps(p_steps console.alert_step[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    DELETE FROM console.alert WHERE id IN (SELECT s.gone FROM unnest(p_steps) AS s WHERE s.gone IS NOT NULL);
    UPDATE console.alert AS a SET
            type = n.type, severity = n.severity, action = n.action, phase = n.phase, condition = n.condition,
            definition = n.definition, summary = n.summary, pending_at = n.pending_at, at = n.at, for_s = n.for_s,
            keep_firing_s = n.keep_firing_s, metric = n.metric, unit = n.unit, "limit" = n."limit", low = n.low,
            value = n.value, value_text = n.value_text, peak = n.peak, peak_at = n.peak_at, fired_at = n.fired_at,
            false_since = n.false_since, resolved_at = n.resolved_at, resolution = n.resolution, stale = n.stale,
            inhibited_by = n.inhibited_by, flaps = n.flaps, channels = n.channels, runbook = n.runbook,
            acknowledged_by = n.acknowledged_by, acknowledged_at = n.acknowledged_at, counted_at = n.counted_at
        FROM unnest(ARRAY(
            SELECT s.after FROM unnest(p_steps) AS s
            WHERE s.op <> 'drop' AND (s.before).id IS NOT NULL AND s.before IS DISTINCT FROM s.after
        )) AS n
        WHERE a.id = n.id;
    INSERT INTO console.alert OVERRIDING SYSTEM VALUE
        SELECT (s.after).* FROM unnest(p_steps) AS s WHERE (s.before).id IS NULL;
    INSERT INTO console.alert_change (alert_id, rule, severity, inhibited, at, kind, text, value, value_text)
        SELECT n.id, n.fingerprint, n.severity, n.inhibited_by IS NOT NULL, n.at, k.kind, left(k.text, 500), n.value,
            n.value_text
        FROM unnest(p_steps) WITH ORDINALITY AS s(op, before, after, gone, place),
            LATERAL (SELECT (s.before).*) AS b, LATERAL (SELECT (s.after).*) AS n,
            LATERAL (VALUES
                (1, s.op = 'drop', 'inactive', n.resolution),
                (2, s.op <> 'drop' AND n.phase IS DISTINCT FROM b.phase, n.phase,
                    CASE n.phase WHEN 'resolved' THEN n.resolution ELSE n.summary END),
                (3, n.severity <> b.severity, 'severity', b.severity || ' -> ' || n.severity),
                (4, b.acknowledged_by IS NOT NULL AND n.acknowledged_by IS NULL, 'unacknowledged',
                    'it is critical now'),
                (5, n.stale IS DISTINCT FROM b.stale AND (n.stale OR b.stale AND n.phase = 'firing'),
                    CASE WHEN n.stale THEN 'stale' ELSE 'fresh' END, n.summary),
                (6, n.inhibited_by IS DISTINCT FROM b.inhibited_by,
                    CASE WHEN n.inhibited_by IS NULL THEN 'uninhibited' ELSE 'inhibited' END,
                    coalesce(n.inhibited_by, b.inhibited_by))
            ) AS k(rank, holds, kind, text)
        WHERE k.holds
            AND (s.op <> 'update' OR (n.phase, n.severity, n.stale, n.inhibited_by, n.acknowledged_by)
                IS DISTINCT FROM (b.phase, b.severity, b.stale, b.inhibited_by, b.acknowledged_by))
        ORDER BY s.place, k.rank;
    INSERT INTO console.event (at, kind, severity, subject, text)
        SELECT n.at, 'alert', k.severity, left(n.fingerprint, 100), left(k.text, 500)
        FROM unnest(p_steps) WITH ORDINALITY AS s(op, before, after, gone, place),
            LATERAL (SELECT (s.before).*) AS b, LATERAL (SELECT (s.after).*) AS n,
            LATERAL (VALUES
                (1, b.acknowledged_by IS NOT NULL AND n.acknowledged_by IS NULL, 'info',
                    format('%s is critical now: the acknowledgement by %s is taken back', n.fingerprint,
                        b.acknowledged_by)),
                -- One that was inhibited until now begins to count.
                (2, n.phase = 'firing' AND (b.phase IS DISTINCT FROM 'firing' OR b.inhibited_by IS NOT NULL),
                    n.severity,
                    concat_ws(': ', n.fingerprint || CASE n.flaps WHEN 0 THEN ' fires' ELSE ' fires again' END,
                        nullif(n.summary, ''))),
                (3, b.phase = 'firing' AND n.phase = 'firing' AND n.severity <> b.severity, n.severity,
                    concat_ws(': ', format('%s is %s now', n.fingerprint, n.severity), nullif(n.summary, ''))),
                (4, n.phase = 'resolved', 'ok',
                    concat_ws(': ',
                        format('%s resolved after %s', n.fingerprint, console.age_words(n.resolved_at - n.fired_at)),
                        nullif(n.resolution, '')))
            ) AS k(rank, holds, severity, text)
        WHERE k.holds AND n.inhibited_by IS NULL AND s.op <> 'drop'
            AND (s.op <> 'update' OR (n.phase, n.severity, n.inhibited_by, n.acknowledged_by)
                IS DISTINCT FROM (b.phase, b.severity, b.inhibited_by, b.acknowledged_by))
        ORDER BY s.place, k.rank;
END $$;

-- What the evaluation of the tick at `p_cursor` changed, in order. False: a tick as late has been evaluated already,
-- and nothing is written; unless that one lies in the future, because the clock was set back.
CREATE FUNCTION console.write_alerts(p_fence bigint, p_cursor timestamptz, p_changes jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    steps console.alert_step[];
    rounds bigint;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.check_changes(p_changes);
    IF p_cursor IS NULL OR NOT isfinite(p_cursor) THEN
        RAISE EXCEPTION 'alerts are evaluated at a moment, not at %', coalesce(p_cursor::text, 'null')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM console.hold_alerts();
    UPDATE console.alert_cursor SET at = p_cursor
        WHERE at IS NULL OR at < p_cursor
            OR at > clock_timestamp() + interval '1 minute' AND p_cursor < clock_timestamp() + interval '1 minute';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- A rule that was changed is resolved and opened again in one call: the first changes of all rules together, then
    -- the second ones.
    SELECT max(n) INTO rounds
        FROM (SELECT count(*) FROM jsonb_array_elements(p_changes) AS change GROUP BY change ->> 'rule') AS per_rule(n);
    FOR round IN 1..coalesce(rounds, 0) LOOP
        SELECT array_agg(console.next_step(c.change, a, p_cursor) ORDER BY c.place) INTO steps
            FROM (
                SELECT change, place, row_number() OVER (PARTITION BY change ->> 'rule' ORDER BY place) AS turn
                FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS e(change, place)
            ) AS c
            LEFT JOIN console.alert AS a
                ON a.fingerprint = c.change ->> 'rule' AND a.phase IN ('pending', 'firing')
            WHERE c.turn = round;
        PERFORM console.apply_steps(steps);
    END LOOP;
    RETURN true;
END $$;

-- Whoever asks for it is the actor.
CREATE FUNCTION console.take_back(p_ids bigint[], p_at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    INSERT INTO console.alert_change (alert_id, rule, severity, at, kind, text, value, value_text)
        SELECT id, fingerprint, severity, p_at, 'unacknowledged',
            format('%s acknowledged it %s ago', acknowledged_by, console.age_words(p_at - acknowledged_at)),
            value, value_text
        FROM console.alert WHERE id = ANY (p_ids) ORDER BY id;
    INSERT INTO console.event (at, kind, severity, subject, text)
        SELECT p_at, 'alert', 'info', left(fingerprint, 100),
            left(format('%s took back the acknowledgement of %s: %s gave it %s ago', session_user, fingerprint,
                acknowledged_by, console.age_words(p_at - acknowledged_at)), 500)
        FROM console.alert WHERE id = ANY (p_ids) ORDER BY id;
    UPDATE console.alert SET acknowledged_by = NULL, acknowledged_at = NULL WHERE id = ANY (p_ids);
END $$;

-- Takes back what was acknowledged `p_idle_s` before `p_at` or earlier and still fires; how many those were.
CREATE FUNCTION console.expire_acknowledgements(p_fence bigint, p_at timestamptz, p_idle_s float8) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    latest timestamptz := p_at - make_interval(secs => p_idle_s);
    ids bigint[];
BEGIN
    PERFORM console.hold(p_fence);
    -- Looked at first: on most ticks there is nothing to wait for.
    IF NOT EXISTS (SELECT FROM console.alert WHERE phase = 'firing' AND acknowledged_at <= latest) THEN
        RETURN 0;
    END IF;
    PERFORM console.hold_alerts();
    ids := ARRAY(SELECT id FROM console.alert WHERE phase = 'firing' AND acknowledged_at <= latest);
    PERFORM console.take_back(ids, p_at);
    RETURN cardinality(ids);
END $$;

-- --- what people do ------------------------------------------------------------------------------------------------

-- Why these alerts, or not all of them, can be acknowledged (or, with `p_back`, not any more be so): the first five
-- reasons, and how many more there are. Null: they can.
CREATE FUNCTION console.check_alerts(p_ids bigint[], p_back boolean) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    reasons text[];
BEGIN
    IF coalesce(cardinality(p_ids), 0) = 0 THEN
        RETURN 'no alert was named';
    END IF;
    SELECT array_agg(
            CASE
                WHEN a.id IS NULL THEN format('there is no alert %s', w.id)
                WHEN a.phase = 'resolved' THEN format('%s is resolved already', a.fingerprint)
                ELSE format('nobody has acknowledged %s', a.fingerprint)
            END ORDER BY w.id
        ) INTO reasons
        FROM (SELECT DISTINCT unnest(p_ids)) AS w(id) LEFT JOIN console.alert AS a USING (id)
        WHERE a.id IS NULL OR a.phase = 'resolved' OR p_back AND a.acknowledged_by IS NULL;
    RETURN array_to_string(reasons[:5], ', ')
        || CASE WHEN cardinality(reasons) > 5 THEN format(', and %s more', cardinality(reasons) - 5) ELSE '' END;
END $$;

-- Null: done, all of them. Else why none was.
CREATE FUNCTION console.ack_alerts(p_ids bigint[], p_note text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    note text := left(btrim(coalesce(p_note, '')), 400);
    refusal text;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    refusal := console.check_alerts(p_ids, false);
    IF refusal IS NULL THEN
        UPDATE console.alert SET acknowledged_by = session_user, acknowledged_at = clock_timestamp()
            WHERE id = ANY (p_ids);
        INSERT INTO console.alert_change (alert_id, rule, severity, kind, text, value, value_text)
            SELECT id, fingerprint, severity, 'acknowledged', note, value, value_text
            FROM console.alert WHERE id = ANY (p_ids) ORDER BY id;
        INSERT INTO console.event (kind, severity, subject, text)
            SELECT 'alert', 'info', left(fingerprint, 100),
                left(concat_ws(': ', format('%s acknowledged %s', session_user, fingerprint), nullif(note, '')), 500)
            FROM console.alert WHERE id = ANY (p_ids) ORDER BY id;
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.unack_alerts(p_ids bigint[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    refusal text;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    refusal := console.check_alerts(p_ids, true);
    IF refusal IS NULL THEN
        PERFORM console.take_back(p_ids, clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.matcher_words(p_matchers jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT string_agg(format('%s%s"%s"', m ->> 'label', m ->> 'op', m ->> 'value'), ', ' ORDER BY place)
    FROM jsonb_array_elements(p_matchers) WITH ORDINALITY AS e(m, place)
$$;

-- Why these can't be the matchers of a silence; null: they can.
CREATE FUNCTION console.check_matchers(p_matchers jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    m jsonb;
    pattern text;
    picks boolean := false;
BEGIN
    IF jsonb_typeof(p_matchers) IS DISTINCT FROM 'array' OR jsonb_array_length(p_matchers) NOT BETWEEN 1 AND 20 THEN
        RETURN 'a silence needs 1 to 20 matchers, such as rule="High Error Rate"';
    END IF;
    FOR m IN SELECT jsonb_array_elements(p_matchers) LOOP
        IF jsonb_typeof(m) <> 'object' OR jsonb_typeof(m -> 'label') IS DISTINCT FROM 'string'
            OR jsonb_typeof(m -> 'op') IS DISTINCT FROM 'string' OR jsonb_typeof(m -> 'value') IS DISTINCT FROM 'string'
        THEN
            RETURN format('a matcher has a label, an op and a value, all of them text: %s', left(m::text, 200));
        ELSIF m ->> 'label' NOT IN ('rule', 'severity', 'type', 'metric') THEN
            RETURN format('a silence can''t match "%s": it matches rule, severity, type or metric',
                left(m ->> 'label', 50));
        ELSIF m ->> 'op' NOT IN ('=', '!=', '=~', '!~') THEN
            RETURN format('a silence can''t compare with "%s": there are =, !=, =~ and !~', left(m ->> 'op', 50));
        ELSIF length(m ->> 'value') > 200 THEN
            RETURN format('a value of a matcher has at most 200 characters, that of %s has %s', m ->> 'label',
                length(m ->> 'value'));
        END IF;
        pattern := '^(?:' || (m ->> 'value') || ')$';
        IF m ->> 'op' IN ('=~', '!~') THEN
            BEGIN
                -- Alone as well: `a)|(b` makes sense only where it is put into parentheses, and is then not anchored.
                PERFORM '' ~ (m ->> 'value'), '' ~ pattern;
            EXCEPTION WHEN invalid_regular_expression THEN
                RETURN format('%s: %s', console.matcher_words(jsonb_build_array(m)), SQLERRM);
            END;
        END IF;
        picks := picks OR CASE m ->> 'op' WHEN '=' THEN m ->> 'value' <> '' WHEN '=~' THEN '' !~ pattern ELSE false END;
    END LOOP;
    IF NOT picks THEN
        RETURN 'such a silence would quieten everything: name with = or =~ what it is for';
    END IF;
    RETURN NULL;
END $$;

-- Where the timeline puts a silence: to the rule that it names.
CREATE FUNCTION console.silence_subject(p_silence console.silence) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT left(coalesce(min(m.value) FILTER (WHERE m.label = 'rule' AND m.op = '='), 'silence ' || p_silence.id), 100)
    FROM jsonb_to_recordset(p_silence.matchers) AS m(label text, op text, value text)
$$;

CREATE FUNCTION console.add_silence(
    p_matchers jsonb, p_for_s float8, p_reason text, OUT refusal text, OUT made console.silence
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    why text := left(btrim(coalesce(p_reason, '')), 400);
BEGIN
    PERFORM console.require('console_responder');
    refusal := CASE
        WHEN p_for_s IS NULL OR NOT (p_for_s > 0 AND p_for_s <= 30 * 86400) THEN
            'a silence ends after it begins, and at most 30 days later'
        WHEN why = '' THEN 'a silence needs a reason'
        ELSE console.check_matchers(p_matchers)
    END;
    IF refusal IS NOT NULL THEN
        RETURN;
    END IF;
    INSERT INTO console.silence (matchers, reason, starts_at, ends_at)
        SELECT jsonb_agg(
                jsonb_build_object('label', m ->> 'label', 'op', m ->> 'op', 'value', m ->> 'value') ORDER BY place
            ),
            why, statement_timestamp(), statement_timestamp() + make_interval(secs => p_for_s)
        FROM jsonb_array_elements(p_matchers) WITH ORDINALITY AS e(m, place)
        RETURNING * INTO made;
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('alert', 'info', console.silence_subject(made),
            left(format('%s silenced %s until %s UTC: %s', session_user,
                left(console.matcher_words(made.matchers), 200),
                to_char(made.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), why), 500));
    INSERT INTO console.alert_change (alert_id, rule, severity, kind, text, value, value_text)
        SELECT a.id, a.fingerprint, a.severity, 'silenced', why, a.value, a.value_text
        FROM console.silenced AS s JOIN console.alert AS a ON a.id = s.alert_id WHERE s.silence = made.id ORDER BY a.id;
END $$;

CREATE FUNCTION console.end_silence(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    s console.silence;
BEGIN
    PERFORM console.require('console_responder');
    SELECT * INTO s FROM console.silence WHERE id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN format('there is no silence %s', p_id);
    ELSIF s.ends_at <= clock_timestamp() THEN
        RETURN format('silence %s ended %s ago', p_id, console.age_words(clock_timestamp() - s.ends_at));
    END IF;
    INSERT INTO console.alert_change (alert_id, rule, severity, kind, text, value, value_text)
        SELECT a.id, a.fingerprint, a.severity, 'unsilenced', s.reason, a.value, a.value_text
        FROM console.silenced AS q JOIN console.alert AS a ON a.id = q.alert_id WHERE q.silence = p_id ORDER BY a.id;
    UPDATE console.silence SET ends_at = greatest(clock_timestamp(), starts_at), ended_by = session_user
        WHERE id = p_id;
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('alert', 'info', console.silence_subject(s),
            left(format('%s ended the silence of %s (by %s: %s)', session_user,
                left(console.matcher_words(s.matchers), 200), s.author, s.reason), 500));
    RETURN NULL;
END $$;

-- --- housekeeping --------------------------------------------------------------------------------------------------

-- As before, and alerts that were resolved 400 days ago. Their history stays.
CREATE OR REPLACE FUNCTION console.prepare_partitions(p_fence bigint, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp SET lock_timeout = '500ms' AS $$
BEGIN
    PERFORM console.hold(p_fence);
    FOR ahead IN 0..2 LOOP
        PERFORM console.ensure_partition('tick', p_now + make_interval(days => ahead));
    END LOOP;
    DELETE FROM console.presence WHERE seen_at < p_now - interval '7 days';
    DELETE FROM console.alert WHERE phase = 'resolved' AND resolved_at < p_now - interval '400 days';
END $$;

REVOKE ALL ON FUNCTION
    console.hold_alerts(),
    console.check_changes(jsonb),
    console.next_step(jsonb, console.alert, timestamptz),
    console.apply_steps(console.alert_step[]),
    console.write_alerts(bigint, timestamptz, jsonb),
    console.expire_acknowledgements(bigint, timestamptz, float8),
    console.take_back(bigint[], timestamptz),
    console.check_alerts(bigint[], boolean),
    console.ack_alerts(bigint[], text),
    console.unack_alerts(bigint[]),
    console.matcher_words(jsonb),
    console.check_matchers(jsonb),
    console.silence_subject(console.silence),
    console.add_silence(jsonb, float8, text),
    console.end_silence(bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.write_alerts(bigint, timestamptz, jsonb),
    console.expire_acknowledgements(bigint, timestamptz, float8)
TO console_agent;
GRANT EXECUTE ON FUNCTION
    console.ack_alerts(bigint[], text),
    console.unack_alerts(bigint[]),
    console.add_silence(jsonb, float8, text),
    console.end_silence(bigint)
TO console_responder;
