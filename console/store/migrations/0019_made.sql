-- Calls that make something are the same call with the same key; a tick of the agent's goes when it holds no more;
-- reopening an incident takes "mitigated" back; how long a first visit lasts.

-- What these calls made, by the key that each was made with: the same key again is the same call.
CREATE TABLE console.made (
    author text NOT NULL DEFAULT session_user,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 100),
    id bigint NOT NULL,
    PRIMARY KEY (author, key)
);

-- When the visit began that `seen_at` belongs to.
ALTER TABLE console.attendance ADD COLUMN came_at timestamptz;
UPDATE console.attendance SET came_at = seen_at;
ALTER TABLE console.attendance ALTER COLUMN came_at SET NOT NULL;

DROP FUNCTION
    console.open_incident(text, int, bigint[], text, text),
    console.split_incident(bigint, bigint[], text),
    console.add_follow_up(bigint, text, text),
    console.offer_handover(text, text, text);

-- What the same call has made before; null: it was not made, or has no key. Whoever asks while it runs waits for it.
CREATE FUNCTION console.made_before(p_key text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    IF coalesce(p_key, '') = '' THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended(format('tradex made %s %s', session_user, p_key), 0));
    RETURN (SELECT m.id FROM console.made AS m WHERE m.author = session_user AND m.key = left(p_key, 100));
END $$;

CREATE FUNCTION console.put_made(p_key text, p_id bigint) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    INSERT INTO console.made (key, id) SELECT left(p_key, 100), p_id WHERE coalesce(p_key, '') <> ''
$$;

CREATE OR REPLACE FUNCTION console.make_incident(
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
            CASE WHEN p_runbook IS NULL THEN '' ELSE format(' (runbook %s)', p_runbook) END), p_at);
    PERFORM console.put_alerts(new_id, p_alerts, p_at);
    IF p_runbook IS NOT NULL THEN
        PERFORM console.put_book(new_id, p_runbook);
    END IF;
    RETURN new_id;
END $$;

