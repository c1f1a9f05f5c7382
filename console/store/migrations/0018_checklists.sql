-- Recurring checklists: when each is due next, the runs of each, and what was said of every item.

-- `known_at` is since when a list exists. `next_*` is the first occurrence that no run was opened for, as the leading
-- agent last worked it out from the definition; null: none comes any more, or it is not known yet.
CREATE TABLE console.checklist (
    name text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    known_at timestamptz NOT NULL,
    next_day date,
    next_opens_at timestamptz,
    next_due_at timestamptz,
    next_late_at timestamptz,
    CHECK (num_nulls(next_day, next_opens_at, next_due_at, next_late_at) IN (0, 4))
);

-- `day` is the day it is due in the list's own zone: what tells one occurrence from the next, also when hour or zone
-- of the definition change. `items` are the steps as they were when it opened (console/store/books.py writes them).
-- `waits` says of items that the agent can tick why it has not, by place. `missed_at` is when the next one opened.
CREATE TABLE console.checklist_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    checklist text NOT NULL REFERENCES console.checklist,
    day date NOT NULL,
    title text NOT NULL,
    rhythm text NOT NULL,
    owner text NOT NULL,
    opens_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    late_at timestamptz NOT NULL,
    items jsonb NOT NULL CHECK (jsonb_typeof(items) = 'array' AND jsonb_array_length(items) > 0),
    waits jsonb NOT NULL DEFAULT '{}',
    ended_at timestamptz,
    missed_at timestamptz,
    told_late boolean NOT NULL DEFAULT false,
    UNIQUE (checklist, due_at),
    CHECK (opens_at <= due_at AND due_at <= late_at),
    CHECK (ended_at IS NULL OR missed_at IS NULL)
);
CREATE UNIQUE INDEX checklist_run_open ON console.checklist_run (checklist) WHERE ended_at IS NULL AND missed_at IS NULL;
CREATE INDEX checklist_run_due ON console.checklist_run (due_at);
CREATE INDEX checklist_run_over ON console.checklist_run (coalesce(ended_at, missed_at));

-- What was said last of an item; nothing is no row. `automatic`: the agent said it, and `note` is its evidence.
CREATE TABLE console.checklist_mark (
    run_id bigint NOT NULL REFERENCES console.checklist_run,
    place int NOT NULL CHECK (place > 0),
    state text NOT NULL CHECK (state IN ('done', 'skipped')),
    author text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL,
    note text NOT NULL,
    automatic boolean NOT NULL DEFAULT false,
    PRIMARY KEY (run_id, place),
    CHECK (state <> 'skipped' OR note <> '')
);
CREATE INDEX checklist_mark_at ON console.checklist_mark (at);

-- All that was ever said; `state` null takes it back.
CREATE TABLE console.checklist_mark_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES console.checklist_run,
    place int NOT NULL,
    state text,
    author text NOT NULL DEFAULT session_user,
    at timestamptz NOT NULL,
    note text NOT NULL,
    automatic boolean NOT NULL DEFAULT false
);
CREATE INDEX checklist_mark_change_run ON console.checklist_mark_change (run_id, place, id);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console.checklist_mark_change
    FOR EACH STATEMENT EXECUTE FUNCTION console.refuse_change();

