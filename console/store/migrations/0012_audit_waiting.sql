-- Who may only look can't hold the audit up; freezes, approvals and steps ask what they mean; one way to say each of it.

DROP INDEX console.audit_at, console.effect_since, console.action_under_way, console.action_exclusive;
DROP TRIGGER audit ON console.finding_change;
DROP FUNCTION
    console.audit_findings(),
    console.add_freeze(timestamptz, float8, text),
    console.break_glass(text, float8),
    console.mend_glass(),
    console.request_automatic(bigint, text, text, jsonb, text, text, jsonb, boolean, bigint);

ALTER TABLE console.action_kind DROP COLUMN undo;
-- What the store's own guards said when it was confirmed: [{name, passed, text}].
ALTER TABLE console.action ADD COLUMN guards jsonb NOT NULL DEFAULT '[]';
ALTER TABLE console.action_step ADD COLUMN before text NOT NULL DEFAULT '';
-- What a step found before its first try stood in front of its text.
UPDATE console.action_step SET before = substr(text, 9), text = '' WHERE starts_with(text, 'before: ');
ALTER TABLE console.action_step ALTER COLUMN before DROP DEFAULT;

-- Confirmed and not over: such actions keep others off their target.
CREATE FUNCTION console.under_way(p_state text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT p_state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted')
$$;

CREATE UNIQUE INDEX action_under_way ON console.action (kind, target)
    WHERE console.under_way(state);
CREATE UNIQUE INDEX action_exclusive ON console.action (exclusive)
    WHERE exclusive <> '' AND console.under_way(state);
CREATE INDEX effect_lifted ON console.effect (lifted_at);

-- Entries of those who may only look. They could hold the head for as long as they like: the next who may write, or the
-- leading agent, chains these in.
CREATE TABLE console.audit_waiting (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    verb text NOT NULL,
    subject text NOT NULL,
    action_id bigint,
    detail jsonb NOT NULL
);
GRANT SELECT ON console.audit_waiting TO console_viewer;

-- The next entry, for whoever holds the head.
CREATE FUNCTION console.chain_audit(
    p_at timestamptz, p_actor text, p_verb text, p_subject text, p_action_id bigint, p_detail jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    head console.audit_head;
BEGIN
    SELECT * INTO head FROM console.audit_head;
    head.seq := head.seq + 1;
    head.hash := console.audit_hash(head.hash, head.seq, p_at, p_actor, p_verb, p_subject, p_action_id, p_detail);
    INSERT INTO console.audit VALUES (head.seq, p_at, p_actor, p_verb, p_subject, p_action_id, p_detail, head.hash);
    UPDATE console.audit_head SET seq = head.seq, hash = head.hash;
END $$;

-- Whoever leaves the transaction open that holds the head is not waited for longer than an agent would be. A hundred of
-- those that wait at a time, so that no flood of them stops who may write.
CREATE OR REPLACE FUNCTION console.hold_audit() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    w console.audit_waiting;
BEGIN
    IF console.role_of(session_user) = 'viewer' THEN
        RETURN;
    END IF;
    PERFORM FROM console.audit_head FOR NO KEY UPDATE;
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
    FOR w IN SELECT * FROM console.audit_waiting ORDER BY id LIMIT 100 LOOP
        PERFORM console.chain_audit(w.at, w.actor, w.verb, w.subject, w.action_id, w.detail);
        DELETE FROM console.audit_waiting WHERE id = w.id;
    END LOOP;
END $$;

-- The actor is whoever logged in; nobody can name another one.
CREATE OR REPLACE FUNCTION console.note_audit(p_verb text, p_subject text, p_action_id bigint, p_detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    p_verb := left(p_verb, 50);
    p_subject := left(p_subject, 200);
    p_detail := coalesce(p_detail, '{}');
    IF console.role_of(session_user) = 'viewer' THEN
        INSERT INTO console.audit_waiting (at, actor, verb, subject, action_id, detail)
            VALUES (clock_timestamp(), session_user, p_verb, p_subject, p_action_id, p_detail);
    ELSE
        PERFORM console.hold_audit();
        PERFORM console.chain_audit(clock_timestamp(), session_user, p_verb, p_subject, p_action_id, p_detail);
    END IF;
END $$;

-- `block-ip 203.0.113.7`, of no action `?`.
CREATE FUNCTION console.subject_of(p_action console.action) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT concat_ws(' ', coalesce(replace(p_action.kind, '_', '-'), '?'), nullif(p_action.target, ''))
$$;

-- A new state of an action: its row (as it then is), its history, the audit and the timeline.
CREATE OR REPLACE FUNCTION console.move_action(p_action console.action, p_verb text, p_text text, p_detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    subject text := console.subject_of(p_action);
BEGIN
    INSERT INTO console.action_change (action_id, state, text) VALUES (p_action.id, p_action.state, left(p_text, 500));
    PERFORM console.note_audit(p_verb, subject, p_action.id,
        jsonb_build_object('state', p_action.state, 'text', left(p_text, 500)) || coalesce(p_detail, '{}'));
    IF p_action.state NOT IN ('planning', 'planned') THEN
        INSERT INTO console.event (kind, severity, subject, text)
            VALUES ('action',
                CASE p_action.state WHEN 'failed' THEN 'critical' WHEN 'interrupted' THEN 'critical'
                    WHEN 'refused' THEN 'warning' WHEN 'done' THEN 'ok' ELSE 'info' END,
                left(coalesce(nullif(p_action.target, ''), subject), 100),
                left(format('action %s, %s: %s', p_action.id, subject, p_text), 500));
    END IF;
END $$;

-- Which freeze holds now, in words, of those that began after `p_since`; null: none.
CREATE FUNCTION console.frozen(p_since timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT format('frozen until %s UTC by %s: %s', to_char(ends_at AT TIME ZONE 'UTC', 'DD Mon HH24:MI:SS'), author, reason)
    FROM console.freeze_window
    WHERE starts_at > p_since AND starts_at <= clock_timestamp() AND ends_at > clock_timestamp()
    ORDER BY ends_at DESC LIMIT 1
$$;

-- What the store itself guards when `p_who` confirms this action: each guard with its answer in words.
CREATE OR REPLACE FUNCTION console.guards_of(p_action console.action, p_who name)
RETURNS TABLE (name text, passed boolean, overridable boolean, text text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    k console.action_kind;
    held text;
    other console.action;
    spent bigint;
    hour interval := console.scaled('1 hour');
    role text := console.role_of(p_who);
BEGIN
    SELECT * INTO k FROM console.action_kind AS q WHERE q.name = p_action.kind;
    RETURN QUERY SELECT 'role', role IN ('responder', 'commander'), false,
        CASE WHEN role IN ('responder', 'commander') THEN format('%s is a %s', p_who, role)
            ELSE format('%s is a %s: this takes a responder', p_who, role) END;
    IF k.freezes THEN
        held := console.frozen('-infinity');
        RETURN QUERY SELECT 'freeze', held IS NULL, true, coalesce(held, 'no freeze window holds');
    END IF;
    SELECT count(*) INTO spent FROM console.action AS a
        WHERE a.kind = p_action.kind AND a.confirmed_at > clock_timestamp() - hour AND a.state <> 'refused';
    RETURN QUERY SELECT 'budget', spent < k.budget, true,
        format('%s of %s within the hour', spent, k.budget);
    SELECT * INTO other FROM console.action AS a
        WHERE a.id <> p_action.id AND console.under_way(a.state)
            AND (a.kind = p_action.kind AND a.target = p_action.target OR k.exclusive <> '' AND a.exclusive = k.exclusive)
        ORDER BY a.id LIMIT 1;
    RETURN QUERY SELECT 'one at a time', other.id IS NULL, false,
        CASE WHEN other.id IS NULL THEN 'no other one is under way'
            ELSE format('action %s of %s is under way: %s', other.id, other.requested_by, console.subject_of(other))
        END;
END $$;

-- The audit's head and then the row, for whoever may look; who may only look holds up nobody.
CREATE FUNCTION console.hold_action(p_id bigint) RETURNS console.action
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
BEGIN
    PERFORM console.require('console_viewer');
    IF console.role_of(session_user) = 'viewer' THEN
        SELECT * INTO a FROM console.action WHERE id = p_id;
    ELSE
        PERFORM console.hold_audit();
        SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    END IF;
    RETURN a;
END $$;

-- Why this one takes a second person when `p_who` confirms it; '' when it doesn't.
CREATE OR REPLACE FUNCTION console.approval_of(p_action console.action, p_who name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN k.second_person THEN format('%s always takes a second person', replace(k.name, '_', '-'))
        WHEN coalesce(p_action.plan ->> 'second_person', '') <> '' THEN p_action.plan ->> 'second_person'
        WHEN k.role = 'commander' AND console.role_of(p_who) <> 'commander' THEN
            format('%s takes a commander', replace(k.name, '_', '-'))
        ELSE ''
    END
    FROM console.action_kind AS k WHERE k.name = p_action.kind
$$;

-- Ask for a plan. The same asked for by others at the same time is one action: `told` says so.
CREATE OR REPLACE FUNCTION console.request_action(
    p_kind text, p_target text, p_params jsonb, p_reason text, p_cause text, p_undo_of bigint,
    OUT refusal text, OUT id bigint, OUT told text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    k console.action_kind;
    other console.action;
    mine console.action;
    subject text := left(concat_ws(' ', coalesce(replace(p_kind, '_', '-'), '?'), nullif(p_target, '')), 200);
    why text := left(btrim(coalesce(p_reason, '')), 400);
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    told := '';
    SELECT * INTO k FROM console.action_kind WHERE name = p_kind;
    refusal := CASE
        WHEN k.name IS NULL THEN format('there is no action %s', left(coalesce(p_kind, ''), 60))
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: %s takes a responder', session_user, console.role_of(session_user), replace(k.name, '_', '-'))
        WHEN k.unavailable <> '' THEN format('%s can''t be done here: %s', replace(k.name, '_', '-'), k.unavailable)
        WHEN jsonb_typeof(p_params) IS DISTINCT FROM 'object' OR octet_length(p_params::text) > 8000
            OR octet_length(coalesce(p_target, '')) > 200 THEN 'the parameters are too long, or no object'
        WHEN why = '' THEN 'an action needs a reason'
        WHEN p_undo_of IS NOT NULL AND NOT EXISTS (SELECT FROM console.action AS a WHERE a.id = p_undo_of) THEN
            format('there is no action %s', p_undo_of)
    END;
    IF refusal IS NOT NULL THEN
        refusal := console.refuse('request', subject, NULL, refusal);
        RETURN;
    END IF;
    SELECT * INTO other FROM console.action AS a
        WHERE a.kind = p_kind
            -- What is about the same thing by the words of the request may have got another spelling by its plan.
            AND (a.target = coalesce(p_target, '') OR a.params = p_params AND p_params ? (k.spec ->> 'target'))
            AND (console.under_way(a.state)
                OR a.state IN ('planning', 'planned') AND a.params = p_params)
        ORDER BY a.confirmed_at NULLS LAST, a.id LIMIT 1;
    IF FOUND THEN
        id := other.id;
        told := format('%s asked for this already: it is action %s, %s', other.requested_by, other.id, other.state);
        PERFORM console.note_audit('joined', subject, other.id, jsonb_build_object('text', told, 'reason', why));
        RETURN;
    END IF;
    INSERT INTO console.action (kind, target, params, reason, origin, cause, exclusive, undo_of)
        VALUES (p_kind, coalesce(p_target, ''), p_params, why, 'person', left(coalesce(p_cause, ''), 200), k.exclusive,
            p_undo_of)
        RETURNING * INTO mine;
    id := mine.id;
    PERFORM console.move_action(mine, 'requested', why,
        jsonb_build_object('params', p_params, 'cause', mine.cause, 'undo_of', p_undo_of));
END $$;

CREATE OR REPLACE FUNCTION console.confirm_action(p_id bigint, p_hash text, p_typed text, p_choices jsonb, p_override text)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    answers jsonb;
    reasons text;
    heavy text;
    over text := left(btrim(coalesce(p_override, '')), 400);
    approval text;
    glass bigint := console.glass_of(session_user);
    open text;
    refusal text;
BEGIN
    a := console.hold_action(p_id);
    SELECT string_agg(c ->> 'title', ', ') INTO open FROM jsonb_array_elements(coalesce(a.plan -> 'choices', '[]')) AS c
        WHERE NOT EXISTS (
            SELECT FROM jsonb_array_elements(c -> 'options') AS o WHERE o ->> 0 = p_choices ->> (c ->> 'name')
        );
    SELECT string_agg(g.text, '; ') FILTER (WHERE NOT g.passed AND NOT g.overridable),
        string_agg(g.text, '; ') FILTER (WHERE NOT g.passed AND g.overridable),
        jsonb_agg(jsonb_build_object('name', g.name, 'passed', g.passed, 'text', g.text))
        INTO reasons, heavy, answers FROM console.guards_of(a, session_user) AS g;
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN reasons IS NOT NULL THEN reasons
        WHEN a.state = 'planning' THEN 'its plan is not there yet'
        WHEN a.state IN ('confirmed', 'approved', 'running', 'verifying') THEN
            format('%s confirmed it already', a.confirmed_by)
        WHEN a.state <> 'planned' THEN format('it is %s: %s', a.state, a.words)
        WHEN a.plan_hash <> coalesce(p_hash, '') THEN 'the plan has changed since it was shown: read it again'
        WHEN a.plan_expires_at < clock_timestamp() THEN 'the plan is too old: ask for a new one'
        WHEN coalesce((SELECT unavailable FROM console.action_kind WHERE name = a.kind), 'gone') <> '' THEN
            'this installation can''t do it any more'
        WHEN heavy IS NOT NULL AND over = '' THEN heavy || '; a commander may override it with a reason'
        WHEN heavy IS NOT NULL AND console.role_of(session_user) <> 'commander' THEN
            heavy || '; only a commander may override it'
        WHEN coalesce(a.plan ->> 'typed', '') <> '' AND coalesce(p_typed, '') <> a.plan ->> 'typed' THEN
            format('type %s to confirm', a.plan ->> 'typed')
        WHEN open <> '' THEN format('a choice is still open: %s', open)
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('confirmation', console.subject_of(a), a.id, refusal);
    END IF;
    approval := CASE WHEN glass IS NULL THEN console.approval_of(a, session_user) ELSE '' END;
    UPDATE console.action SET state = 'confirmed', confirmed_by = session_user, confirmed_at = clock_timestamp(),
            choices = coalesce(p_choices, '{}'), override = CASE WHEN heavy IS NULL THEN '' ELSE over END,
            guards = answers, needs_approval = approval,
            approval_expires_at = CASE WHEN approval <> '' THEN clock_timestamp() + interval '15 minutes' END
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'confirmed',
        concat_ws('; ', format('%s confirmed it', session_user), nullif(approval, ''),
            CASE WHEN heavy IS NOT NULL THEN format('overridden (%s): %s', heavy, over) END,
            CASE WHEN glass IS NOT NULL THEN 'under broken glass' END),
        jsonb_build_object('plan_hash', a.plan_hash, 'choices', a.choices, 'override', a.override, 'glass', glass,
            'guards', answers));
    RETURN NULL;
END $$;

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
        WHEN a.state <> 'confirmed' THEN format('it is %s: there is nothing to approve', a.state)
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
    UPDATE console.action SET state = 'approved', approved_by = session_user, approved_at = clock_timestamp()
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'approved', format('%s approved it', session_user),
        jsonb_build_object('plan_hash', a.plan_hash));
    RETURN NULL;
END $$;

-- Who asked for it looked at its plan and leaves it. What somebody else has confirmed or asked for too is not touched.
CREATE OR REPLACE FUNCTION console.withdraw_action(p_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    refusal text;
BEGIN
    a := console.hold_action(p_id);
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN session_user <> a.requested_by THEN format('%s asked for it', a.requested_by)
        WHEN console.role_of(session_user) = 'viewer' THEN format('%s is a viewer now', session_user)
        WHEN a.state NOT IN ('planning', 'planned') THEN
            concat_ws(', ', format('it is %s', a.state), 'confirmed by ' || nullif(a.confirmed_by, ''))
        ELSE (
            SELECT format('%s asked for it too', min(actor)) FROM console.audit
            WHERE action_id = p_id AND verb = 'joined' AND actor <> session_user HAVING count(*) > 0
        )
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('withdrawal', console.subject_of(a), a.id, refusal);
    END IF;
    UPDATE console.action SET state = 'cancelled', ended_at = clock_timestamp(), cancelled_by = session_user,
            words = concat_ws(': ', format('%s withdrew it', session_user),
                nullif(left(btrim(coalesce(p_reason, '')), 400), ''))
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'withdrawn', a.words, NULL);
    RETURN NULL;
END $$;

-- Before it runs it ends at once; while it runs the agent ends it after the step it is at.
CREATE OR REPLACE FUNCTION console.cancel_action(p_id bigint, p_reason text) RETURNS text
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
        WHEN a.ended_at IS NOT NULL THEN format('it is %s already', a.state)
        WHEN a.cancelled_by <> '' THEN format('%s cancelled it already', a.cancelled_by)
        WHEN a.state = 'interrupted' THEN 'it waits for a choice: resume it, or give it up'
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('cancellation', console.subject_of(a), a.id, refusal);
    END IF;
    IF a.state IN ('planning', 'planned', 'confirmed', 'approved') THEN
        UPDATE console.action SET state = 'cancelled', ended_at = clock_timestamp(), cancelled_by = session_user,
                words = concat_ws(': ', format('%s cancelled it', session_user), nullif(why, ''))
            WHERE id = p_id RETURNING * INTO a;
    ELSE
        UPDATE console.action SET cancelled_by = session_user, words = concat_ws(': ',
                format('%s cancels it', session_user), nullif(why, ''))
            WHERE id = p_id RETURNING * INTO a;
    END IF;
    PERFORM console.move_action(a, 'cancelled', a.words, NULL);
    RETURN NULL;
END $$;

-- How an interrupted one goes on: `again` runs the step once more, `skip` takes it as done, `stop` ends it as failed.
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

CREATE FUNCTION console.add_freeze(
    p_starts_at timestamptz, p_for_s float8, p_reason text, OUT refusal text, OUT made console.freeze_window
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    why text := left(btrim(coalesce(p_reason, '')), 400);
    start timestamptz := greatest(coalesce(p_starts_at, clock_timestamp()), clock_timestamp());
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    refusal := CASE
        WHEN console.role_of(session_user) <> 'commander' THEN
            format('%s is a %s: a freeze takes a commander', session_user, console.role_of(session_user))
        WHEN p_for_s IS NULL OR NOT (p_for_s > 0 AND p_for_s <= 90 * 86400) OR NOT isfinite(start)
            OR start > clock_timestamp() + interval '1 year' THEN 'a freeze lasts at most 90 days'
        WHEN why = '' THEN 'a freeze needs a reason'
    END;
    IF refusal IS NOT NULL THEN
        refusal := console.refuse('freeze', 'freeze', NULL, refusal);
        RETURN;
    END IF;
    INSERT INTO console.freeze_window (starts_at, ends_at, reason)
        VALUES (start, start + make_interval(secs => p_for_s), why) RETURNING * INTO made;
    PERFORM console.note_audit('froze', 'freeze ' || made.id, NULL,
        jsonb_build_object('text', why, 'starts_at', made.starts_at, 'ends_at', made.ends_at));
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'info', 'freeze', left(format('%s froze changes until %s UTC: %s', session_user,
            to_char(made.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), why), 500));
END $$;

CREATE OR REPLACE FUNCTION console.end_freeze(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    f console.freeze_window;
    moment timestamptz;
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO f FROM console.freeze_window WHERE id = p_id;
    refusal := CASE
        WHEN console.role_of(session_user) <> 'commander' THEN
            format('%s is a %s: a freeze takes a commander', session_user, console.role_of(session_user))
        WHEN f.id IS NULL THEN format('there is no freeze %s', p_id)
        WHEN f.ends_at <= clock_timestamp() THEN format('freeze %s is over already', p_id)
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('thaw', 'freeze ' || coalesce(p_id, 0), NULL, refusal);
    END IF;
    moment := clock_timestamp();
    UPDATE console.freeze_window SET starts_at = least(starts_at, moment), ends_at = moment, ended_by = session_user
        WHERE id = p_id;
    PERFORM console.note_audit('thawed', 'freeze ' || p_id, NULL, jsonb_build_object('text', f.reason));
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'info', 'freeze', left(format('%s ended the freeze of %s: %s', session_user, f.author, f.reason), 500));
    RETURN NULL;
END $$;

CREATE FUNCTION console.break_glass(p_reason text, p_for_s float8, OUT refusal text, OUT made console.glass)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    why text := left(btrim(coalesce(p_reason, '')), 400);
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    refusal := CASE
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: that takes a responder', session_user, console.role_of(session_user))
        WHEN p_for_s IS NULL OR NOT (p_for_s > 0 AND p_for_s <= 3600) THEN 'the glass stays broken for at most an hour'
        WHEN why = '' THEN 'to break the glass needs a reason'
        WHEN console.glass_of(session_user) IS NOT NULL THEN 'it is broken already'
    END;
    IF refusal IS NOT NULL THEN
        refusal := console.refuse('break-glass', session_user, NULL, refusal);
        RETURN;
    END IF;
    INSERT INTO console.glass (reason, ends_at) VALUES (why, clock_timestamp() + make_interval(secs => p_for_s))
        RETURNING * INTO made;
    PERFORM console.note_audit('broke the glass', session_user, NULL, jsonb_build_object('text', why, 'for_s', p_for_s));
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'critical', 'break-glass', left(format('%s broke the glass: no second person is needed: %s', session_user, why), 500));
END $$;

-- One's own, or as a commander that of `p_author`.
CREATE FUNCTION console.mend_glass(p_author text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    whose text := coalesce(p_author, session_user);
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    refusal := CASE
        WHEN whose <> session_user AND console.role_of(session_user) <> 'commander' THEN
            format('%s is a %s: to mend somebody else''s glass takes a commander', session_user, console.role_of(session_user))
        WHEN console.glass_of(whose) IS NULL THEN
            format('no glass of %s is broken', CASE WHEN whose = session_user THEN 'yours' ELSE left(whose, 60) END)
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('mending', whose, NULL, refusal);
    END IF;
    UPDATE console.glass SET ends_at = greatest(clock_timestamp(), starts_at)
        WHERE author = whose AND ends_at > clock_timestamp();
    PERFORM console.note_audit('mended the glass', whose, NULL, NULL);
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'info', 'break-glass', concat_ws(' of ', format('%s mended the glass', session_user),
            nullif(whose, session_user)));
    RETURN NULL;
END $$;

-- The whole catalogue, again whenever an agent begins to lead or the files change.
CREATE OR REPLACE FUNCTION console.publish_kinds(p_fence bigint, p_kinds jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    DELETE FROM console.action_kind WHERE name NOT IN (SELECT k ->> 'name' FROM jsonb_array_elements(p_kinds) AS k);
    INSERT INTO console.action_kind
        SELECT k ->> 'name', k ->> 'role', (k ->> 'second_person')::boolean, (k ->> 'budget')::int,
            (k ->> 'freeze')::boolean, coalesce(k ->> 'exclusive', ''),
            coalesce(k ->> 'unavailable', ''), k
        FROM jsonb_array_elements(p_kinds) AS k
        ON CONFLICT (name) DO UPDATE SET role = excluded.role, second_person = excluded.second_person,
            budget = excluded.budget, freezes = excluded.freezes, exclusive = excluded.exclusive,
            unavailable = excluded.unavailable, spec = excluded.spec
            WHERE action_kind.spec IS DISTINCT FROM excluded.spec;
END $$;

-- The plan of an action that is asked for, or why there is none. False: it is not asked for any more.
-- `p_target` is the one spelling of what the action is about, so that the same thing is never two targets.
CREATE OR REPLACE FUNCTION console.write_plan(
    p_fence bigint, p_id bigint, p_plan jsonb, p_refusal text, p_target text DEFAULT NULL
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    other console.action;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    IF a.state IS DISTINCT FROM 'planning' THEN
        RETURN false;
    END IF;
    IF p_refusal IS NULL AND p_target <> a.target THEN
        SELECT * INTO other FROM console.action AS q
            WHERE q.id <> a.id AND q.kind = a.kind AND q.target = p_target
                AND (console.under_way(q.state)
                    OR q.state IN ('planning', 'planned') AND q.params = a.params)
            ORDER BY q.confirmed_at NULLS LAST, q.id LIMIT 1;
        IF FOUND THEN
            p_plan := NULL;
            p_refusal := format('action %s is %s: %s, which is the same', other.id,
                CASE WHEN other.confirmed_at IS NULL THEN other.state ELSE 'under way' END, console.subject_of(other));
        ELSE
            a.target := left(p_target, 200);
        END IF;
    END IF;
    UPDATE console.action SET target = a.target, plan = p_plan, planned_at = clock_timestamp(),
            plan_hash = CASE WHEN p_plan IS NULL THEN '' ELSE encode(sha256(convert_to(p_plan::text, 'UTF8')), 'hex') END,
            plan_expires_at = clock_timestamp() + interval '10 minutes',
            state = CASE WHEN p_refusal IS NULL THEN 'planned' ELSE 'refused' END,
            ended_at = CASE WHEN p_refusal IS NOT NULL THEN clock_timestamp() END,
            words = left(coalesce(p_refusal, ''), 500)
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, CASE WHEN p_refusal IS NULL THEN 'planned' ELSE 'refused' END,
        coalesce(p_refusal, p_plan ->> 'title', ''), jsonb_build_object('plan', p_plan, 'plan_hash', a.plan_hash));
    RETURN true;
END $$;

-- One that the console itself asks for: an expiry, an automated response. With its plan it needs nobody any more unless
-- its budget is spent; else it becomes a proposal that a person confirms.
CREATE FUNCTION console.request_automatic(
    p_fence bigint, p_kind text, p_target text, p_params jsonb, p_reason text, p_cause text, p_plan jsonb,
    p_undo_of bigint, OUT refusal text, OUT id bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    k console.action_kind;
    a console.action;
    other console.action;
    begins boolean;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    SELECT * INTO k FROM console.action_kind WHERE name = p_kind;
    IF k.name IS NULL OR k.unavailable <> '' THEN
        refusal := format('there is no action %s here', p_kind);
        RETURN;
    END IF;
    SELECT * INTO other FROM console.action AS q
        WHERE q.kind = p_kind AND q.target = p_target AND (
            console.under_way(q.state)
            OR q.state IN ('planning', 'planned') AND (p_plan IS NULL OR q.params = p_params)
        ) LIMIT 1;
    IF FOUND THEN
        refusal := format('action %s is %s', other.id, other.state);
        id := other.id;
        RETURN;
    END IF;
    -- What ends by itself as it was agreed (`p_undo_of`) has been decided by whoever confirmed it.
    -- Anything else takes a person where it takes two, while a freeze holds, and when the budget is spent.
    begins := p_plan IS NOT NULL AND (p_undo_of IS NOT NULL OR NOT k.second_person
        AND coalesce(p_plan ->> 'second_person', '') = ''
        AND NOT (k.freezes AND console.frozen('-infinity') IS NOT NULL)
        AND (
            SELECT count(*) FROM console.action AS q WHERE q.kind = p_kind AND q.origin = 'automatic'
                AND q.confirmed_at > clock_timestamp() - console.scaled('1 hour')
        ) < k.budget);
    INSERT INTO console.action (kind, target, params, reason, origin, cause, exclusive, undo_of, state, plan, plan_hash,
            planned_at, plan_expires_at, confirmed_by, confirmed_at)
        VALUES (p_kind, p_target, p_params, left(p_reason, 400), 'automatic', left(p_cause, 200), k.exclusive, p_undo_of,
            CASE WHEN begins THEN 'confirmed' ELSE 'planning' END,
            CASE WHEN begins THEN p_plan END,
            CASE WHEN begins THEN encode(sha256(convert_to(p_plan::text, 'UTF8')), 'hex') ELSE '' END,
            CASE WHEN begins THEN clock_timestamp() END,
            CASE WHEN begins THEN clock_timestamp() + interval '10 minutes' END,
            CASE WHEN begins THEN session_user::text ELSE '' END,
            CASE WHEN begins THEN clock_timestamp() END)
        RETURNING * INTO a;
    id := a.id;
    PERFORM console.move_action(a, CASE WHEN begins THEN 'began' ELSE 'proposed' END, a.reason,
        jsonb_build_object('params', p_params, 'cause', a.cause, 'undo_of', p_undo_of, 'plan', p_plan));
END $$;

-- Steps as they are now, in one call; `p_steps` is [{seq, name, title, layer, state, attempt, due_at, started_at,
-- ended_at, text, before}].
CREATE OR REPLACE FUNCTION console.write_steps(p_fence bigint, p_id bigint, p_steps jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    s record;
    subject text;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    SELECT console.subject_of(a) INTO subject FROM console.action AS a WHERE id = p_id;
    FOR s IN
        SELECT * FROM jsonb_to_recordset(p_steps) AS q(seq int, name text, title text, layer text, state text,
            attempt int, due_at timestamptz, started_at timestamptz, ended_at timestamptz, text text,
            before text)
        ORDER BY q.seq
    LOOP
        INSERT INTO console.action_step AS t
            VALUES (p_id, s.seq, left(s.name, 100), left(s.title, 300), left(s.layer, 60), s.state, s.attempt, s.due_at,
                s.started_at, s.ended_at, left(s.text, 1000), p_fence, left(coalesce(s.before, ''), 1000))
            ON CONFLICT (action_id, seq) DO UPDATE SET state = excluded.state, attempt = excluded.attempt,
                due_at = excluded.due_at, started_at = excluded.started_at, ended_at = excluded.ended_at,
                text = excluded.text, fence = excluded.fence, before = excluded.before;
        IF s.state <> 'pending' THEN
            PERFORM console.note_audit('step ' || s.state, subject, p_id,
                jsonb_build_object('seq', s.seq, 'name', s.name, 'attempt', s.attempt, 'text', left(s.text, 500)));
        END IF;
    END LOOP;
END $$;

-- Lines of output: text that comes in pieces, at most 20,000 lines per action, and without a limit the exact calls that
-- were made.
CREATE OR REPLACE FUNCTION console.append_output(p_fence bigint, p_id bigint, p_step text, p_kind text, p_lines text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    IF p_kind <> 'out' OR (SELECT count(*) FROM console.action_output WHERE action_id = p_id) < 20000 THEN
        INSERT INTO console.action_output (action_id, step, kind, text)
            SELECT p_id, left(p_step, 100), p_kind, left(line, 2000)
            FROM unnest(p_lines) WITH ORDINALITY AS l(line, place) ORDER BY place;
    END IF;
END $$;

-- Whether it has waited too long, for a confirmation or for an approval.
CREATE FUNCTION console.is_late(p_action console.action) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT p_action.state = 'planned' AND p_action.plan_expires_at < clock_timestamp()
        OR p_action.state = 'confirmed' AND p_action.needs_approval <> ''
            AND p_action.approval_expires_at < clock_timestamp()
$$;

-- Plans that nobody confirmed and confirmations that nobody approved in time; how many those were. What waits for the
-- audit gets into it.
CREATE OR REPLACE FUNCTION console.expire_actions(p_fence bigint) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    n int := 0;
BEGIN
    PERFORM console.hold(p_fence);
    IF NOT EXISTS (SELECT FROM console.action AS q WHERE ended_at IS NULL AND console.is_late(q))
        AND NOT EXISTS (SELECT FROM console.audit_waiting) THEN
        RETURN 0;
    END IF;
    PERFORM console.hold_audit();
    FOR a IN
        UPDATE console.action AS q SET state = 'expired', ended_at = clock_timestamp(),
                words = CASE WHEN state = 'planned' THEN 'nobody confirmed it in time' ELSE 'nobody approved it in time' END
            WHERE ended_at IS NULL AND console.is_late(q) RETURNING *
    LOOP
        PERFORM console.move_action(a, 'expired', a.words, NULL);
        n := n + 1;
    END LOOP;
    RETURN n;
END $$;

-- One round of a detector: {detector, revision, settled_at, reason, findings: [{id, text, ...}]}; a finding without an
-- id is a new one. Returns the ids of the findings in their order; null: another round was written since `revision`,
-- and nothing of this one.
CREATE OR REPLACE FUNCTION console.write_findings(p_fence bigint, p_round jsonb) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    detector text := left(p_round ->> 'detector', 50);
    ids bigint[] := '{}';
    given jsonb;
    old console.finding;
    alike console.finding;
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
            alike := old;
            alike.settled := n.settled;
            IF n IS NOT DISTINCT FROM alike THEN
                UPDATE console.finding SET settled = n.settled WHERE id = n.id;
            ELSE
                n.at := clock_timestamp();
                n.since := CASE WHEN n.phase = old.phase THEN old.since ELSE n.at END;
                UPDATE console.finding SET
                        severity = n.severity, phase = n.phase, at = n.at, since = n.since, first_at = n.first_at,
                        attack_at = n.attack_at, last_at = n.last_at, count = n.count, peak = n.peak,
                        threshold = n.threshold, window_s = n.window_s, users = n.users, users_more = n.users_more,
                        affected = n.affected, affected_more = n.affected_more, action = n.action,
                        action_for_s = n.action_for_s, blocked_until = n.blocked_until,
                        settled = n.settled
                    WHERE id = n.id;
            END IF;
        END IF;
        PERFORM console.tell_finding(old, n, given ->> 'text');
        ids := ids || n.id;
    END LOOP;
    DELETE FROM console.finding WHERE at < clock_timestamp() - interval '400 days' AND phase = 'quiet';
    RETURN ids;
END $$;

-- Null: done. Else why not.
CREATE OR REPLACE FUNCTION console.dismiss_finding(p_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    why text := left(btrim(coalesce(p_reason, '')), 400);
    f console.finding;
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    IF console.role_of(session_user) IN ('responder', 'commander') THEN
        SELECT * INTO f FROM console.finding WHERE id = p_id FOR NO KEY UPDATE;
        refusal := CASE
            WHEN f.id IS NULL THEN format('there is no finding %s', p_id)
            WHEN why = '' THEN 'to dismiss a finding needs a reason'
            WHEN f.dismissed_by IS NOT NULL THEN format('%s dismissed finding %s %s ago: %s', f.dismissed_by, p_id,
                console.age_words(clock_timestamp() - f.dismissed_at), f.dismissed_reason)
        END;
    ELSE
        refusal := format('%s is a %s: to dismiss a finding takes a responder', session_user, console.role_of(session_user));
    END IF;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('dismissal', 'finding ' || coalesce(p_id, 0), NULL, refusal);
    END IF;
    UPDATE console.finding
        SET dismissed_by = session_user, dismissed_at = clock_timestamp(), dismissed_reason = why,
            at = clock_timestamp()
        WHERE id = p_id;
    INSERT INTO console.finding_change (finding_id, kind, text, count) VALUES (p_id, 'dismissed', why, f.count);
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('security', 'info', f.source,
            left(format('%s dismissed the %s from %s: %s', session_user, replace(f.kind, '_', ' '), f.source, why), 500));
    PERFORM console.note_audit('dismissed', 'finding ' || p_id, NULL, jsonb_build_object('finding', p_id, 'text', why));
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION
    console.under_way(text),
    console.subject_of(console.action),
    console.frozen(timestamptz),
    console.is_late(console.action),
    console.chain_audit(timestamptz, text, text, text, bigint, jsonb),
    console.hold_action(bigint),
    console.add_freeze(timestamptz, float8, text),
    console.break_glass(text, float8),
    console.mend_glass(text),
    console.request_automatic(bigint, text, text, jsonb, text, text, jsonb, bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    console.add_freeze(timestamptz, float8, text),
    console.break_glass(text, float8),
    console.mend_glass(text),
    -- Viewers are refused inside, so that the refusal stays in the audit.
    console.dismiss_finding(bigint, text)
TO console_viewer;
GRANT EXECUTE ON FUNCTION console.request_automatic(bigint, text, text, jsonb, text, text, jsonb, bigint)
TO console_agent;
