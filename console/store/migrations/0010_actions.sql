-- Actions: what is asked for, planned, confirmed and run; their journal; what they leave in force; and the audit, in
-- which nothing can be changed without being found out.

-- --- the audit -----------------------------------------------------------------------------------------------------

-- `hash` covers the hash before it and every other column, see audit_hash; that of the first one covers ''.
CREATE TABLE console.audit (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    verb text NOT NULL,
    subject text NOT NULL,
    action_id bigint,
    detail jsonb NOT NULL,
    hash text NOT NULL
);
CREATE INDEX audit_action ON console.audit (action_id, seq) WHERE action_id IS NOT NULL;
CREATE INDEX audit_at ON console.audit (at);

-- Its row lock puts all who write in a row: a sequence number is taken, and the hash before it known, only when the
-- entry before is committed.
CREATE TABLE console.audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    hash text NOT NULL
) WITH (fillfactor = 10);
INSERT INTO console.audit_head (seq, hash) VALUES (0, '');

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console.audit
    FOR EACH STATEMENT EXECUTE FUNCTION console.refuse_change();
CREATE TRIGGER tell AFTER INSERT ON console.audit REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('audit');

GRANT SELECT ON console.audit, console.audit_head TO console_viewer;

-- Each part with its length before it, so that no two different entries give the same text.
CREATE FUNCTION console.audit_hash(
    p_before text, p_seq bigint, p_at timestamptz, p_actor text, p_verb text, p_subject text, p_action_id bigint,
    p_detail jsonb
) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT encode(sha256(convert_to(string_agg(octet_length(convert_to(part, 'UTF8')) || ':' || part, ',' ORDER BY place),
        'UTF8')), 'hex')
    FROM unnest(ARRAY[
        p_before, p_seq::text, to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_actor, p_verb,
        p_subject, coalesce(p_action_id::text, ''), p_detail::text
    ]) WITH ORDINALITY AS p(part, place)
$$;

-- Whoever leaves the transaction open that holds the head is not waited for longer than an agent would be.
CREATE FUNCTION console.hold_audit() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM FROM console.audit_head FOR NO KEY UPDATE;
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
END $$;

-- The actor is whoever logged in; nobody can name another one.
CREATE FUNCTION console.note_audit(p_verb text, p_subject text, p_action_id bigint, p_detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    head console.audit_head;
    moment timestamptz;
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', '1500ms', true);
    SELECT * INTO head FROM console.audit_head FOR NO KEY UPDATE;
    moment := clock_timestamp();
    head.hash := console.audit_hash(head.hash, head.seq + 1, moment, session_user, left(p_verb, 50),
        left(p_subject, 200), p_action_id, coalesce(p_detail, '{}'));
    INSERT INTO console.audit VALUES (head.seq + 1, moment, session_user, left(p_verb, 50), left(p_subject, 200),
        p_action_id, coalesce(p_detail, '{}'), head.hash);
    UPDATE console.audit_head SET seq = head.seq + 1, hash = head.hash;
END $$;

-- --- what there is -------------------------------------------------------------------------------------------------

-- The catalogue as the leading agent reads it: `spec` as in domain/action.py. What guards go by stands in columns.
CREATE TABLE console.action_kind (
    name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,49}$'),
    role text NOT NULL CHECK (role IN ('responder', 'commander')),
    second_person boolean NOT NULL,
    budget int NOT NULL CHECK (budget > 0),
    freezes boolean NOT NULL,
    exclusive text NOT NULL,
    undo text NOT NULL,
    unavailable text NOT NULL,
    spec jsonb NOT NULL
);

CREATE TABLE console.action (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    target text NOT NULL,
    params jsonb NOT NULL,
    reason text NOT NULL,
    origin text NOT NULL CHECK (origin IN ('person', 'automatic')),
    cause text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'planning' CHECK (state IN ('planning', 'planned', 'confirmed', 'approved', 'running',
        'verifying', 'interrupted', 'done', 'failed', 'refused', 'cancelled', 'expired')),
    exclusive text NOT NULL DEFAULT '',
    requested_by text NOT NULL DEFAULT session_user,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Null over a socket. Where operators and agents come from is never blocked.
    requested_from inet DEFAULT inet_client_addr(),
    words text NOT NULL DEFAULT '',
    plan jsonb,
    plan_hash text NOT NULL DEFAULT '',
    planned_at timestamptz,
    plan_expires_at timestamptz,
    confirmed_by text NOT NULL DEFAULT '',
    confirmed_at timestamptz,
    choices jsonb NOT NULL DEFAULT '{}',
    override text NOT NULL DEFAULT '',
    needs_approval text NOT NULL DEFAULT '',
    approval_expires_at timestamptz,
    approved_by text NOT NULL DEFAULT '',
    approved_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    fence bigint,
    proof jsonb,
    undo_of bigint REFERENCES console.action,
    undone_by bigint REFERENCES console.action,
    cancelled_by text NOT NULL DEFAULT '',
    question text NOT NULL DEFAULT '',
    choice text NOT NULL DEFAULT '',
    CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'failed', 'refused', 'cancelled', 'expired')))
) WITH (fillfactor = 50);
CREATE INDEX action_open ON console.action (id)
    WHERE state NOT IN ('done', 'failed', 'refused', 'cancelled', 'expired');