-- The same key again is the same incident; '' is none.
CREATE FUNCTION console.open_incident(
    p_title text, p_level int, p_alerts bigint[], p_runbook text, p_note text, p_key text, OUT refusal text,
    OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz;
    book text := console.find_runbook(p_runbook);
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    id := console.made_before(p_key);
    IF id IS NOT NULL THEN
        RETURN;
    END IF;
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
    PERFORM console.put_made(p_key, id);
    IF p_note <> '' THEN
        PERFORM console.put_note(id, 'note', '', p_note, moment);
    END IF;
END $$;

-- By the leading agent, for an alert of `console.alert_alone`: where one that is not over has this runbook, or an alert
-- of this rule, it is linked to that one. Null: it belongs to one by now, or fires no more.
CREATE OR REPLACE FUNCTION console.open_by_rule(p_fence bigint, p_alert bigint, p_runbook text, p_level int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a record;
    theirs bigint;
    about text;
    book text := console.find_runbook(p_runbook);
    moment timestamptz;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_alerts();
    SELECT id, fingerprint INTO a FROM console.alert_alone WHERE id = p_alert;
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
        -- What holds as long as it is open: figures are on its timeline.
        SELECT b.title INTO about FROM console.book AS b
            WHERE b.kind = 'runbook' AND b.name = book AND lower(b.title) <> lower(a.fingerprint);
        RETURN console.make_incident(left(concat_ws(': ', a.fingerprint, about), 200), p_level, ARRAY[p_alert], book,
            moment);
    END IF;
    PERFORM console.tell_incident(theirs, 'incident', 'warning',
        format('%s fires, too, and belongs to INC-%s', a.fingerprint, theirs), moment);
    PERFORM console.put_alerts(theirs, ARRAY[p_alert], moment);
    RETURN theirs;
END $$;

-- The same key again is the same incident; '' is none.
CREATE FUNCTION console.split_incident(
    p_id bigint, p_alerts bigint[], p_title text, p_key text, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    PERFORM console.hold_alerts();
    i := console.hold_incident(p_id);
    id := console.made_before(p_key);
    IF id IS NOT NULL THEN
        RETURN;
    END IF;
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
        PERFORM console.put_made(p_key, id);
        PERFORM console.begin_work(id, session_user::text, moment, format(', by taking it out of INC-%s', p_id));
    END IF;
END $$;

-- The harm is back. What belongs to another one meanwhile stays there.
CREATE OR REPLACE FUNCTION console.reopen_incident(p_id bigint, p_reason text) RETURNS text
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
        UPDATE console.incident SET closed_at = NULL, closed_by = NULL, resolution = '', mitigated_at = NULL,
                mitigated_by = NULL
            WHERE id = p_id;
        PERFORM console.tell_incident(p_id, 'incident', console.level_severity(i.level),
            format('%s reopened INC-%s%s: %s', session_user, p_id,
                CASE WHEN i.mitigated_at IS NULL THEN '' ELSE ', which is not mitigated any more' END, p_reason),
            clock_timestamp());
    END IF;
    RETURN refusal;
END $$;

-- A tick of the agent's that holds no more; it may tick the step again. Whether it was taken back: what a person said
-- stays.
CREATE FUNCTION console.untick_step(p_fence bigint, p_id bigint, p_book bigint, p_place int, p_note text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    b console.incident_book;
BEGIN
    PERFORM console.hold(p_fence);
    i := console.hold_incident(p_id);
    SELECT * INTO b FROM console.incident_book WHERE id = p_book AND incident_id = p_id;
    IF i.closed_at IS NOT NULL OR b.id IS NULL THEN
        RETURN false;
    END IF;
    DELETE FROM console.incident_mark WHERE book_id = p_book AND place = p_place AND automatic;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM console.tell_incident(p_id, 'step', 'warning', format('%s took back step %s of %s: %s (%s)', session_user,
        p_place, b.name, b.steps -> (p_place - 1) ->> 'text', left(p_note, 400)), clock_timestamp());
    RETURN true;
END $$;

-- The same key again is the same follow-up; '' is none.
CREATE FUNCTION console.add_follow_up(
    p_id bigint, p_text text, p_owner text, p_key text, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    i console.incident;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    i := console.hold_incident(p_id);
    id := console.made_before(p_key);
    IF id IS NOT NULL THEN
        RETURN;
    END IF;
    refusal := coalesce(
        console.why_not_incident(i, p_id, true),
        console.check_text(p_text, 400, 'a follow-up'),
        CASE WHEN (SELECT count(*) FROM console.follow_up WHERE incident_id = p_id) >= 200 THEN
            'an incident has at most 200 follow-ups' END
    );
    IF refusal IS NULL THEN
        moment := clock_timestamp();
        INSERT INTO console.follow_up (incident_id, text, owner, at)
            VALUES (p_id, btrim(p_text), left(btrim(coalesce(p_owner, '')), 63), moment)
            RETURNING follow_up.id INTO id;
        PERFORM console.put_made(p_key, id);
        PERFORM console.tell_incident(p_id, 'incident', 'info', format('%s: to be done afterwards%s: %s', session_user,
            CASE btrim(coalesce(p_owner, '')) WHEN '' THEN '' ELSE format(' by %s', left(btrim(p_owner), 63)) END,
            btrim(p_text)), moment);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION console.end_follow_up(p_follow_up bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    f console.follow_up;
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    -- So that it does not go to another incident before its own is held.
    PERFORM console.hold_alerts();
    SELECT * INTO f FROM console.follow_up WHERE id = p_follow_up;
    IF NOT FOUND THEN
        RETURN format('there is no follow-up %s', p_follow_up);
    END IF;
    PERFORM console.hold_incident(f.incident_id);
    SELECT * INTO f FROM console.follow_up WHERE id = p_follow_up;
    IF f.done_at IS NOT NULL THEN
        RETURN format('%s did it %s ago', f.done_by, console.age_words(clock_timestamp() - f.done_at));
    END IF;
    moment := clock_timestamp();
    UPDATE console.follow_up SET done_by = session_user, done_at = moment WHERE id = f.id;
    PERFORM console.tell_incident(f.incident_id, 'incident', 'ok', format('%s did: %s', session_user, f.text), moment);
    RETURN NULL;
END $$;

-- Of an incident, or of 0, where `left_at` is when the visit before this one ended: five minutes without a beat are
-- another visit. Only its own row is held: who may only look can't hold an incident up.
CREATE OR REPLACE FUNCTION console.put_beat(
    p_place bigint, p_screen int, p_selection text, p_active boolean, OUT was console.attendance
)
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    INSERT INTO console.attendance (person, incident_id, seen_at, active_at, screen, selection, came_at)
        VALUES (session_user, p_place, moment, moment, p_screen, p_selection, moment)
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
            came_at = CASE WHEN seen_at < moment - interval '5 minutes' THEN moment ELSE came_at END,
            seen_at = greatest(seen_at, moment),
            active_at = CASE WHEN p_active THEN greatest(active_at, moment) ELSE active_at END,
            screen = p_screen, selection = p_selection
        WHERE person = session_user AND incident_id = p_place;
END $$;

-- The same key again is the same hand-over; '' is none.
CREATE FUNCTION console.offer_handover(
    p_to text, p_text text, p_note text, p_key text, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM console.require('console_responder');
    id := console.made_before(p_key);
    IF id IS NOT NULL THEN
        RETURN;
    END IF;
    moment := clock_timestamp();
    refusal := coalesce(
        console.check_person(p_to, true),
        CASE WHEN p_to = session_user THEN 'nobody hands over to themselves' END,
        console.check_text(p_text, 20000, 'what there is to know'),
        CASE WHEN length(p_note) > 8000 THEN 'a note has at most 8000 characters' END
    );
    IF refusal IS NULL THEN
        INSERT INTO console.handover (taker, text, note, at) VALUES (p_to, p_text, coalesce(p_note, ''), moment)
            RETURNING handover.id INTO id;
        PERFORM console.put_made(p_key, id);
        INSERT INTO console.event (at, kind, severity, subject, text)
            VALUES (moment, 'handover', 'info', 'handover', format('%s hands over to %s', session_user, p_to));
    END IF;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA console FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.untick_step(bigint, bigint, bigint, int, text) TO console_agent;
GRANT EXECUTE ON FUNCTION
    console.open_incident(text, int, bigint[], text, text, text),
    console.split_incident(bigint, bigint[], text, text),
    console.add_follow_up(bigint, text, text, text),
    console.offer_handover(text, text, text, text)
TO console_responder;
