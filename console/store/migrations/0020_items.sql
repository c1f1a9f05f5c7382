-- What was said of an item of a checklist is taken back before something else is said of it; when it was said is told
-- as an age, which is the same in every time zone.

CREATE OR REPLACE FUNCTION console.mark_item(p_run bigint, p_place int, p_state text, p_note text, OUT refusal text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    r console.checklist_run;
    m console.checklist_mark;
    note text := left(btrim(coalesce(p_note, ''), E' \t\n'), 2000);
    who text;
    age text;
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
    who := CASE WHEN m.automatic THEN 'the agent' ELSE m.author END
        || CASE m.state WHEN 'done' THEN ' ticked it' ELSE ' skipped it' END;
    age := console.age_words(clock_timestamp() - m.at);
    refusal := CASE
        WHEN p_state NOT IN ('done', 'skipped') THEN
            format('an item is done or skipped, not %s', left(p_state, 20))
        WHEN coalesce(p_place, 0) NOT BETWEEN 1 AND jsonb_array_length(r.items) THEN
            format('%s has %s items: there is no item %s', r.title, jsonb_array_length(r.items), p_place)
        WHEN r.missed_at IS NOT NULL THEN
            format('%s (%s) was missed: the next one is open', r.title, console.due_words(r.due_at))
        WHEN p_state = 'skipped' AND note = '' THEN 'to skip an item takes a note: why'
        WHEN m.state <> p_state THEN format('%s %s ago: untick it first', who, age)
        WHEN p_state IS NOT NULL AND (m.automatic OR m.author <> session_user) THEN
            format('%s already, %s ago', who, age)
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