CREATE INDEX action_ended ON console.action (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX action_confirmed ON console.action (kind, confirmed_at) WHERE confirmed_at IS NOT NULL;
-- One plan for all who ask for the same; one action at a time on one target, and in one exclusive group.
CREATE UNIQUE INDEX action_asked ON console.action (kind, target, md5(params::text))
    WHERE state IN ('planning', 'planned');
CREATE UNIQUE INDEX action_under_way ON console.action (kind, target)
    WHERE state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted');
CREATE UNIQUE INDEX action_exclusive ON console.action (exclusive)
    WHERE exclusive <> '' AND state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted');

CREATE TABLE console.action_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action_id bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL,
    actor text NOT NULL DEFAULT session_user,
    text text NOT NULL
);
CREATE INDEX action_change_action ON console.action_change (action_id, id);

CREATE TABLE console.action_step (
    action_id bigint NOT NULL REFERENCES console.action,
    seq int NOT NULL,
    name text NOT NULL,
    title text NOT NULL,
    layer text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'running', 'done', 'skipped', 'failed', 'unknown', 'cancelled')),
    attempt int NOT NULL,
    due_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    text text NOT NULL,
    fence bigint NOT NULL,
    PRIMARY KEY (action_id, seq)
) WITH (fillfactor = 50);

CREATE TABLE console.action_output (
    action_id bigint NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    step text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('command', 'out', 'note')),
    text text NOT NULL,
    PRIMARY KEY (action_id, seq)
);

