-- Incidents: one row each, what is linked to it beside, and everything that happened to it on the one timeline. Who has
-- which console open, and shifts handed over.

-- `incident_id` is null for what is not about one incident alone; `body` is all that somebody wrote, of which `text` is
-- the first line.
ALTER TABLE console.event ADD COLUMN incident_id bigint, ADD COLUMN body text;
CREATE INDEX event_incident ON console.event (incident_id, at, id) WHERE incident_id IS NOT NULL;
-- In the place of event_at: whoever asks for a time asks for what happened on the platform.
DROP INDEX console.event_at;
CREATE INDEX event_platform ON console.event (at, id) WHERE incident_id IS NULL;

-- As in domain/incident.py. One that was merged is closed, too. `roles` is {role: login}.
CREATE TABLE console.incident (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    level int NOT NULL CHECK (level BETWEEN 1 AND 3),
    opened_at timestamptz NOT NULL,
    opened_by text NOT NULL DEFAULT session_user,
    detected_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    mitigated_at timestamptz,
    mitigated_by text,
    closed_at timestamptz,
    closed_by text,
    resolution text NOT NULL DEFAULT '',
    merged_into bigint REFERENCES console.incident,
    roles jsonb NOT NULL DEFAULT '{}',
    next_update_at timestamptz,
    plot text NOT NULL DEFAULT '',
    CHECK ((acknowledged_by IS NULL) = (acknowledged_at IS NULL)),
    CHECK ((mitigated_by IS NULL) = (mitigated_at IS NULL)),
    CHECK ((closed_by IS NULL) = (closed_at IS NULL)),
    CHECK (merged_into IS NULL OR closed_at IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX incident_open ON console.incident (id) WHERE closed_at IS NULL;
CREATE INDEX incident_closed ON console.incident (closed_at);

-- An alert belongs to at most one incident that is not over; those that are over keep what was theirs.
CREATE TABLE console.incident_alert (
    incident_id bigint NOT NULL REFERENCES console.incident,
    alert_id bigint NOT NULL,
    rule text NOT NULL,
    PRIMARY KEY (incident_id, alert_id)
);
CREATE INDEX incident_alert_alert ON console.incident_alert (alert_id);

-- A runbook as it was when it was attached: `steps` as in console.book, in `ladder` the time scale is contained.
CREATE TABLE console.incident_book (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL REFERENCES console.incident,
    name text NOT NULL,
    title text NOT NULL,
    steps jsonb NOT NULL,
    ladder jsonb NOT NULL
);
CREATE INDEX incident_book_incident ON console.incident_book (incident_id);

-- What was said of a step last; what was said before is on the timeline. `automatic`: the agent said it, and `note` is
-- its evidence.
CREATE TABLE console.incident_mark (
    book_id bigint NOT NULL REFERENCES console.incident_book,
    place int NOT NULL,
    state text NOT NULL CHECK (state IN ('done', 'skipped')),
    author text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL,
    note text NOT NULL,
    action_id bigint,
    automatic boolean NOT NULL DEFAULT false,
    PRIMARY KEY (book_id, place)
);

-- Steps of which a person took back what the agent had said: from then on only people tick them.
CREATE TABLE console.incident_by_hand (
    book_id bigint NOT NULL REFERENCES console.incident_book,
    place int NOT NULL,
    PRIMARY KEY (book_id, place)
);

CREATE TABLE console.incident_note (
    incident_id bigint NOT NULL REFERENCES console.incident,
    key text NOT NULL,
    event_id bigint NOT NULL,
    PRIMARY KEY (incident_id, key)
);

CREATE TABLE console.incident_pin (
    incident_id bigint NOT NULL REFERENCES console.incident,
    event_id bigint NOT NULL,
    author text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL,
    PRIMARY KEY (incident_id, event_id)
);

CREATE TABLE console.follow_up (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL REFERENCES console.incident,
    text text NOT NULL,
    owner text NOT NULL,
    author text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL,
    done_by text,
    done_at timestamptz
);
CREATE INDEX follow_up_incident ON console.follow_up (incident_id);

-- Its text, author and time are those of its event.
CREATE TABLE console.incident_update (
    event_id bigint PRIMARY KEY,
    incident_id bigint NOT NULL REFERENCES console.incident,
    template text NOT NULL,
    audience text NOT NULL,
    kind text NOT NULL
);
CREATE INDEX incident_update_incident ON console.incident_update (incident_id);

-- Whose console is where: of an incident, or 0 for anywhere. Of 0, `left_at` is when the visit before this one ended.
CREATE TABLE console.attendance (
    person text NOT NULL,
    incident_id bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    active_at timestamptz NOT NULL,
    screen int NOT NULL,
    selection text NOT NULL,
    left_at timestamptz,
    PRIMARY KEY (person, incident_id)
) WITH (fillfactor = 50);

CREATE TABLE console.handover (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    giver text NOT NULL DEFAULT session_user,
    taker text NOT NULL,
    text text NOT NULL,
    note text NOT NULL,
    at timestamptz NOT NULL,
    signed_at timestamptz
);

-- A trigger with a transition table is for one kind of statement only.
DO $$
DECLARE
    t text;
    verb text;
BEGIN
    FOREACH t IN ARRAY '{incident, incident_alert, incident_book, incident_mark, incident_pin, follow_up,
        incident_update, handover}'::text[]
    LOOP
        FOREACH verb IN ARRAY '{INSERT, UPDATE, DELETE}'::text[] LOOP
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON console.%I REFERENCING %s TABLE AS added
                FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', 'tell_' || lower(verb), verb, t,
                CASE verb WHEN 'DELETE' THEN 'OLD' ELSE 'NEW' END,
                CASE t WHEN 'handover' THEN 'handover' ELSE 'incident' END);
        END LOOP;
    END LOOP;
END $$;

-- What fires, counts, and belongs to no incident: neither to one that is not over, nor to one that was closed since.
CREATE VIEW console.alert_alone AS
    SELECT a.* FROM console.alert AS a
    WHERE a.phase = 'firing' AND a.inhibited_by IS NULL
        AND NOT EXISTS (SELECT FROM console.silenced AS s WHERE s.alert_id = a.id)
        AND NOT EXISTS (
            SELECT FROM console.incident_alert AS l JOIN console.incident AS i ON i.id = l.incident_id
            WHERE l.alert_id = a.id AND (i.closed_at IS NULL OR i.closed_at >= a.fired_at)
        );