-- A change of a definition is one of how its list stands.
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['checklist', 'checklist_run', 'checklist_mark', 'book'] LOOP
        EXECUTE format('CREATE TRIGGER tell_insert AFTER INSERT ON console.%I REFERENCING NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, 'duty');
        EXECUTE format('CREATE TRIGGER tell_update AFTER UPDATE ON console.%I REFERENCING NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, 'duty');
        EXECUTE format('CREATE TRIGGER tell_delete AFTER DELETE ON console.%I REFERENCING OLD TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, 'duty');
    END LOOP;
END $$;

GRANT SELECT ON console.checklist, console.checklist_run, console.checklist_mark, console.checklist_mark_change
    TO console_viewer;

-- --- inside --------------------------------------------------------------------------------------------------------

-- Whoever changes the runs of a list does so alone. Somebody who leaves a transaction open is not waited for longer
-- than an agent would be. False: there is no such list.
CREATE FUNCTION console.hold_checklist(p_name text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM FROM console.checklist WHERE name = p_name FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
    RETURN true;
END $$;

CREATE FUNCTION console.tell_checklist(p_title text, p_severity text, p_text text) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, console, pg_temp AS $$
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('checklist', p_severity, left(p_title, 100), left(p_text, 500))
$$;

-- `due 10 Mar 09:00`, in UTC.
CREATE FUNCTION console.due_words(p_due_at timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT 'due ' || to_char(p_due_at AT TIME ZONE 'UTC', 'DD Mon HH24:MI')
$$;

-- `3 of 4 items, 1 of them skipped`.
CREATE FUNCTION console.done_words(p_run console.checklist_run) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT format('%s of %s items', count(*), jsonb_array_length(p_run.items))
        || CASE WHEN count(*) FILTER (WHERE state = 'skipped') > 0
            THEN format(', %s of them skipped', count(*) FILTER (WHERE state = 'skipped')) ELSE '' END
    FROM console.checklist_mark WHERE run_id = p_run.id
$$;

-- One item of a run that is held: current row, history, and whether the run is over now. `p_state` null takes it back.
CREATE FUNCTION console.put_mark(
    p_run console.checklist_run, p_place int, p_state text, p_note text, p_at timestamptz, p_automatic boolean
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    INSERT INTO console.checklist_mark_change (run_id, place, state, at, note, automatic)
        VALUES (p_run.id, p_place, p_state, p_at, p_note, p_automatic);
    IF p_state IS NULL THEN
        DELETE FROM console.checklist_mark WHERE run_id = p_run.id AND place = p_place;
    ELSE
        INSERT INTO console.checklist_mark (run_id, place, state, at, note, automatic)
            VALUES (p_run.id, p_place, p_state, p_at, p_note, p_automatic)
            ON CONFLICT (run_id, place) DO UPDATE SET state = excluded.state, author = excluded.author,
                at = excluded.at, note = excluded.note, automatic = excluded.automatic;
    END IF;
    IF p_state IS NULL AND p_run.ended_at IS NOT NULL THEN
        UPDATE console.checklist_run SET ended_at = NULL WHERE id = p_run.id;
        PERFORM console.tell_checklist(p_run.title, 'info', format('%s opened %s (%s) again: item %s is not done',
            session_user, p_run.title, console.due_words(p_run.due_at), p_place));
    ELSIF p_run.ended_at IS NULL AND p_run.missed_at IS NULL AND jsonb_array_length(p_run.items)
        = (SELECT count(*) FROM console.checklist_mark WHERE run_id = p_run.id)
    THEN
        UPDATE console.checklist_run SET ended_at = p_at, waits = '{}' WHERE id = p_run.id;
        PERFORM console.tell_checklist(p_run.title, CASE WHEN p_at <= p_run.late_at THEN 'ok' ELSE 'info' END,
            format('%s (%s) is done%s: %s', p_run.title, console.due_words(p_run.due_at),
                CASE WHEN p_at <= p_run.late_at THEN '' ELSE ' late' END, console.done_words(p_run)));
    END IF;
END $$;

-- The run of a list that is held, from its present definition; null where there is one for that day, or a later one.
CREATE FUNCTION console.begin_run(
    p_name text, p_day date, p_opens_at timestamptz, p_due_at timestamptz, p_late_at timestamptz,
    p_missed_at timestamptz
) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    made bigint;
BEGIN
    INSERT INTO console.checklist_run (checklist, day, title, rhythm, owner, opens_at, due_at, late_at, items, missed_at)
        SELECT b.name, p_day, b.title, b.content ->> 'rhythm', b.content ->> 'owner', p_opens_at, p_due_at, p_late_at,
            b.content -> 'steps', p_missed_at
        FROM console.book AS b
        WHERE b.kind = 'checklist' AND b.name = p_name AND jsonb_array_length(b.content -> 'steps') > 0
            AND NOT EXISTS (
                SELECT FROM console.checklist_run AS r
                WHERE r.checklist = p_name AND (r.day >= p_day OR r.due_at >= p_due_at)
            )
        RETURNING id INTO made;
    RETURN made;
END $$;

-- --- what people do ------------------------------------------------------------------------------------------------

-- An item is done, skipped (with a note), or with null: not done after all. Who said it already may say it otherwise.
CREATE FUNCTION console.mark_item(p_run bigint, p_place int, p_state text, p_note text, OUT refusal text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    r console.checklist_run;
    m console.checklist_mark;
    note text := left(btrim(coalesce(p_note, ''), E' \t\n'), 2000);
BEGIN
    PERFORM console.require('console_responder');
    SELECT * INTO r FROM console.checklist_run WHERE id = p_run;
    IF NOT FOUND OR NOT console.hold_checklist(r.checklist) THEN
        refusal := format('there is no run %s of a checklist', p_run);
        RETURN;
    END IF;
    -- As it is now that nobody else changes it.
    SELECT * INTO r FROM console.checklist_run WHERE id = p_run;
    SELECT * INTO m FROM console.checklist_mark WHERE run_id = p_run AND place = p_place;
    refusal := CASE
        WHEN p_state NOT IN ('done', 'skipped') THEN
            format('an item is done or skipped, not %s', left(p_state, 20))
        WHEN coalesce(p_place, 0) NOT BETWEEN 1 AND jsonb_array_length(r.items) THEN
            format('%s has %s items: there is no item %s', r.title, jsonb_array_length(r.items), p_place)
        WHEN r.missed_at IS NOT NULL THEN
            format('%s (%s) was missed: the next one is open', r.title, console.due_words(r.due_at))
        WHEN p_state = 'skipped' AND note = '' THEN 'to skip an item takes a note: why'
        WHEN p_state IS NOT NULL AND m.automatic THEN
            format('the agent ticked it already, %s', to_char(m.at AT TIME ZONE 'UTC', 'HH24:MI'))
        WHEN p_state IS NOT NULL AND m.author <> session_user THEN
            format('%s %s it already, %s', m.author, CASE m.state WHEN 'done' THEN 'ticked' ELSE m.state END,
                to_char(m.at AT TIME ZONE 'UTC', 'HH24:MI'))
        WHEN p_state IS NULL AND r.ended_at IS NOT NULL AND EXISTS (
            SELECT FROM console.checklist_run AS n WHERE n.checklist = r.checklist AND n.due_at > r.due_at
        ) THEN format('%s (%s) is over: the next one is open', r.title, console.due_words(r.due_at))
    END;
    IF refusal IS NOT NULL OR p_state IS NULL AND m.run_id IS NULL
        OR m.state = p_state AND note IN ('', m.note)
    THEN
        RETURN;
    END IF;
    PERFORM console.put_mark(r, p_place, p_state, note, clock_timestamp(), false);
END $$;

-- The next occurrence before its time; of a list that has one open, that one.
CREATE FUNCTION console.start_checklist(p_name text, OUT refusal text, OUT id bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    c console.checklist;
    moment timestamptz := clock_timestamp();
BEGIN
    PERFORM console.require('console_responder');
    IF NOT EXISTS (SELECT FROM console.book AS b WHERE b.kind = 'checklist' AND b.name = p_name) THEN
        refusal := format('there is no checklist %s', left(coalesce(p_name, ''), 100));
        RETURN;
    ELSIF NOT console.hold_checklist(p_name) THEN
        refusal := format('%s is new: the agent has not worked out yet when it is due', p_name);
        RETURN;
    END IF;
    SELECT r.id INTO id FROM console.checklist_run AS r
        WHERE r.checklist = p_name AND r.ended_at IS NULL AND r.missed_at IS NULL;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT * INTO c FROM console.checklist WHERE name = p_name;
    IF c.next_due_at IS NOT NULL THEN
        id := console.begin_run(p_name, c.next_day, least(c.next_opens_at, moment), c.next_due_at, c.next_late_at, NULL);
    END IF;
    IF id IS NULL THEN
        refusal := format('%s was done, and the agent has not worked out yet when it is due again', p_name);
    END IF;
END $$;

-- --- what the agent writes -----------------------------------------------------------------------------------------

-- Since when each of these lists exists: those that nobody knew of, since `p_now`. [name]
CREATE FUNCTION console.know_checklists(p_fence bigint, p_now timestamptz, p_names text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    INSERT INTO console.checklist (name, known_at)
        SELECT left(n, 100), p_now FROM unnest(p_names) AS n ON CONFLICT (name) DO NOTHING;
END $$;

-- Occurrences of a list whose time to open has come, [{day, opens_at, due_at, late_at}] in their order, and the one
-- after them (null: none comes any more). Each misses the one before it; what nobody was there to open is told in one
-- sentence. How many were opened.
CREATE FUNCTION console.open_runs(p_fence bigint, p_name text, p_come jsonb, p_next jsonb) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    o record;
    open_one console.checklist_run;
    first_missed timestamptz;
    last_missed timestamptz;
    missed int := 0;
    made int := 0;
    named text;
BEGIN
    PERFORM console.hold(p_fence);
    IF NOT console.hold_checklist(p_name) THEN
        RETURN 0;
    END IF;
    FOR o IN
        SELECT e.*, lead(e.opens_at) OVER (ORDER BY e.due_at) AS missed_at
        FROM jsonb_to_recordset(p_come)
            AS e(day date, opens_at timestamptz, due_at timestamptz, late_at timestamptz)
        ORDER BY e.due_at
    LOOP
        SELECT * INTO open_one FROM console.checklist_run
            WHERE checklist = p_name AND ended_at IS NULL AND missed_at IS NULL;
        IF open_one.day < o.day AND open_one.due_at < o.due_at THEN
            UPDATE console.checklist_run SET missed_at = o.opens_at, waits = '{}' WHERE id = open_one.id;
            PERFORM console.tell_checklist(open_one.title, 'warning', format('%s (%s) was missed: %s were done',
                open_one.title, console.due_words(open_one.due_at), console.done_words(open_one)));
        END IF;
        IF console.begin_run(p_name, o.day, o.opens_at, o.due_at, o.late_at, o.missed_at) IS NOT NULL THEN
            made := made + 1;
            IF o.missed_at IS NOT NULL THEN
                missed := missed + 1;
                first_missed := coalesce(first_missed, o.due_at);
                last_missed := o.due_at;
            END IF;
        END IF;
    END LOOP;
    IF missed > 0 THEN
        SELECT title INTO named FROM console.book WHERE kind = 'checklist' AND name = p_name;
        PERFORM console.tell_checklist(named, 'warning', CASE WHEN missed = 1 THEN
                format('%s (%s) was missed: no agent was there to open it', named, console.due_words(first_missed))
            ELSE
                format('%s was missed %s times (%s to %s): no agent was there to open it', named, missed,
                    console.due_words(first_missed), console.due_words(last_missed))
            END);
    END IF;
    UPDATE console.checklist AS c SET next_day = n.day, next_opens_at = n.opens_at, next_due_at = n.due_at,
        next_late_at = n.late_at
        FROM (SELECT) AS always LEFT JOIN jsonb_to_record(p_next)
            AS n(day date, opens_at timestamptz, due_at timestamptz, late_at timestamptz) ON true
        WHERE c.name = p_name AND (c.next_day, c.next_opens_at, c.next_due_at, c.next_late_at)
            IS DISTINCT FROM (n.day, n.opens_at, n.due_at, n.late_at);
    RETURN made;
END $$;

-- What the agent found of a run's items: [{place, note}] that hold, each ticked unless somebody said something of it
-- before, or took a tick back; and why others do not, {place: words}. How many were ticked.
CREATE FUNCTION console.tick_items(p_fence bigint, p_run bigint, p_now timestamptz, p_hold jsonb, p_waits jsonb)
RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    r console.checklist_run;
    i record;
    ticked int := 0;
BEGIN
    PERFORM console.hold(p_fence);
    SELECT * INTO r FROM console.checklist_run WHERE id = p_run;
    IF NOT FOUND OR NOT console.hold_checklist(r.checklist) THEN
        RETURN 0;
    END IF;
    SELECT * INTO r FROM console.checklist_run WHERE id = p_run;
    IF r.ended_at IS NOT NULL OR r.missed_at IS NOT NULL THEN
        RETURN 0;
    END IF;
    FOR i IN
        SELECT h.place, left(h.note, 500) AS note FROM jsonb_to_recordset(p_hold) AS h(place int, note text)
        WHERE h.place BETWEEN 1 AND jsonb_array_length(r.items)
            AND NOT EXISTS (
                SELECT FROM console.checklist_mark_change AS c WHERE c.run_id = r.id AND c.place = h.place
            )
        ORDER BY h.place
    LOOP
        PERFORM console.put_mark(r, i.place, 'done', i.note, p_now, true);
        ticked := ticked + 1;
    END LOOP;
    UPDATE console.checklist_run SET waits = p_waits
        WHERE id = r.id AND ended_at IS NULL AND waits IS DISTINCT FROM p_waits;
    RETURN ticked;
END $$;

-- What became overdue by now and was not told yet goes on the timeline. How many.
CREATE FUNCTION console.tell_overdue(p_fence bigint, p_now timestamptz) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    r console.checklist_run;
    told int := 0;
BEGIN
    PERFORM console.hold(p_fence);
    FOR r IN
        UPDATE console.checklist_run AS q SET told_late = true
            WHERE q.ended_at IS NULL AND q.missed_at IS NULL AND q.late_at < p_now AND NOT q.told_late
                AND EXISTS (SELECT FROM console.book AS b WHERE b.kind = 'checklist' AND b.name = q.checklist)
            RETURNING q.*
    LOOP
        PERFORM console.tell_checklist(r.title, 'info', format('%s (%s) is overdue: %s are done', r.title,
            console.due_words(r.due_at), console.done_words(r)));
        told := told + 1;
    END LOOP;
    RETURN told;
END $$;

REVOKE ALL ON FUNCTION
    console.hold_checklist(text),
    console.tell_checklist(text, text, text),
    console.due_words(timestamptz),
    console.done_words(console.checklist_run),
    console.put_mark(console.checklist_run, int, text, text, timestamptz, boolean),
    console.begin_run(text, date, timestamptz, timestamptz, timestamptz, timestamptz),
    console.mark_item(bigint, int, text, text),
    console.start_checklist(text),
    console.know_checklists(bigint, timestamptz, text[]),
    console.open_runs(bigint, text, jsonb, jsonb),
    console.tick_items(bigint, bigint, timestamptz, jsonb, jsonb),
    console.tell_overdue(bigint, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.mark_item(bigint, int, text, text),
    console.start_checklist(text)
TO console_responder;
GRANT EXECUTE ON FUNCTION
    console.know_checklists(bigint, timestamptz, text[]),
    console.open_runs(bigint, text, jsonb, jsonb),
    console.tick_items(bigint, bigint, timestamptz, jsonb, jsonb),
    console.tell_overdue(bigint, timestamptz)
TO console_agent;