-- What is in force. `layers` is [{name, state, text}].
CREATE TABLE console.effect (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    target text NOT NULL,
    action_id bigint NOT NULL REFERENCES console.action,
    reason text NOT NULL,
    author text NOT NULL,
    since timestamptz NOT NULL,
    expires_at timestamptz,
    layers jsonb NOT NULL,
    lifted_at timestamptz,
    lifted_by bigint REFERENCES console.action
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX effect_in_force ON console.effect (kind, target) WHERE lifted_at IS NULL;
CREATE INDEX effect_since ON console.effect (since);

CREATE TABLE console.freeze_window (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at >= starts_at),
    reason text NOT NULL,
    author text NOT NULL DEFAULT session_user,
    ended_by text NOT NULL DEFAULT ''
);
CREATE TABLE console.glass (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    author text NOT NULL DEFAULT session_user,
    reason text NOT NULL,
    starts_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at timestamptz NOT NULL
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console.action_change
    FOR EACH STATEMENT EXECUTE FUNCTION console.refuse_change();
-- Output comes in floods and the catalogue hardly ever: hints of their own, so that neither makes others read.
DO $$
DECLARE
    t text;
    told text;
BEGIN
    FOREACH t IN ARRAY ARRAY['action', 'action_step', 'action_output', 'effect', 'freeze_window', 'glass', 'action_kind'] LOOP
        told := CASE t WHEN 'action_output' THEN 'output' WHEN 'action_kind' THEN 'kind' ELSE 'action' END;
        EXECUTE format('CREATE TRIGGER tell_insert AFTER INSERT ON console.%I REFERENCING NEW TABLE AS added '
            'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, told);
        IF t <> 'action_output' THEN
            EXECUTE format('CREATE TRIGGER tell_update AFTER UPDATE ON console.%I REFERENCING NEW TABLE AS added '
                'FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added(%L)', t, told);
        END IF;
    END LOOP;
END $$;

GRANT SELECT ON console.action_kind, console.action, console.action_change, console.action_step, console.action_output,
    console.effect, console.freeze_window, console.glass TO console_viewer;

-- --- inside --------------------------------------------------------------------------------------------------------

CREATE FUNCTION console.role_of(p_who name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN pg_has_role(p_who, 'console_commander', 'USAGE') THEN 'commander'
        WHEN pg_has_role(p_who, 'console_responder', 'USAGE') THEN 'responder'
        WHEN pg_has_role(p_who, 'console_agent', 'USAGE') THEN 'agent'
        WHEN pg_has_role(p_who, 'console_viewer', 'USAGE') THEN 'viewer'
        ELSE 'none'
    END
$$;

-- A new state of an action: its row (as it then is), its history, the audit and the timeline.
CREATE FUNCTION console.move_action(p_action console.action, p_verb text, p_text text, p_detail jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    subject text := concat_ws(' ', p_action.kind, nullif(p_action.target, ''));
BEGIN
    INSERT INTO console.action_change (action_id, state, text) VALUES (p_action.id, p_action.state, left(p_text, 500));
    PERFORM console.note_audit(p_verb, subject, p_action.id,
        jsonb_build_object('state', p_action.state, 'text', left(p_text, 500)) || coalesce(p_detail, '{}'));
    IF p_action.state NOT IN ('planning', 'planned') THEN
        INSERT INTO console.event (kind, severity, subject, text)
            VALUES ('action',
                CASE p_action.state WHEN 'failed' THEN 'critical' WHEN 'interrupted' THEN 'critical'
                    WHEN 'refused' THEN 'warning' WHEN 'done' THEN 'ok' ELSE 'info' END,
                left(coalesce(nullif(p_action.target, ''), p_action.kind), 100),
                left(format('action %s, %s: %s', p_action.id, subject, p_text), 500));
    END IF;
END $$;

-- A refusal before there is an action, or of something asked of one: only the audit has it.
CREATE FUNCTION console.refuse(p_verb text, p_subject text, p_action_id bigint, p_why text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.note_audit('refused ' || p_verb, p_subject, p_action_id, jsonb_build_object('text', left(p_why, 500)));
    RETURN p_why;
END $$;

CREATE FUNCTION console.scaled(p_length interval) RETURNS interval
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT p_length / coalesce((SELECT time_scale FROM console.meta), 1)
$$;

CREATE FUNCTION console.glass_of(p_who text) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT max(id) FROM console.glass WHERE author = p_who AND ends_at > clock_timestamp()
$$;

-- What the store itself guards when `p_who` confirms this action: each guard with its answer in words.
CREATE FUNCTION console.guards_of(p_action console.action, p_who name)
RETURNS TABLE (name text, passed boolean, overridable boolean, text text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    k console.action_kind;
    held console.freeze_window;
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
        SELECT * INTO held FROM console.freeze_window
            WHERE starts_at <= clock_timestamp() AND ends_at > clock_timestamp() ORDER BY ends_at DESC LIMIT 1;
        RETURN QUERY SELECT 'freeze', held.id IS NULL, true, CASE WHEN held.id IS NULL THEN 'no freeze window holds'
            ELSE format('frozen until %s UTC by %s: %s', to_char(held.ends_at AT TIME ZONE 'UTC', 'DD Mon HH24:MI:SS'),
                held.author, held.reason) END;
    END IF;
    SELECT count(*) INTO spent FROM console.action AS a
        WHERE a.kind = p_action.kind AND a.confirmed_at > clock_timestamp() - hour AND a.state <> 'refused';
    RETURN QUERY SELECT 'budget', spent < k.budget, true,
        format('%s of %s within the hour', spent, k.budget);
    SELECT * INTO other FROM console.action AS a
        WHERE a.id <> p_action.id AND a.state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted')
            AND (a.kind = p_action.kind AND a.target = p_action.target OR k.exclusive <> '' AND a.exclusive = k.exclusive)
        ORDER BY a.id LIMIT 1;
    RETURN QUERY SELECT 'one at a time', other.id IS NULL, false,
        CASE WHEN other.id IS NULL THEN 'no other one is under way'
            ELSE format('action %s of %s is under way: %s', other.id, other.requested_by,
                concat_ws(' ', other.kind, nullif(other.target, ''))) END;
END $$;

-- Why this takes two; '' when it does not.
CREATE FUNCTION console.approval_of(p_action console.action, p_who name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT CASE
        WHEN k.second_person THEN format('%s always takes a second person', k.name)
        WHEN coalesce(p_action.plan ->> 'second_person', '') <> '' THEN p_action.plan ->> 'second_person'
        WHEN k.role = 'commander' AND console.role_of(p_who) <> 'commander' THEN format('%s takes a commander', k.name)
        ELSE ''
    END
    FROM console.action_kind AS k WHERE k.name = p_action.kind
$$;

-- --- what people do ------------------------------------------------------------------------------------------------

-- What the store's own guards would say now, for a preview; decided again when it is confirmed.
CREATE FUNCTION console.preview_guards(p_id bigint)
RETURNS TABLE (name text, passed boolean, overridable boolean, text text, approval text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
    SELECT g.name, g.passed, g.overridable, g.text,
        CASE WHEN console.glass_of(session_user) IS NULL THEN console.approval_of(a, session_user) ELSE '' END
    FROM console.action AS a, LATERAL console.guards_of(a, session_user) AS g
    WHERE a.id = p_id AND pg_has_role(session_user, 'console_viewer', 'USAGE')
$$;

-- Ask for a plan. The same asked for by others at the same time is one action: `told` says so.
CREATE FUNCTION console.request_action(
    p_kind text, p_target text, p_params jsonb, p_reason text, p_cause text, p_undo_of bigint,
    OUT refusal text, OUT id bigint, OUT told text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    k console.action_kind;
    other console.action;
    mine console.action;
    subject text := left(concat_ws(' ', coalesce(p_kind, '?'), nullif(p_target, '')), 200);
    why text := left(btrim(coalesce(p_reason, '')), 400);
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    told := '';
    SELECT * INTO k FROM console.action_kind WHERE name = p_kind;
    refusal := CASE
        WHEN k.name IS NULL THEN format('there is no action %s', left(coalesce(p_kind, ''), 60))
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: %s takes a responder', session_user, console.role_of(session_user), k.name)
        WHEN k.unavailable <> '' THEN format('%s can''t be done here: %s', k.name, k.unavailable)
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
            AND (a.state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted')
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

CREATE FUNCTION console.confirm_action(p_id bigint, p_hash text, p_typed text, p_choices jsonb, p_override text)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    reasons text;
    heavy text;
    over text := left(btrim(coalesce(p_override, '')), 400);
    approval text;
    glass bigint := console.glass_of(session_user);
    open text;
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    SELECT string_agg(c ->> 'title', ', ') INTO open FROM jsonb_array_elements(coalesce(a.plan -> 'choices', '[]')) AS c
        WHERE NOT EXISTS (
            SELECT FROM jsonb_array_elements(c -> 'options') AS o WHERE o ->> 0 = p_choices ->> (c ->> 'name')
        );
    SELECT string_agg(g.text, '; ') FILTER (WHERE NOT g.overridable),
        string_agg(g.text, '; ') FILTER (WHERE g.overridable)
        INTO reasons, heavy FROM console.guards_of(a, session_user) AS g WHERE NOT g.passed;
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
        WHEN coalesce(a.plan ->> 'typed', '') <> '' AND coalesce(p_typed, '') <> a.plan ->> 'typed' THEN
            format('type %s to confirm', a.plan ->> 'typed')
        WHEN open <> '' THEN format('a choice is still open: %s', open)
        WHEN heavy IS NOT NULL AND over = '' THEN heavy || '; a commander may override it with a reason'
        WHEN heavy IS NOT NULL AND console.role_of(session_user) <> 'commander' THEN
            heavy || '; only a commander may override it'
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('confirmation', concat_ws(' ', coalesce(a.kind, '?'), nullif(a.target, '')), a.id, refusal);
    END IF;
    approval := CASE WHEN glass IS NULL THEN console.approval_of(a, session_user) ELSE '' END;
    UPDATE console.action SET state = 'confirmed', confirmed_by = session_user, confirmed_at = clock_timestamp(),
            choices = coalesce(p_choices, '{}'), override = CASE WHEN heavy IS NULL THEN '' ELSE over END,
            needs_approval = approval,
            approval_expires_at = CASE WHEN approval <> '' THEN clock_timestamp() + interval '15 minutes' END
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'confirmed',
        concat_ws('; ', format('%s confirmed it', session_user), nullif(approval, ''),
            CASE WHEN heavy IS NOT NULL THEN format('overridden (%s): %s', heavy, over) END,
            CASE WHEN glass IS NOT NULL THEN 'under broken glass' END),
        jsonb_build_object('plan_hash', a.plan_hash, 'choices', a.choices, 'override', a.override, 'glass', glass));
    RETURN NULL;
END $$;

CREATE FUNCTION console.approve_action(p_id bigint, p_hash text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
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
        -- A freeze that began after the confirmation; one that was overridden stays so.
        WHEN a.override = '' THEN (
            SELECT g.text || '; ask for a new plan, which a commander may confirm with a reason'
            FROM console.guards_of(a, session_user) AS g WHERE g.name = 'freeze' AND NOT g.passed
        )
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('approval', concat_ws(' ', coalesce(a.kind, '?'), nullif(a.target, '')), a.id, refusal);
    END IF;
    UPDATE console.action SET state = 'approved', approved_by = session_user, approved_at = clock_timestamp()
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'approved', format('%s approved it', session_user),
        jsonb_build_object('plan_hash', a.plan_hash));
    RETURN NULL;
END $$;

-- Who asked for it looked at its plan and leaves it. What somebody else has confirmed or asked for too is not touched.
CREATE FUNCTION console.withdraw_action(p_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN session_user <> a.requested_by THEN format('%s asked for it', a.requested_by)
        WHEN a.state NOT IN ('planning', 'planned') THEN
            concat_ws(', ', format('it is %s', a.state), 'confirmed by ' || nullif(a.confirmed_by, ''))
        ELSE (
            SELECT format('%s asked for it too', min(actor)) FROM console.audit
            WHERE action_id = p_id AND verb = 'joined' AND actor <> session_user HAVING count(*) > 0
        )
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('withdrawal', concat_ws(' ', coalesce(a.kind, '?'), nullif(a.target, '')), a.id, refusal);
    END IF;
    UPDATE console.action SET state = 'cancelled', ended_at = clock_timestamp(), cancelled_by = session_user,
            words = concat_ws(': ', format('%s withdrew it', session_user),
                nullif(left(btrim(coalesce(p_reason, '')), 400), ''))
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'withdrawn', a.words, NULL);
    RETURN NULL;
END $$;

-- Before it runs it ends at once; while it runs the agent ends it after the step it is at.
CREATE FUNCTION console.cancel_action(p_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    why text := left(btrim(coalesce(p_reason, '')), 400);
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: that takes a responder', session_user, console.role_of(session_user))
        WHEN a.ended_at IS NOT NULL THEN format('it is %s already', a.state)
        WHEN a.cancelled_by <> '' THEN format('%s cancelled it already', a.cancelled_by)
        WHEN a.state = 'interrupted' THEN 'it waits for a choice: resume it, or give it up'
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('cancellation', concat_ws(' ', coalesce(a.kind, '?'), nullif(a.target, '')), a.id, refusal);
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
CREATE FUNCTION console.resume_action(p_id bigint, p_choice text, p_reason text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    why text := left(btrim(coalesce(p_reason, '')), 400);
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    refusal := CASE
        WHEN a.id IS NULL THEN format('there is no action %s', p_id)
        WHEN console.role_of(session_user) NOT IN ('responder', 'commander') THEN
            format('%s is a %s: that takes a responder', session_user, console.role_of(session_user))
        WHEN a.state <> 'interrupted' THEN format('it is %s: there is nothing to choose', a.state)
        WHEN a.choice <> '' THEN format('%s was chosen already', a.choice)
        WHEN coalesce(p_choice, '') NOT IN ('again', 'skip', 'stop') THEN 'choose again, skip or stop'
    END;
    IF refusal IS NOT NULL THEN
        RETURN console.refuse('resumption', concat_ws(' ', coalesce(a.kind, '?'), nullif(a.target, '')), a.id, refusal);
    END IF;
    UPDATE console.action SET choice = p_choice WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, 'chosen',
        concat_ws(': ', format('%s chose %s', session_user, p_choice), nullif(why, '')),
        jsonb_build_object('choice', p_choice));
    RETURN NULL;
END $$;

CREATE FUNCTION console.add_freeze(
    p_starts_at timestamptz, p_for_s float8, p_reason text, OUT refusal text, OUT id bigint
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
    INSERT INTO console.freeze_window AS f (starts_at, ends_at, reason)
        VALUES (start, start + make_interval(secs => p_for_s), why) RETURNING f.id INTO id;
    PERFORM console.note_audit('froze', 'freeze ' || id, NULL, jsonb_build_object('text', why, 'starts_at', start,
        'ends_at', start + make_interval(secs => p_for_s)));
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'info', 'freeze', left(format('%s froze changes until %s UTC: %s', session_user,
            to_char((start + make_interval(secs => p_for_s)) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), why), 500));
END $$;

CREATE FUNCTION console.end_freeze(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    f console.freeze_window;
    moment timestamptz;
    refusal text;
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    SELECT * INTO f FROM console.freeze_window WHERE id = p_id FOR NO KEY UPDATE;
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

CREATE FUNCTION console.break_glass(p_reason text, p_for_s float8, OUT refusal text, OUT id bigint)
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
    INSERT INTO console.glass AS g (reason, ends_at) VALUES (why, clock_timestamp() + make_interval(secs => p_for_s))
        RETURNING g.id INTO id;
    PERFORM console.note_audit('broke the glass', session_user, NULL, jsonb_build_object('text', why, 'for_s', p_for_s));
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'critical', 'break-glass', left(format('%s broke the glass: no second person is needed: %s', session_user, why), 500));
END $$;

CREATE FUNCTION console.mend_glass() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.require('console_viewer');
    PERFORM console.hold_audit();
    IF console.glass_of(session_user) IS NULL THEN
        RETURN console.refuse('mending', session_user, NULL, 'no glass of yours is broken');
    END IF;
    UPDATE console.glass SET ends_at = greatest(clock_timestamp(), starts_at)
        WHERE author = session_user AND ends_at > clock_timestamp();
    PERFORM console.note_audit('mended the glass', session_user, NULL, NULL);
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('action', 'info', 'break-glass', format('%s mended the glass', session_user));
    RETURN NULL;
END $$;

-- --- what the agent writes -----------------------------------------------------------------------------------------

-- The whole catalogue, again whenever an agent begins to lead or the files change.
CREATE FUNCTION console.publish_kinds(p_fence bigint, p_kinds jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    DELETE FROM console.action_kind WHERE name NOT IN (SELECT k ->> 'name' FROM jsonb_array_elements(p_kinds) AS k);
    INSERT INTO console.action_kind
        SELECT k ->> 'name', k ->> 'role', (k ->> 'second_person')::boolean, (k ->> 'budget')::int,
            (k ->> 'freeze')::boolean, coalesce(k ->> 'exclusive', ''), coalesce(k ->> 'undo', ''),
            coalesce(k ->> 'unavailable', ''), k
        FROM jsonb_array_elements(p_kinds) AS k
        ON CONFLICT (name) DO UPDATE SET role = excluded.role, second_person = excluded.second_person,
            budget = excluded.budget, freezes = excluded.freezes, exclusive = excluded.exclusive, undo = excluded.undo,
            unavailable = excluded.unavailable, spec = excluded.spec
            WHERE action_kind.spec IS DISTINCT FROM excluded.spec;
END $$;

-- The plan of an action that is asked for, or why there is none. False: it is not asked for any more.
-- `p_target` is the one spelling of what the action is about, so that the same thing is never two targets.
CREATE FUNCTION console.write_plan(
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
                AND (q.state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted')
                    OR q.state IN ('planning', 'planned') AND q.params = a.params)
            ORDER BY q.confirmed_at NULLS LAST, q.id LIMIT 1;
        IF FOUND THEN
            p_plan := NULL;
            p_refusal := format('action %s is %s: %s %s, which is the same', other.id,
                CASE WHEN other.confirmed_at IS NULL THEN other.state ELSE 'under way' END, other.kind, other.target);
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

-- One that the console itself asks for: an expiry, an automated response. With `p_begin` it needs nobody any more
-- (its plan comes with it) unless its budget is spent; else it becomes a proposal that a person confirms.
CREATE FUNCTION console.request_automatic(
    p_fence bigint, p_kind text, p_target text, p_params jsonb, p_reason text, p_cause text, p_plan jsonb,
    p_begin boolean, p_undo_of bigint, OUT refusal text, OUT id bigint
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
            q.state IN ('confirmed', 'approved', 'running', 'verifying', 'interrupted')
            OR q.state IN ('planning', 'planned') AND (NOT p_begin OR q.params = p_params)
        ) LIMIT 1;
    IF FOUND THEN
        refusal := format('action %s is %s', other.id, other.state);
        id := other.id;
        RETURN;
    END IF;
    -- What ends by itself as it was agreed (`p_undo_of`) has been decided by whoever confirmed it.
    -- Anything else takes a person where it takes two, while a freeze holds, and when the budget is spent.
    begins := p_begin AND (p_undo_of IS NOT NULL OR NOT k.second_person
        AND coalesce(p_plan ->> 'second_person', '') = ''
        AND NOT (k.freezes AND EXISTS (
            SELECT FROM console.freeze_window WHERE starts_at <= clock_timestamp() AND ends_at > clock_timestamp()))
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

-- From now on this agent runs it. Null: it is not to be run (any more, or yet). Else what a person chose where it was
-- interrupted, or ''.
CREATE FUNCTION console.start_action(p_fence bigint, p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    first boolean;
    chosen text;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    SELECT * INTO a FROM console.action WHERE id = p_id FOR NO KEY UPDATE;
    IF NOT coalesce(
        a.state IN ('approved', 'running', 'verifying') OR a.state = 'confirmed' AND a.needs_approval = ''
            OR a.state = 'interrupted' AND a.choice IN ('again', 'skip'),
        false
    ) THEN
        RETURN NULL;
    END IF;
    first := a.started_at IS NULL;
    chosen := a.choice;
    UPDATE console.action SET state = CASE WHEN state = 'verifying' THEN state ELSE 'running' END, fence = p_fence,
            started_at = coalesce(started_at, clock_timestamp()), question = '', choice = ''
        WHERE id = p_id RETURNING * INTO a;
    PERFORM console.move_action(a, CASE WHEN first THEN 'started' ELSE 'taken up' END,
        CASE WHEN first THEN 'it runs' ELSE 'it goes on where it was cut off' END, jsonb_build_object('fence', p_fence));
    RETURN chosen;
END $$;

-- Steps as they are now, in one call; `p_steps` is [{seq, name, title, layer, state, attempt, due_at, started_at,
-- ended_at, text}].
CREATE FUNCTION console.write_steps(p_fence bigint, p_id bigint, p_steps jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    s record;
    subject text;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    SELECT concat_ws(' ', kind, nullif(target, '')) INTO subject FROM console.action WHERE id = p_id;
    FOR s IN
        SELECT * FROM jsonb_to_recordset(p_steps) AS q(seq int, name text, title text, layer text, state text,
            attempt int, due_at timestamptz, started_at timestamptz, ended_at timestamptz, text text)
        ORDER BY q.seq
    LOOP
        INSERT INTO console.action_step AS t
            VALUES (p_id, s.seq, left(s.name, 100), left(s.title, 300), left(s.layer, 60), s.state, s.attempt, s.due_at,
                s.started_at, s.ended_at, left(s.text, 1000), p_fence)
            ON CONFLICT (action_id, seq) DO UPDATE SET state = excluded.state, attempt = excluded.attempt,
                due_at = excluded.due_at, started_at = excluded.started_at, ended_at = excluded.ended_at,
                text = excluded.text, fence = excluded.fence;
        IF s.state <> 'pending' THEN
            PERFORM console.note_audit('step ' || s.state, subject, p_id,
                jsonb_build_object('seq', s.seq, 'name', s.name, 'attempt', s.attempt, 'text', left(s.text, 500)));
        END IF;
    END LOOP;
END $$;

-- Lines of output: text that comes in pieces, and the exact calls that were made. At most 20,000 lines per action.
CREATE FUNCTION console.append_output(p_fence bigint, p_id bigint, p_step text, p_kind text, p_lines text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    IF (SELECT count(*) FROM console.action_output WHERE action_id = p_id) < 20000 THEN
        INSERT INTO console.action_output (action_id, step, kind, text)
            SELECT p_id, left(p_step, 100), p_kind, left(line, 2000)
            FROM unnest(p_lines) WITH ORDINALITY AS l(line, place) ORDER BY place;
    END IF;
END $$;

-- All steps are over: from now on its effect is watched.
CREATE FUNCTION console.watch_action(p_fence bigint, p_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    UPDATE console.action SET state = 'verifying' WHERE id = p_id AND state = 'running' RETURNING * INTO a;
    IF FOUND THEN
        PERFORM console.move_action(a, 'verifying', 'all steps are over, its effect is watched', NULL);
    END IF;
END $$;

CREATE FUNCTION console.finish_action(p_fence bigint, p_id bigint, p_state text, p_words text, p_proof jsonb)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    UPDATE console.action SET state = p_state, ended_at = clock_timestamp(), words = left(p_words, 500),
            proof = coalesce(p_proof, proof), question = ''
        WHERE id = p_id AND ended_at IS NULL RETURNING * INTO a;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE console.action_step SET state = 'cancelled', ended_at = clock_timestamp()
        WHERE action_id = p_id AND state = 'pending';
    IF a.undo_of IS NOT NULL AND a.state = 'done' THEN
        UPDATE console.action SET undone_by = a.id WHERE id = a.undo_of;
    END IF;
    PERFORM console.move_action(a, 'ended', a.words, jsonb_build_object('proof', a.proof));
END $$;

-- Nobody can say whether a step has happened: a person chooses.
CREATE FUNCTION console.interrupt_action(p_fence bigint, p_id bigint, p_question text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
BEGIN
    PERFORM console.hold(p_fence);
    PERFORM console.hold_audit();
    UPDATE console.action SET state = 'interrupted', question = left(p_question, 500), choice = ''
        WHERE id = p_id AND state IN ('running', 'verifying') RETURNING * INTO a;
    IF FOUND THEN
        PERFORM console.move_action(a, 'interrupted', a.question, NULL);
    END IF;
END $$;

CREATE FUNCTION console.write_proof(p_fence bigint, p_id bigint, p_proof jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    UPDATE console.action SET proof = p_proof WHERE id = p_id AND ended_at IS NULL AND proof IS DISTINCT FROM p_proof;
END $$;

-- What an action put in force, as it is on each layer now.
CREATE FUNCTION console.put_effect(p_fence bigint, p_id bigint, p_kind text, p_target text, p_expires_at timestamptz, p_layers jsonb)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    made bigint;
BEGIN
    PERFORM console.hold(p_fence);
    INSERT INTO console.effect AS e (kind, target, action_id, reason, author, since, expires_at, layers)
        SELECT p_kind, p_target, a.id, a.reason, coalesce(nullif(a.confirmed_by, ''), a.requested_by), clock_timestamp(),
            p_expires_at, p_layers
        FROM console.action AS a WHERE a.id = p_id
        ON CONFLICT (kind, target) WHERE lifted_at IS NULL DO UPDATE SET layers = excluded.layers,
            expires_at = excluded.expires_at, action_id = excluded.action_id, reason = excluded.reason,
            author = excluded.author
        RETURNING e.id INTO made;
    RETURN made;
END $$;

CREATE FUNCTION console.lift_effect(p_fence bigint, p_id bigint, p_kind text, p_target text, p_layers jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    UPDATE console.effect SET lifted_at = clock_timestamp(), lifted_by = p_id, layers = p_layers
        WHERE kind = p_kind AND target = p_target AND lifted_at IS NULL;
    RETURN FOUND;
END $$;

-- Plans that nobody confirmed and confirmations that nobody approved in time; how many those were.
CREATE FUNCTION console.expire_actions(p_fence bigint) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    a console.action;
    n int := 0;
BEGIN
    PERFORM console.hold(p_fence);
    IF NOT EXISTS (
        SELECT FROM console.action WHERE ended_at IS NULL AND (
            state = 'planned' AND plan_expires_at < clock_timestamp()
            OR state = 'confirmed' AND needs_approval <> '' AND approval_expires_at < clock_timestamp())
    ) THEN
        RETURN 0;
    END IF;
    PERFORM console.hold_audit();
    FOR a IN
        UPDATE console.action SET state = 'expired', ended_at = clock_timestamp(),
                words = CASE WHEN state = 'planned' THEN 'nobody confirmed it in time' ELSE 'nobody approved it in time' END
            WHERE ended_at IS NULL AND (
                state = 'planned' AND plan_expires_at < clock_timestamp()
                OR state = 'confirmed' AND needs_approval <> '' AND approval_expires_at < clock_timestamp())
            RETURNING *
    LOOP
        PERFORM console.move_action(a, 'expired', a.words, NULL);
        n := n + 1;
    END LOOP;
    RETURN n;
END $$;

-- --- acknowledgements and silences in the audit --------------------------------------------------------------------

CREATE FUNCTION console.audit_alerts() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.note_audit(kind, rule, NULL, jsonb_build_object('alert', alert_id, 'text', text))
        FROM (SELECT * FROM added WHERE kind IN ('acknowledged', 'unacknowledged') ORDER BY id) AS q;
    RETURN NULL;
END $$;

CREATE FUNCTION console.audit_silences() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.note_audit(CASE TG_OP WHEN 'INSERT' THEN 'silenced' ELSE 'ended a silence' END,
            console.matcher_words(matchers), NULL,
            jsonb_build_object('silence', id, 'text', reason, 'ends_at', ends_at, 'matchers', matchers))
        FROM (SELECT * FROM added ORDER BY id) AS q;
    RETURN NULL;
END $$;

CREATE TRIGGER audit AFTER INSERT ON console.alert_change REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.audit_alerts();
CREATE TRIGGER audit_insert AFTER INSERT ON console.silence REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.audit_silences();
CREATE TRIGGER audit_update AFTER UPDATE ON console.silence REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.audit_silences();

REVOKE ALL ON FUNCTION
    console.audit_hash(text, bigint, timestamptz, text, text, text, bigint, jsonb),
    console.hold_audit(),
    console.note_audit(text, text, bigint, jsonb),
    console.role_of(name),
    console.move_action(console.action, text, text, jsonb),
    console.refuse(text, text, bigint, text),
    console.scaled(interval),
    console.glass_of(text),
    console.guards_of(console.action, name),
    console.approval_of(console.action, name),
    console.preview_guards(bigint),
    console.request_action(text, text, jsonb, text, text, bigint),
    console.confirm_action(bigint, text, text, jsonb, text),
    console.approve_action(bigint, text),
    console.withdraw_action(bigint, text),
    console.cancel_action(bigint, text),
    console.resume_action(bigint, text, text),
    console.add_freeze(timestamptz, float8, text),
    console.end_freeze(bigint),
    console.break_glass(text, float8),
    console.mend_glass(),
    console.publish_kinds(bigint, jsonb),
    console.write_plan(bigint, bigint, jsonb, text, text),
    console.request_automatic(bigint, text, text, jsonb, text, text, jsonb, boolean, bigint),
    console.start_action(bigint, bigint),
    console.write_steps(bigint, bigint, jsonb),
    console.append_output(bigint, bigint, text, text, text[]),
    console.watch_action(bigint, bigint),
    console.finish_action(bigint, bigint, text, text, jsonb),
    console.interrupt_action(bigint, bigint, text),
    console.write_proof(bigint, bigint, jsonb),
    console.put_effect(bigint, bigint, text, text, timestamptz, jsonb),
    console.lift_effect(bigint, bigint, text, text, jsonb),
    console.expire_actions(bigint),
    console.audit_alerts(),
    console.audit_silences()
FROM PUBLIC;
-- To viewers too: they are refused inside, so that the refusal stays in the audit.
GRANT EXECUTE ON FUNCTION
    console.preview_guards(bigint),
    console.request_action(text, text, jsonb, text, text, bigint),
    console.confirm_action(bigint, text, text, jsonb, text),
    console.approve_action(bigint, text),
    console.withdraw_action(bigint, text),
    console.cancel_action(bigint, text),
    console.resume_action(bigint, text, text),
    console.add_freeze(timestamptz, float8, text),
    console.end_freeze(bigint),
    console.break_glass(text, float8),
    console.mend_glass()
TO console_viewer;
GRANT EXECUTE ON FUNCTION
    console.publish_kinds(bigint, jsonb),
    console.write_plan(bigint, bigint, jsonb, text, text),
    console.request_automatic(bigint, text, text, jsonb, text, text, jsonb, boolean, bigint),
    console.start_action(bigint, bigint),
    console.write_steps(bigint, bigint, jsonb),
    console.append_output(bigint, bigint, text, text, text[]),
    console.watch_action(bigint, bigint),
    console.finish_action(bigint, bigint, text, text, jsonb),
    console.interrupt_action(bigint, bigint, text),
    console.write_proof(bigint, bigint, jsonb),
    console.put_effect(bigint, bigint, text, text, timestamptz, jsonb),
    console.lift_effect(bigint, bigint, text, text, jsonb),
    console.expire_actions(bigint)
TO console_agent;
