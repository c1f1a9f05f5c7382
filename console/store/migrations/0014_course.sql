-- An action may wait for a second person in its middle, and start others. What somebody only looked at and withdrew
-- changed nothing: it is in the audit, and not on the timeline, where one looks for what may have caused something. Entries
-- of one who may only look are bounded, so that nobody fills the store.

CREATE OR REPLACE FUNCTION console.move_action(p_action console.action, p_verb text, p_text text, p_detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    subject text := console.subject_of(p_action);
BEGIN
    INSERT INTO console.action_change (action_id, state, text) VALUES (p_action.id, p_action.state, left(p_text, 500));
    PERFORM console.note_audit(p_verb, subject, p_action.id,
        jsonb_build_object('state', p_action.state, 'text', left(p_text, 500)) || coalesce(p_detail, '{}'));
    -- A refused one is told: somebody wanted it.
    IF p_action.confirmed_at IS NOT NULL OR p_action.state = 'refused' THEN
        INSERT INTO console.event (kind, severity, subject, text)
            -- What runs is another thing from then on: whoever looks for a cause looks there first.
            VALUES (CASE WHEN p_action.kind IN ('deploy', 'rollback') THEN 'deployment' ELSE 'action' END,
                CASE p_action.state WHEN 'failed' THEN 'critical' WHEN 'interrupted' THEN 'critical'
                    WHEN 'refused' THEN 'warning' WHEN 'done' THEN 'ok' ELSE 'info' END,
                left(coalesce(nullif(p_action.target, ''), subject), 100),
                left(format('action %s, %s: %s', p_action.id, subject, p_text), 500));
    END IF;
END $$;

CREATE INDEX audit_waiting_actor ON console.audit_waiting (actor);

-- The actor is whoever logged in; nobody can name another one.
CREATE OR REPLACE FUNCTION console.note_audit(p_verb text, p_subject text, p_action_id bigint, p_detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    p_verb := left(p_verb, 50);
    p_subject := left(p_subject, 200);
    p_detail := coalesce(p_detail, '{}');
    IF console.role_of(session_user) = 'viewer' THEN
        IF (SELECT count(*) FROM console.audit_waiting WHERE actor = session_user) >= 200 THEN
            RAISE EXCEPTION '200 entries of % wait for the audit', session_user
                USING ERRCODE = 'insufficient_privilege', HINT = 'The leading agent writes them in; try again.';
        END IF;
        INSERT INTO console.audit_waiting (at, actor, verb, subject, action_id, detail)
            VALUES (clock_timestamp(), session_user, p_verb, p_subject, p_action_id, p_detail);
    ELSE
        PERFORM console.hold_audit();
        PERFORM console.chain_audit(clock_timestamp(), session_user, p_verb, p_subject, p_action_id, p_detail);
    END IF;
END $$;

CREATE INDEX action_cause ON console.action (cause, id) WHERE origin = 'automatic';

DROP FUNCTION console.interrupt_action(bigint, bigint, text);

-- Nobody can say whether a step has happened, and a person chooses; or with `p_approval` a second one agrees, or stops it.
CREATE FUNCTION console.interrupt_action(p_fence bigint, p_id bigint, p_question text, p_approval boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    UPDATE console.action SET state = 'interrupted', question = left(p_question, 500), choice = '',
            needs_approval = CASE WHEN p_approval THEN left(p_question, 500) ELSE needs_approval END,
            approved_by = CASE WHEN p_approval THEN '' ELSE approved_by END,
            approved_at = CASE WHEN p_approval THEN NULL ELSE approved_at END,
            approval_expires_at = CASE WHEN p_approval THEN NULL ELSE approval_expires_at END
        WHERE id = p_id AND state IN ('running', 'verifying') RETURNING * INTO a;
    IF FOUND THEN
        PERFORM console.move_action(a, 'interrupted', a.question, NULL);
    END IF;
END $$;
REVOKE ALL ON FUNCTION console.interrupt_action(bigint, bigint, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.interrupt_action(bigint, bigint, text, boolean) TO console_agent;

-- As before, and in the middle of it.
CREATE OR REPLACE FUNCTION console.approve_action(p_id bigint, p_hash text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    refusal text;
BEGIN
    a := console.hold_action(p_id);
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN console.role_of(session_user) <> 'commander' THEN
            format('%s is a %s: an approval takes a commander', session_user, console.role_of(session_user))
        WHEN a.approved_by <> '' THEN format('%s approved it already', a.approved_by)
        WHEN a.state NOT IN ('confirmed', 'interrupted') THEN format('it is %s: there is nothing to approve', a.state)
        WHEN a.choice <> '' THEN format('%s was chosen already', a.choice)
        WHEN a.needs_approval = '' THEN 'it needs no second person'
        WHEN session_user IN (a.requested_by, a.confirmed_by) THEN
            'a second person is needed: not the one who asked for it or confirmed it'
        WHEN a.plan_hash <> coalesce(p_hash, '') THEN 'the plan has changed since it was shown: read it again'
        WHEN a.approval_expires_at < clock_timestamp() THEN 'it waited too long for an approval: ask for a new plan'
        -- One that held when it was confirmed was overridden, and stays so.
        WHEN (SELECT freezes FROM console.action_kind WHERE name = a.kind) THEN
            console.frozen(a.confirmed_at) || '; ask for a new plan, which a commander may confirm with a reason'
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('approval', console.subject_of(a), a.id, refusal);
    END IF;
    UPDATE console.action SET approved_by = session_user, approved_at = clock_timestamp(),
            state = CASE WHEN a.state = 'confirmed' THEN 'approved' ELSE a.state END,
            choice = CASE WHEN a.state = 'confirmed' THEN '' ELSE 'skip' END
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'approved', format('%s approved it', session_user),
        jsonb_build_object('plan_hash', a.plan_hash));
    RETURN NULL;
END $$;

-- How an interrupted one goes on: `again` runs the step once more, `skip` takes it as done, `stop` ends it as failed. One
-- that waits for a second person goes on when that one approves it.
CREATE OR REPLACE FUNCTION console.resume_action(p_id bigint, p_choice text, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    why text := left(btrim(coalesce(p_reason, '')), 400);
    refusal text;
BEGIN
    a := console.hold_action(p_id);
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: that takes a responder', session_user, console.role_of(session_user))
        WHEN a.state <> 'interrupted' THEN format('it is %s: there is nothing to choose', a.state)
        WHEN a.choice <> '' THEN format('%s was chosen already', a.choice)
        WHEN coalesce(p_choice, '') NOT IN ('again', 'skip', 'stop') THEN 'choose again, skip or stop'
        WHEN p_choice <> 'stop' AND a.needs_approval <> '' AND a.approved_by = '' THEN
            'it waits for a second person: approve it, or stop it'
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('resumption', console.subject_of(a), a.id, refusal);
    END IF;
    UPDATE console.action SET choice = p_choice WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'chosen',
        concat_ws(': ', format('%s chose %s', session_user, p_choice), nullif(why, '')),
        jsonb_build_object('choice', p_choice));
    RETURN NULL;
END $$;