GRANT SELECT ON console.incident, console.incident_alert, console.incident_book, console.incident_mark,
    console.incident_by_hand, console.incident_pin, console.follow_up, console.incident_update, console.attendance, console.handover,
    console.alert_alone
TO console_viewer;

-- --- inside --------------------------------------------------------------------------------------------------------

-- Whoever changes an incident holds its row first: so everybody sees the same order, and nothing is lost or doubled.
-- Whoever changes alerts as well, or more than one incident, holds the alerts before. One that leaves the transaction
-- open is not waited for longer than an agent would be.
CREATE FUNCTION console.hold_incident(p_id bigint) RETURNS console.incident
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
BEGIN
    SELECT * INTO i FROM console.incident WHERE id = p_id FOR NO KEY UPDATE;
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
    RETURN i;
END $$;

-- Why nothing can be changed of this one, as it was held; null: it can. `p_after`: also after it was closed.
CREATE FUNCTION console.why_not_incident(i console.incident, p_id bigint, p_after boolean) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN i.id IS NULL THEN format('there is no incident INC-%s', p_id)
        WHEN i.merged_into IS NOT NULL THEN format('INC-%s went into INC-%s', i.id, i.merged_into)
        WHEN i.closed_at IS NOT NULL AND NOT p_after THEN
            format('%s closed INC-%s %s ago: it is to be reopened first', i.closed_by, i.id,
                console.age_words(clock_timestamp() - i.closed_at))
    END
$$;

