-- What somebody only looked at and withdrew changed nothing: it is in the audit, and not on the timeline, where one looks
-- for what may have caused something. And entries of one who may only look are bounded, so that nobody fills the store.

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
            VALUES ('action',
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