-- An entry of its timeline.
CREATE FUNCTION console.tell_incident(
    p_id bigint, p_kind text, p_severity text, p_text text, p_at timestamptz, p_body text DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    INSERT INTO console.event (at, kind, severity, subject, text, incident_id, body)
        VALUES (p_at, p_kind, p_severity, 'INC-' || p_id, left(p_text, 500), p_id, p_body)
        RETURNING id
$$;

CREATE FUNCTION console.level_severity(p_level int) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE p_level WHEN 1 THEN 'critical' WHEN 2 THEN 'warning' ELSE 'info' END
$$;

CREATE FUNCTION console.check_text(p_text text, p_longest int, p_what text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN btrim(coalesce(p_text, ''), E' \t\n') = '' THEN format('%s is missing', p_what)
        WHEN length(p_text) > p_longest THEN
            format('%s has at most %s characters, this one has %s', p_what, p_longest, length(p_text))
    END
$$;

-- Whose login this is, where they may be named; else why not.
CREATE FUNCTION console.check_person(p_name text, p_responds boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN coalesce(p_name, '') = '' THEN 'whom? a name is missing'
        WHEN role IS NULL OR role = 'none' THEN format('there is no login %s here', left(p_name, 63))
        WHEN role = 'agent' THEN format('%s is an agent', p_name)
        WHEN p_responds AND role = 'viewer' THEN format('%s is a viewer: that takes a responder', p_name)
    END
    FROM (SELECT) AS always LEFT JOIN LATERAL (
        SELECT console.role_of(rolname) AS role FROM pg_roles WHERE rolname = p_name AND rolcanlogin
    ) AS login ON true
$$;

-- Somebody works on it, for the incident that is held.
CREATE FUNCTION console.begin_work(p_id bigint, p_who text, p_at timestamptz, p_how text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    UPDATE console.incident SET acknowledged_at = p_at, acknowledged_by = p_who
        WHERE id = p_id AND acknowledged_at IS NULL AND closed_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM console.tell_incident(p_id, 'incident', 'info',
        format('%s acknowledged INC-%s%s', p_who, p_id, p_how), p_at);
    RETURN true;
END $$;

-- These alerts belong to this incident, and to no other that is not over. The alerts and all of those are held.
CREATE FUNCTION console.put_alerts(p_id bigint, p_alerts bigint[], p_at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    other record;
    seen text;
BEGIN
    FOR other IN
        WITH moved AS (
            DELETE FROM console.incident_alert AS l USING console.incident AS i
            WHERE i.id = l.incident_id AND l.alert_id = ANY (p_alerts) AND i.id <> p_id AND i.closed_at IS NULL
            RETURNING l.incident_id, l.rule
        )
        SELECT incident_id, string_agg(DISTINCT rule, ', ' ORDER BY rule) AS rules FROM moved
        GROUP BY incident_id ORDER BY incident_id
    LOOP
        PERFORM console.tell_incident(other.incident_id, 'incident', 'info',
            format('%s belongs to INC-%s now', other.rules, p_id), p_at);
    END LOOP;
    INSERT INTO console.incident_alert
        SELECT p_id, id, fingerprint FROM console.alert WHERE id = ANY (p_alerts)
        ON CONFLICT DO NOTHING;
    UPDATE console.incident AS i SET detected_at = found.at
        FROM (SELECT min(fired_at) AS at FROM console.alert WHERE id = ANY (p_alerts)) AS found
        WHERE i.id = p_id AND found.at < i.detected_at;
    SELECT acknowledged_by INTO seen FROM console.alert
        WHERE id = ANY (p_alerts) AND phase = 'firing' AND acknowledged_by IS NOT NULL ORDER BY acknowledged_at LIMIT 1;
    IF FOUND THEN
        PERFORM console.begin_work(p_id, seen, p_at, ': one of its alerts was acknowledged before');
    END IF;
END $$;

-- Holds an incident, and all that lose one of these alerts to it.
CREATE FUNCTION console.hold_for_alerts(p_id bigint, p_alerts bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM FROM console.incident AS i
        WHERE i.id = p_id OR i.closed_at IS NULL AND EXISTS (
            SELECT FROM console.incident_alert AS l WHERE l.incident_id = i.id AND l.alert_id = ANY (p_alerts)
        )
        ORDER BY i.id FOR NO KEY UPDATE;
END $$;

CREATE FUNCTION console.check_linked(p_alerts bigint[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN cardinality(p_alerts) > 500 THEN 'at most 500 alerts are linked at a time'
        ELSE (
            SELECT format('there is no alert %s', min(w.id)) FROM unnest(p_alerts) AS w(id)
            WHERE NOT EXISTS (SELECT FROM console.alert AS a WHERE a.id = w.id) HAVING count(*) > 0
        )
    END
$$;

-- A published runbook by its name, or by another name that rules may call it by; null: there is none.
CREATE FUNCTION console.find_runbook(p_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT name FROM console.book
    WHERE kind = 'runbook' AND (name = p_name OR content -> 'aliases' ? p_name)
    ORDER BY name = p_name DESC, place, name LIMIT 1
$$;

CREATE FUNCTION console.put_book(p_id bigint, p_name text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    INSERT INTO console.incident_book (incident_id, name, title, steps, ladder)
        SELECT p_id, b.name, b.title, b.content -> 'steps', (
                SELECT coalesce(jsonb_agg(jsonb_build_object('who', r ->> 'who',
                    'after_s', (r ->> 'after_s')::float8 / m.time_scale,
                    'deadline_s', (r ->> 'deadline_s')::float8 / m.time_scale) ORDER BY n), '[]')
                FROM jsonb_array_elements(b.content -> 'ladder') WITH ORDINALITY AS e(r, n)
            )
        FROM console.book AS b CROSS JOIN console.meta AS m WHERE b.kind = 'runbook' AND b.name = p_name
$$;

-- A new one; the alerts, and all incidents that they belong to, are held. `p_runbook` is published, or null.
CREATE FUNCTION console.make_incident(
    p_title text, p_level int, p_alerts bigint[], p_runbook text, p_at timestamptz
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    INSERT INTO console.incident (title, level, opened_at, detected_at) VALUES (p_title, p_level, p_at, p_at)
        RETURNING id INTO new_id;
    PERFORM console.tell_incident(new_id, 'incident', console.level_severity(p_level),
        format('%s opened INC-%s, level %s: %s%s', session_user, new_id, p_level, p_title,
            coalesce(format(' (runbook %s)', p_runbook), '')), p_at);
    PERFORM console.put_alerts(new_id, p_alerts, p_at);
    IF p_runbook IS NOT NULL THEN
        PERFORM console.put_book(new_id, p_runbook);
    END IF;
    RETURN new_id;
END $$;

-- What somebody wrote, for the incident that is held: its first line after `p_line`, and all of it where that is more.
CREATE FUNCTION console.put_note(p_id bigint, p_kind text, p_line text, p_body text, p_at timestamptz) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT console.tell_incident(p_id, p_kind, 'info', p_line || first, p_at,
        CASE WHEN p_line <> '' OR length(first) > 500 OR first <> p_body THEN p_body END)
    FROM split_part(btrim(p_body, E' \t\n'), E'\n', 1) AS first
$$;

-- --- acknowledging -------------------------------------------------------------------------------------------------

-- These alerts, which are held, are acknowledged.
CREATE FUNCTION console.put_acknowledgements(p_ids bigint[], p_note text, p_at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    UPDATE console.alert SET acknowledged_by = session_user, acknowledged_at = p_at WHERE id = ANY (p_ids);
    INSERT INTO console.alert_change (alert_id, rule, severity, at, kind, text, value, value_text)
        SELECT id, fingerprint, severity, p_at, 'acknowledged', p_note, value, value_text
        FROM console.alert WHERE id = ANY (p_ids) ORDER BY id;
    INSERT INTO console.event (at, kind, severity, subject, text)
        SELECT p_at, 'alert', 'info', left(fingerprint, 100),
            left(concat_ws(': ', format('%s acknowledged %s', session_user, fingerprint), nullif(p_note, '')), 500)
        FROM console.alert WHERE id = ANY (p_ids) ORDER BY id;
END $$;

-- As before, and so are the incidents that they belong to.
CREATE OR REPLACE FUNCTION console.ack_alerts(p_ids bigint[], p_note text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz;
    refusal text;
    held record;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    refusal := console.check_alerts(p_ids, false);
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    PERFORM console.put_acknowledgements(p_ids, left(btrim(coalesce(p_note, '')), 400), clock_timestamp());
    FOR held IN
        SELECT i.id FROM console.incident AS i
        WHERE i.closed_at IS NULL AND i.acknowledged_at IS NULL AND EXISTS (
            SELECT FROM console.incident_alert AS l WHERE l.incident_id = i.id AND l.alert_id = ANY (p_ids)
        )
        ORDER BY i.id FOR NO KEY UPDATE
    LOOP
        moment := clock_timestamp();
        PERFORM console.begin_work(held.id, session_user::text, moment, ', by one of its alerts');
    END LOOP;
    RETURN NULL;
END $$;

-- With what fires of it.
CREATE FUNCTION console.ack_incident(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    refusal text;
    moment timestamptz;
    ids bigint[];
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    i := console.hold_incident(p_id);
    refusal := console.why_not_incident(i, p_id, false);
    ids := ARRAY(
        SELECT a.id FROM console.incident_alert AS l JOIN console.alert AS a ON a.id = l.alert_id
        WHERE l.incident_id = p_id AND a.phase = 'firing' AND a.acknowledged_by IS NULL
    );
    IF refusal IS NULL AND i.acknowledged_at IS NOT NULL AND cardinality(ids) = 0 THEN
        refusal := format('%s acknowledged it %s ago', i.acknowledged_by,
            console.age_words(clock_timestamp() - i.acknowledged_at));
    END IF;
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        PERFORM console.begin_work(p_id, session_user::text, moment, '');
        PERFORM console.put_acknowledgements(ids, 'INC-' || p_id, moment);
    END IF;
    RETURN refusal;
END $$;

-- --- opening, linking, ending --------------------------------------------------------------------------------------

CREATE FUNCTION console.open_incident(
    p_title text, p_level int, p_alerts bigint[], p_runbook text, p_note text, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz;
    book text := console.find_runbook(p_runbook);
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    refusal := coalesce(
        console.check_text(p_title, 200, 'a title'),
        CASE WHEN p_level IS NULL OR p_level NOT BETWEEN 1 AND 3 THEN 'a level is 1 (worst), 2 or 3' END,
        CASE WHEN p_runbook <> '' AND book IS NULL THEN format('there is no runbook %s', left(p_runbook, 100)) END,
        CASE WHEN p_note <> '' THEN console.check_text(p_note, 8000, 'a note') END,
        console.check_linked(p_alerts),
        -- Two who open one for the same alert at once shall meet.
        (
            SELECT format('%s belongs to INC-%s already', l.rule, i.id)
            FROM console.incident_alert AS l JOIN console.incident AS i ON i.id = l.incident_id
            WHERE l.alert_id = ANY (p_alerts) AND i.closed_at IS NULL ORDER BY i.id, l.rule LIMIT 1
        )
    );
    IF refusal IS NOT NULL THEN
        RETURN;
    END IF;
    moment := clock_timestamp();
    id := console.make_incident(btrim(p_title), p_level, p_alerts, book, moment);
    IF p_note <> '' THEN
        PERFORM console.put_note(id, 'note', '', p_note, moment);
    END IF;
END $$;

-- By the leading agent, for an alert of `console.alert_alone`: where one that is not over has this runbook, or an alert
-- of this rule, it is linked to that one. Null: it belongs to one by now, or fires no more.
CREATE FUNCTION console.open_by_rule(p_fence bigint, p_alert bigint, p_runbook text, p_level int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a record;
    theirs bigint;
    book text := console.find_runbook(p_runbook);
    moment timestamptz;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_alerts();
    SELECT id, fingerprint, summary INTO a FROM console.alert_alone WHERE id = p_alert;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT i.id INTO theirs FROM console.incident AS i
        WHERE i.closed_at IS NULL AND (
            EXISTS (SELECT FROM console.incident_book AS b WHERE b.incident_id = i.id AND b.name = book)
            OR EXISTS (SELECT FROM console.incident_alert AS l WHERE l.incident_id = i.id AND l.rule = a.fingerprint)
        )
        ORDER BY i.id LIMIT 1 FOR NO KEY UPDATE;
    moment := clock_timestamp();
    IF theirs IS NULL THEN
        RETURN console.make_incident(left(coalesce(nullif(a.summary, ''), a.fingerprint), 200), p_level, ARRAY[p_alert],
            book, moment);
    END IF;
    PERFORM console.tell_incident(theirs, 'incident', 'warning',
        format('%s fires, too, and belongs to INC-%s', a.fingerprint, theirs), moment);
    PERFORM console.put_alerts(theirs, ARRAY[p_alert], moment);
    RETURN theirs;
END $$;

CREATE FUNCTION console.link_alerts(p_id bigint, p_alerts bigint[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    refusal text;
    news text;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    PERFORM console.hold_for_alerts(p_id, p_alerts);
    refusal := coalesce(
        console.why_not_incident(console.hold_incident(p_id), p_id, false),
        CASE WHEN coalesce(cardinality(p_alerts), 0) = 0 THEN 'no alert was named' END,
        console.check_linked(p_alerts)
    );
    IF refusal IS NULL THEN
        SELECT string_agg(DISTINCT a.fingerprint, ', ' ORDER BY a.fingerprint) INTO news FROM console.alert AS a
            WHERE a.id = ANY (p_alerts) AND NOT EXISTS (
                SELECT FROM console.incident_alert AS l WHERE l.incident_id = p_id AND l.alert_id = a.id
            );
        IF news IS NULL THEN
            RETURN CASE cardinality(p_alerts) WHEN 1 THEN 'it belongs' ELSE 'all of them belong' END
                || format(' to INC-%s already', p_id);
        END IF;
        moment := clock_timestamp();
        PERFORM console.tell_incident(p_id, 'incident', 'info',
            format('%s linked %s to INC-%s', session_user, news, p_id), moment);
        PERFORM console.put_alerts(p_id, p_alerts, moment);
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.split_incident(
    p_id bigint, p_alerts bigint[], p_title text, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    i := console.hold_incident(p_id);
    refusal := coalesce(
        console.why_not_incident(i, p_id, false),
        CASE WHEN coalesce(cardinality(p_alerts), 0) = 0 THEN 'no alert was named' END,
        console.check_text(p_title, 200, 'a title'),
        (
            SELECT format('alert %s does not belong to INC-%s', min(w.id), p_id) FROM unnest(p_alerts) AS w(id)
            WHERE NOT EXISTS (
                SELECT FROM console.incident_alert AS l WHERE l.incident_id = p_id AND l.alert_id = w.id
            )
            HAVING count(*) > 0
        ),
        console.check_linked(p_alerts)
    );
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        id := console.make_incident(btrim(p_title), i.level, p_alerts, NULL, moment);
        PERFORM console.begin_work(id, session_user::text, moment, format(', by taking it out of INC-%s', p_id));
    END IF;
END $$;

-- Alerts, runbooks with their ticks, pins and follow-ups of one go to the other; its own timeline stays as it was.
CREATE FUNCTION console.merge_incident(p_id bigint, p_into bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    other console.incident;
    refusal text;
    moment timestamptz;
    ids bigint[];
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    PERFORM FROM console.incident WHERE id IN (p_id, p_into) ORDER BY id FOR NO KEY UPDATE;
    i := console.hold_incident(p_id);
    other := console.hold_incident(p_into);
    refusal := coalesce(
        CASE WHEN p_id = p_into THEN 'an incident can''t be merged into itself' END,
        console.why_not_incident(i, p_id, false),
        console.why_not_incident(other, p_into, false)
    );
    IF refusal IS NOT NULL THEN
        RETURN refusal;
    END IF;
    moment := clock_timestamp();
    ids := ARRAY(SELECT alert_id FROM console.incident_alert WHERE incident_id = p_id);
    PERFORM console.tell_incident(p_into, 'incident', 'info', format('%s merged INC-%s into INC-%s: %s', session_user,
        p_id, p_into, i.title), moment);
    -- Of a runbook that both have, what the other one lacks is ticked there.
    INSERT INTO console.incident_mark
        SELECT theirs.id, m.place, m.state, m.author, m.at, m.note, m.action_id, m.automatic
        FROM console.incident_book AS mine
            JOIN console.incident_book AS theirs ON theirs.incident_id = p_into AND theirs.name = mine.name
                AND theirs.steps = mine.steps
            JOIN console.incident_mark AS m ON m.book_id = mine.id
        WHERE mine.incident_id = p_id
        ON CONFLICT DO NOTHING;
    INSERT INTO console.incident_by_hand
        SELECT theirs.id, h.place
        FROM console.incident_book AS mine
            JOIN console.incident_book AS theirs ON theirs.incident_id = p_into AND theirs.name = mine.name
                AND theirs.steps = mine.steps
            JOIN console.incident_by_hand AS h ON h.book_id = mine.id
        WHERE mine.incident_id = p_id
        ON CONFLICT DO NOTHING;
    UPDATE console.incident_book AS mine SET incident_id = p_into
        WHERE incident_id = p_id AND NOT EXISTS (
            SELECT FROM console.incident_book AS theirs
            WHERE theirs.incident_id = p_into AND theirs.name = mine.name AND theirs.steps = mine.steps
        );
    UPDATE console.follow_up SET incident_id = p_into WHERE incident_id = p_id;
    INSERT INTO console.incident_pin
        SELECT p_into, event_id, author, at FROM console.incident_pin WHERE incident_id = p_id
        ON CONFLICT DO NOTHING;
    DELETE FROM console.incident_alert WHERE incident_id = p_id;
    PERFORM console.put_alerts(p_into, ids, moment);
    UPDATE console.incident SET detected_at = least(detected_at, i.detected_at),
            next_update_at = least(next_update_at, i.next_update_at)
        WHERE id = p_into;
    IF i.acknowledged_by IS NOT NULL THEN
        PERFORM console.begin_work(p_into, i.acknowledged_by, moment, format(', as INC-%s', p_id));
    END IF;
    PERFORM console.tell_incident(p_id, 'incident', 'ok', format('%s merged INC-%s into INC-%s: %s', session_user, p_id,
        p_into, other.title), moment);
    UPDATE console.incident SET closed_at = moment, closed_by = session_user, merged_into = p_into,
            next_update_at = NULL
        WHERE id = p_id;
    RETURN NULL;
END $$;

-- The harm has stopped; `p_back`: it has not, after all.
CREATE FUNCTION console.mitigate_incident(p_id bigint, p_note text, p_back boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    refusal text;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    refusal := coalesce(
        console.why_not_incident(i, p_id, false),
        CASE
            WHEN p_back AND i.mitigated_at IS NULL THEN format('nobody has said that INC-%s is mitigated', p_id)
            WHEN NOT p_back AND i.mitigated_at IS NOT NULL THEN format('%s said so %s ago', i.mitigated_by,
                console.age_words(clock_timestamp() - i.mitigated_at))
        END
    );
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        IF NOT p_back THEN
            PERFORM console.begin_work(p_id, session_user::text, moment, ', by mitigating it');
        END IF;
        UPDATE console.incident SET mitigated_at = CASE WHEN NOT p_back THEN moment END,
                mitigated_by = CASE WHEN NOT p_back THEN session_user END
            WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', CASE WHEN p_back THEN 'warning' ELSE 'ok' END,
            concat_ws(': ', format('%s says INC-%s is %smitigated', session_user, p_id,
                CASE WHEN p_back THEN 'not ' ELSE '' END), nullif(p_note, '')), moment);
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.close_incident(p_id bigint, p_resolution text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    refusal text;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    refusal := coalesce(
        console.why_not_incident(console.hold_incident(p_id), p_id, false),
        console.check_text(p_resolution, 8000, 'a resolution')
    );
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        PERFORM console.begin_work(p_id, session_user::text, moment, ', by closing it');
        UPDATE console.incident SET closed_at = moment, closed_by = session_user, resolution = p_resolution,
                next_update_at = NULL
            WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', 'ok', format('%s closed INC-%s: %s', session_user, p_id,
            split_part(btrim(p_resolution, E' \t\n'), E'\n', 1)), moment, p_resolution);
    END IF;
    RETURN refusal;
END $$;

-- What belongs to another one meanwhile stays there.
CREATE FUNCTION console.reopen_incident(p_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    refusal text;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    i := console.hold_incident(p_id);
    refusal := coalesce(
        console.why_not_incident(i, p_id, true),
        CASE WHEN i.closed_at IS NULL THEN format('INC-%s is not closed', p_id) END,
        console.check_text(p_reason, 400, 'a reason')
    );
    IF refusal IS NULL THEN
        DELETE FROM console.incident_alert AS mine WHERE incident_id = p_id AND EXISTS (
            SELECT FROM console.incident_alert AS l JOIN console.incident AS o ON o.id = l.incident_id
            WHERE l.alert_id = mine.alert_id AND o.id <> p_id AND o.closed_at IS NULL
        );
        UPDATE console.incident SET closed_at = NULL, closed_by = NULL, resolution = '' WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', console.level_severity(i.level),
            format('%s reopened INC-%s: %s', session_user, p_id, p_reason), clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

-- --- what it is ----------------------------------------------------------------------------------------------------

CREATE FUNCTION console.set_level(p_id bigint, p_level int, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    refusal text;
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    refusal := coalesce(
        console.why_not_incident(i, p_id, false),
        CASE
            WHEN p_level IS NULL OR p_level NOT BETWEEN 1 AND 3 THEN 'a level is 1 (worst), 2 or 3'
            WHEN p_level = i.level THEN format('INC-%s is level %s already', p_id, p_level)
        END,
        console.check_text(p_reason, 400, 'a reason')
    );
    IF refusal IS NULL THEN
        UPDATE console.incident SET level = p_level WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', console.level_severity(p_level),
            format('%s set INC-%s to level %s (was %s): %s', session_user, p_id, p_level, i.level, p_reason),
            clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.rename_incident(p_id bigint, p_title text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    refusal text;
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    refusal := coalesce(console.why_not_incident(i, p_id, true), console.check_text(p_title, 200, 'a title'));
    IF refusal IS NULL AND btrim(p_title) <> i.title THEN
        UPDATE console.incident SET title = btrim(p_title) WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', 'info',
            format('%s renamed INC-%s: %s (was: %s)', session_user, p_id, btrim(p_title), i.title), clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.set_role(p_id bigint, p_role text, p_person text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    before text;
    refusal text;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    p_person := coalesce(p_person, '');
    i := console.hold_incident(p_id);
    before := i.roles ->> p_role;
    refusal := coalesce(
        console.why_not_incident(i, p_id, false),
        CASE
            WHEN p_role IS NULL OR p_role <> ALL ('{commander, technical, database, security, communications,
                documentation}'::text[]) THEN format('there is no role %s', left(coalesce(p_role, ''), 40))
            WHEN p_person <> '' THEN console.check_person(p_person, false)
            WHEN before IS NULL THEN format('nobody is %s of INC-%s', p_role, p_id)
        END
    );
    IF refusal IS NULL AND before IS DISTINCT FROM nullif(p_person, '') THEN
        moment := clock_timestamp();
        PERFORM console.tell_incident(p_id, 'role', 'info',
            CASE
                WHEN p_person = '' THEN format('%s is no longer %s of INC-%s', before, p_role, p_id)
                ELSE format('%s is %s of INC-%s', p_person, p_role, p_id) || coalesce(' instead of ' || before, '')
            END || CASE WHEN p_person = session_user OR p_person = '' AND before = session_user THEN ''
                ELSE format(', says %s', session_user) END, moment);
        UPDATE console.incident
            SET roles = CASE p_person WHEN '' THEN roles - p_role ELSE roles || jsonb_build_object(p_role, p_person) END
            WHERE id = p_id;
        IF p_person <> '' THEN
            PERFORM console.begin_work(p_id, session_user::text, moment, ', by its roles');
        END IF;
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.pin_plot(p_id bigint, p_metric text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    refusal text;
    metric text := left(coalesce(p_metric, ''), 100);
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    refusal := console.why_not_incident(i, p_id, false);
    IF refusal IS NULL AND metric <> i.plot THEN
        UPDATE console.incident SET plot = metric WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', 'info', CASE metric
            WHEN '' THEN format('%s took the plot of %s away', session_user, i.plot)
            ELSE format('%s pinned the plot of %s', session_user, metric) END, clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

-- --- working through it --------------------------------------------------------------------------------------------

CREATE FUNCTION console.attach_runbook(p_id bigint, p_name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    refusal text;
    book text := console.find_runbook(p_name);
BEGIN
    PERFORM console.require('console_responder');
    refusal := coalesce(
        console.why_not_incident(console.hold_incident(p_id), p_id, false),
        CASE
            WHEN book IS NULL THEN format('there is no runbook %s', left(coalesce(p_name, ''), 100))
            WHEN EXISTS (SELECT FROM console.incident_book WHERE incident_id = p_id AND name = book) THEN
                format('INC-%s has the runbook %s already', p_id, book)
        END
    );
    IF refusal IS NULL THEN
        PERFORM console.put_book(p_id, book);
        PERFORM console.tell_incident(p_id, 'incident', 'info',
            format('%s attached the runbook %s to INC-%s', session_user, book, p_id), clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

-- `p_state` null: not done after all. The same again by the same person is the same: what was noted with it stays.
CREATE FUNCTION console.mark_step(
    p_id bigint, p_book bigint, p_place int, p_state text, p_note text, p_action_id bigint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    b console.incident_book;
    m console.incident_mark;
    note text := left(btrim(coalesce(p_note, '')), 400);
    started bigint := p_action_id;
    refusal text;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    refusal := console.why_not_incident(console.hold_incident(p_id), p_id, false);
    SELECT * INTO b FROM console.incident_book WHERE id = p_book AND incident_id = p_id;
    SELECT * INTO m FROM console.incident_mark WHERE book_id = b.id AND place = p_place;
    refusal := coalesce(refusal, CASE
        WHEN b.id IS NULL THEN format('INC-%s has no runbook %s', p_id, p_book)
        WHEN p_place IS NULL OR p_place NOT BETWEEN 1 AND jsonb_array_length(b.steps) THEN
            format('%s has steps 1 to %s, not %s', b.name, jsonb_array_length(b.steps), p_place)
        WHEN p_state NOT IN ('done', 'skipped') THEN format('a step is done or skipped, not %s', left(p_state, 20))
        WHEN p_state = 'skipped' AND note = '' THEN 'to skip a step takes a note: why'
        WHEN p_state IS NULL AND m.book_id IS NULL THEN format('nobody has ticked step %s', p_place)
        WHEN p_state IS NOT NULL AND m.author <> session_user THEN
            format('%s %s it already, %s', m.author, CASE m.state WHEN 'done' THEN 'ticked' ELSE 'skipped' END,
                to_char(m.at AT TIME ZONE 'UTC', 'HH24:MI'))
        WHEN p_action_id IS NOT NULL AND NOT EXISTS (SELECT FROM console.action WHERE id = p_action_id) THEN
            format('there is no action %s', p_action_id)
    END);
    IF m.state = p_state THEN
        note := coalesce(nullif(note, ''), m.note);
        started := coalesce(started, m.action_id);
    END IF;
    IF refusal IS NOT NULL OR (m.state, m.note, m.action_id) IS NOT DISTINCT FROM (p_state, note, started) THEN
        RETURN refusal;
    END IF;
    moment := clock_timestamp();
    PERFORM console.tell_incident(p_id, 'step', 'info',
        format('%s %s step %s of %s: %s', session_user,
            CASE p_state WHEN 'done' THEN 'ticked' WHEN 'skipped' THEN 'skipped' ELSE 'took back' END,
            p_place, b.name, b.steps -> (p_place - 1) ->> 'text')
        || CASE note WHEN '' THEN '' ELSE format(' (%s)', note) END
        || CASE WHEN started IS NULL THEN '' ELSE format(', action %s', started) END, moment);
    IF p_state IS NULL THEN
        DELETE FROM console.incident_mark WHERE book_id = p_book AND place = p_place;
        IF m.automatic THEN
            INSERT INTO console.incident_by_hand VALUES (p_book, p_place) ON CONFLICT DO NOTHING;
        END IF;
    ELSE
        INSERT INTO console.incident_mark (book_id, place, state, at, note, action_id)
            VALUES (p_book, p_place, p_state, moment, note, started)
            ON CONFLICT (book_id, place) DO UPDATE SET state = excluded.state, author = excluded.author,
                at = excluded.at, note = excluded.note, action_id = excluded.action_id;
        PERFORM console.begin_work(p_id, session_user::text, moment, ', by working through its runbook');
    END IF;
    RETURN NULL;
END $$;

-- A step that the agent has seen to be done, unless somebody said something of it meanwhile; whether it is ticked now.
CREATE FUNCTION console.tick_step(p_fence bigint, p_id bigint, p_book bigint, p_place int, p_note text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    b console.incident_book;
    note text := left(p_note, 400);
    moment timestamptz;
BEGIN
    PERFORM console.hold(p_fence);
    i := console.hold_incident(p_id);
    SELECT * INTO b FROM console.incident_book WHERE id = p_book AND incident_id = p_id;
    IF i.closed_at IS NOT NULL OR b.id IS NULL OR p_place NOT BETWEEN 1 AND jsonb_array_length(b.steps)
        OR EXISTS (SELECT FROM console.incident_by_hand WHERE book_id = p_book AND place = p_place)
    THEN
        RETURN false;
    END IF;
    moment := clock_timestamp();
    INSERT INTO console.incident_mark (book_id, place, state, at, note, automatic)
        VALUES (p_book, p_place, 'done', moment, note, true) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM console.tell_incident(p_id, 'step', 'info', format('%s ticked step %s of %s: %s (%s)', session_user, p_place,
        b.name, b.steps -> (p_place - 1) ->> 'text', note), moment);
    RETURN true;
END $$;

-- The same key again is the same note.
CREATE FUNCTION console.add_note(p_id bigint, p_text text, p_key text, OUT refusal text, OUT id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    SELECT event_id INTO id FROM console.incident_note WHERE incident_id = p_id AND key = p_key;
    IF FOUND THEN
        RETURN;
    END IF;
    refusal := coalesce(
        console.why_not_incident(i, p_id, true),
        console.check_text(p_key, 100, 'a key of the note'),
        console.check_text(p_text, 8000, 'a note')
    );
    IF refusal IS NULL THEN
        id := console.put_note(p_id, 'note', '', p_text, clock_timestamp());
        INSERT INTO console.incident_note VALUES (p_id, p_key, id);
    END IF;
END $$;

CREATE FUNCTION console.pin_event(p_id bigint, p_event bigint, p_off boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    refusal text;
    e console.event;
    pinned boolean;
BEGIN
    PERFORM console.require('console_responder');
    refusal := console.why_not_incident(console.hold_incident(p_id), p_id, true);
    SELECT * INTO e FROM console.event WHERE id = p_event;
    pinned := EXISTS (SELECT FROM console.incident_pin WHERE incident_id = p_id AND event_id = p_event);
    refusal := coalesce(refusal, CASE
        WHEN p_off AND NOT pinned THEN format('entry %s is not pinned', p_event)
        WHEN p_off THEN NULL
        WHEN e.id IS NULL THEN format('there is no entry %s', p_event)
        WHEN e.incident_id <> p_id THEN format('entry %s is INC-%s''s', p_event, e.incident_id)
        WHEN NOT pinned AND (SELECT count(*) FROM console.incident_pin WHERE incident_id = p_id) >= 20 THEN
            'there are 20 pins: one is to be taken off first'
    END);
    IF refusal IS NULL AND p_off THEN
        DELETE FROM console.incident_pin WHERE incident_id = p_id AND event_id = p_event;
    ELSIF refusal IS NULL AND NOT pinned THEN
        INSERT INTO console.incident_pin (incident_id, event_id, at) VALUES (p_id, p_event, clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

CREATE FUNCTION console.add_follow_up(p_id bigint, p_text text, p_owner text, OUT refusal text, OUT id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    refusal := coalesce(
        console.why_not_incident(console.hold_incident(p_id), p_id, true),
        console.check_text(p_text, 400, 'a follow-up'),
        CASE WHEN (SELECT count(*) FROM console.follow_up WHERE incident_id = p_id) >= 200 THEN
            'an incident has at most 200 follow-ups' END
    );
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        INSERT INTO console.follow_up (incident_id, text, owner, at)
            VALUES (p_id, btrim(p_text), left(btrim(coalesce(p_owner, '')), 63), moment)
            RETURNING follow_up.id INTO id;
        PERFORM console.tell_incident(p_id, 'incident', 'info', format('%s: to be done afterwards%s: %s', session_user,
            CASE btrim(coalesce(p_owner, '')) WHEN '' THEN '' ELSE format(' by %s', left(btrim(p_owner), 63)) END,
            btrim(p_text)), moment);
    END IF;
END $$;

CREATE FUNCTION console.end_follow_up(p_follow_up bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    f console.follow_up;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    -- It may go to another incident before its own is held.
    LOOP
        SELECT * INTO f FROM console.follow_up WHERE id = p_follow_up;
        IF NOT FOUND THEN
            RETURN format('there is no follow-up %s', p_follow_up);
        END IF;
        PERFORM console.hold_incident(f.incident_id);
        EXIT WHEN EXISTS (SELECT FROM console.follow_up WHERE id = f.id AND incident_id = f.incident_id);
    END LOOP;
    SELECT * INTO f FROM console.follow_up WHERE id = p_follow_up;
    IF f.done_at IS NOT NULL THEN
        RETURN format('%s did it %s ago', f.done_by, console.age_words(clock_timestamp() - f.done_at));
    END IF;
    moment := clock_timestamp();
    UPDATE console.follow_up SET done_by = session_user, done_at = moment WHERE id = f.id;
    PERFORM console.tell_incident(f.incident_id, 'incident', 'ok', format('%s did: %s', session_user, f.text), moment);
    RETURN NULL;
END $$;

-- A stakeholder update as it goes out; `p_again_s` from now the next one is promised (null: none is). The same key
-- again is the same update.
CREATE FUNCTION console.record_update(
    p_id bigint, p_template text, p_text text, p_again_s float8, p_key text, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    t console.book;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    SELECT event_id INTO id FROM console.incident_note WHERE incident_id = p_id AND key = p_key;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO t FROM console.book WHERE kind = 'template' AND name = p_template;
    refusal := coalesce(
        -- The last one is often written when it is closed.
        console.why_not_incident(i, p_id, true),
        console.check_text(p_key, 100, 'a key of the update'),
        CASE WHEN t.name IS NULL THEN format('there is no template %s', left(coalesce(p_template, ''), 100)) END,
        console.check_text(p_text, 8000, 'an update'),
        CASE WHEN p_again_s IS NOT NULL AND NOT (p_again_s > 0 AND p_again_s <= 7 * 86400) THEN
            'the next update comes within a week' END
    );
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        id := console.put_note(p_id, 'comms', format('%s, %s update: ', t.content ->> 'audience', t.content ->> 'kind'),
            p_text, moment);
        INSERT INTO console.incident_update
            VALUES (id, p_id, t.name, coalesce(t.content ->> 'audience', ''), coalesce(t.content ->> 'kind', ''));
        INSERT INTO console.incident_note VALUES (p_id, p_key, id);
        UPDATE console.incident
            SET next_update_at = CASE WHEN closed_at IS NULL THEN moment + make_interval(secs => p_again_s) END
            WHERE incident.id = p_id;
    END IF;
END $$;

-- --- who is here ---------------------------------------------------------------------------------------------------

-- Of an incident, or of 0, where `left_at` is when the visit before this one ended: five minutes without a beat are
-- another visit. Only its own row is held: who may only look can't hold an incident up.
CREATE FUNCTION console.put_beat(
    p_place bigint, p_screen int, p_selection text, p_active boolean, OUT was console.attendance
)
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    INSERT INTO console.attendance VALUES (session_user, p_place, moment, moment, p_screen, p_selection)
        ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO was FROM console.attendance WHERE person = session_user AND incident_id = p_place FOR NO KEY UPDATE;
    IF p_place = 0 AND NOT p_active AND was.seen_at > moment - interval '30 seconds' THEN
        RETURN;
    END IF;
    UPDATE console.attendance
        SET left_at = CASE WHEN seen_at < moment - interval '5 minutes' THEN seen_at ELSE left_at END,
            seen_at = greatest(seen_at, moment),
            active_at = CASE WHEN p_active THEN greatest(active_at, moment) ELSE active_at END,
            screen = p_screen, selection = p_selection
        WHERE person = session_user AND incident_id = p_place;
END $$;

-- Half a minute without a beat is gone; after ten it is another join.
CREATE FUNCTION console.beat(p_incident bigint, p_screen int, p_selection text, p_active boolean) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    was console.attendance;
    what text := left(coalesce(p_selection, ''), 100);
BEGIN
    PERFORM console.require('console_viewer');
    IF p_incident IS NOT NULL THEN
        SELECT * INTO i FROM console.incident WHERE id = p_incident;
        IF NOT FOUND THEN
            RETURN console.why_not_incident(i, p_incident, true);
        END IF;
        was := console.put_beat(p_incident, p_screen, what, p_active);
        IF was.person IS NULL OR was.seen_at < clock_timestamp() - interval '10 minutes' THEN
            IF i.closed_at IS NULL THEN
                PERFORM console.tell_incident(i.id, 'join', 'info', format('%s joined INC-%s', session_user, i.id),
                    clock_timestamp());
            END IF;
            DELETE FROM console.attendance
                WHERE person = session_user AND incident_id <> 0 AND seen_at < clock_timestamp() - interval '7 days';
        END IF;
        IF was.person IS NULL OR was.seen_at < clock_timestamp() - interval '30 seconds'
            OR (was.screen, was.selection) IS DISTINCT FROM (p_screen, what)
        THEN
            PERFORM pg_notify('tradex', 'presence');
        END IF;
    END IF;
    -- Who works on an incident is here, too.
    PERFORM console.put_beat(0, p_screen, CASE WHEN p_incident IS NULL THEN what ELSE '' END, p_incident IS NULL);
    -- Nothing is lost with it that the next beat does not bring again.
    IF was.person IS NOT NULL OR p_incident IS NULL THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    RETURN NULL;
END $$;

-- --- shifts --------------------------------------------------------------------------------------------------------

CREATE FUNCTION console.offer_handover(p_to text, p_text text, p_note text, OUT refusal text, OUT id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    PERFORM console.require('console_responder');
    refusal := coalesce(
        console.check_person(p_to, true),
        CASE WHEN p_to = session_user THEN 'nobody hands over to themselves' END,
        console.check_text(p_text, 20000, 'what there is to know'),
        CASE WHEN length(p_note) > 8000 THEN 'a note has at most 8000 characters' END
    );
    IF refusal IS NULL THEN
        INSERT INTO console.handover (taker, text, note, at) VALUES (p_to, p_text, coalesce(p_note, ''), moment)
            RETURNING handover.id INTO id;
        INSERT INTO console.event (at, kind, severity, subject, text)
            VALUES (moment, 'handover', 'info', 'handover', format('%s hands over to %s', session_user, p_to));
    END IF;
END $$;

CREATE FUNCTION console.sign_handover(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    h console.handover;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    SELECT * INTO h FROM console.handover WHERE id = p_id FOR NO KEY UPDATE;
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
    IF h.id IS NULL THEN
        RETURN format('there is no hand-over %s', p_id);
    ELSIF h.taker <> session_user THEN
        RETURN format('hand-over %s is for %s to sign', p_id, h.taker);
    ELSIF h.signed_at IS NOT NULL THEN
        RETURN format('it was signed %s ago', console.age_words(clock_timestamp() - h.signed_at));
    END IF;
    moment := clock_timestamp();
    UPDATE console.handover SET signed_at = moment WHERE id = p_id;
    INSERT INTO console.event (at, kind, severity, subject, text)
        VALUES (moment, 'handover', 'info', 'handover', format('%s took over from %s', session_user, h.giver));
    RETURN NULL;
END $$;

-- Nobody but the console's own functions may run what stands inside.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA console FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.beat(bigint, int, text, boolean) TO console_viewer;
GRANT EXECUTE ON FUNCTION
    console.open_by_rule(bigint, bigint, text, int),
    console.tick_step(bigint, bigint, bigint, int, text)
TO console_agent;
GRANT EXECUTE ON FUNCTION
    console.ack_incident(bigint),
    console.open_incident(text, int, bigint[], text, text),
    console.link_alerts(bigint, bigint[]),
    console.split_incident(bigint, bigint[], text),
    console.merge_incident(bigint, bigint),
    console.mitigate_incident(bigint, text, boolean),
    console.close_incident(bigint, text),
    console.reopen_incident(bigint, text),
    console.set_level(bigint, int, text),
    console.rename_incident(bigint, text),
    console.set_role(bigint, text, text),
    console.pin_plot(bigint, text),
    console.attach_runbook(bigint, text),
    console.mark_step(bigint, bigint, int, text, text, bigint),
    console.add_note(bigint, text, text),
    console.pin_event(bigint, bigint, boolean),
    console.add_follow_up(bigint, text, text),
    console.end_follow_up(bigint),
    console.record_update(bigint, text, text, float8, text),
    console.offer_handover(text, text, text),
    console.sign_handover(bigint)
TO console_responder;
