-- What operators change on the platform, and how the simulator counts it: sessions, the layers of refusals, the
-- mail that GoTrue sends, the roles platform_ops and platform_deploy, the door of the db-down drill. Run by a superuser at every start
-- of the sandbox, so every statement may find its work done.

-- GoTrue: one refresh token per session, changed at each use. Deleting the session takes it away.
CREATE TABLE IF NOT EXISTS auth.refresh_tokens (
    token text PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES auth.sessions ON DELETE CASCADE,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS refresh_tokens_session ON auth.refresh_tokens (session_id);
CREATE INDEX IF NOT EXISTS sessions_user ON auth.sessions (user_id);
ALTER TABLE auth.users ADD COLUMN IF NOT EXISTS recovery_sent_at timestamptz;
ALTER TABLE auth.users ADD COLUMN IF NOT EXISTS password_changed_at timestamptz;

-- platform: the block list refused; vercel: the firewall in front of the frontend.
ALTER TABLE public.blocked_requests ADD COLUMN IF NOT EXISTS layer text NOT NULL DEFAULT 'platform'
    CHECK (layer IN ('platform', 'vercel'));
CREATE INDEX IF NOT EXISTS order_audit_log_address ON public.order_audit_log (ip_address, created_at)
    WHERE ip_address IS NOT NULL;

-- The mail that was sent to people, for the simulated ones to read.
CREATE TABLE IF NOT EXISTS sandbox.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    recipient text NOT NULL,
    kind text NOT NULL,
    token text NOT NULL,
    used_at timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_recipient ON sandbox.outbox (recipient, at);

-- One row for each write that reached the platform: whoever wants to know that nothing was done twice counts here.
CREATE TABLE IF NOT EXISTS sandbox.effect_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    effect text NOT NULL,
    target text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE OR REPLACE FUNCTION sandbox.log_block() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sandbox.effect_log (effect, target, detail)
    VALUES (CASE TG_OP WHEN 'DELETE' THEN 'unblock' ELSE 'block' END,
            CASE TG_OP WHEN 'DELETE' THEN OLD.network ELSE NEW.network END::text,
            jsonb_build_object('by', session_user, 'changed', TG_OP <> 'UPDATE'));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION sandbox.log_account_status() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sandbox.effect_log (effect, target, detail)
    VALUES ('account_status', NEW.id::text, jsonb_build_object('by', session_user, 'from', OLD.account_status,
            'to', NEW.account_status, 'changed', OLD.account_status <> NEW.account_status));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION sandbox.log_flag() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sandbox.effect_log (effect, target, detail)
    VALUES ('flag', NEW.name, jsonb_build_object('by', session_user, 'to', NEW.enabled,
            'changed', OLD.enabled <> NEW.enabled));
    RETURN NULL;
END $$;
-- People log out all the time; only what operators end is an effect of theirs.
CREATE OR REPLACE FUNCTION sandbox.log_sessions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF session_user = 'platform_ops' THEN
        INSERT INTO sandbox.effect_log (effect, target, detail)
        SELECT 'sessions_deleted', user_id::text, jsonb_build_object('sessions', count(*))
        FROM gone GROUP BY user_id;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER effect AFTER INSERT OR UPDATE OR DELETE ON public.blocked_ips
    FOR EACH ROW EXECUTE FUNCTION sandbox.log_block();
CREATE OR REPLACE TRIGGER effect AFTER UPDATE OF account_status ON public.profiles
    FOR EACH ROW EXECUTE FUNCTION sandbox.log_account_status();
CREATE OR REPLACE TRIGGER effect AFTER UPDATE ON public.platform_flags
    FOR EACH ROW EXECUTE FUNCTION sandbox.log_flag();
CREATE OR REPLACE TRIGGER effect AFTER DELETE ON auth.sessions
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sandbox.log_sessions();

-- The db-down drill: the database really refuses the gateway and the service. The change of the roles has to be
-- committed before the sessions are ended, or a session could come back in between.
CREATE OR REPLACE FUNCTION control.refuse_logins() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    ALTER ROLE platform_app NOLOGIN;
    ALTER ROLE platform_reader NOLOGIN;
    ALTER ROLE platform_ops NOLOGIN;
    ALTER ROLE platform_deploy NOLOGIN;
END $$;
CREATE OR REPLACE FUNCTION control.allow_logins() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE NOT rolcanlogin
               AND rolname IN ('platform_app', 'platform_reader', 'platform_ops', 'platform_deploy')) THEN
        ALTER ROLE platform_app LOGIN;
        ALTER ROLE platform_reader LOGIN;
        ALTER ROLE platform_ops LOGIN;
        ALTER ROLE platform_deploy LOGIN;
    END IF;
END $$;
CREATE OR REPLACE FUNCTION control.end_sessions() RETURNS int LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(pg_terminate_backend(pid))::int FROM pg_stat_activity
    WHERE usename IN ('platform_app', 'platform_reader', 'platform_ops', 'platform_deploy')
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA sandbox, control FROM PUBLIC;
GRANT USAGE ON SCHEMA control TO platform_control;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA control TO platform_control;

GRANT SELECT, INSERT, UPDATE, DELETE ON auth.refresh_tokens, sandbox.outbox TO platform_app;
GRANT SELECT, INSERT ON sandbox.effect_log TO platform_app;
GRANT SELECT ON sandbox.effect_log TO platform_reader;
-- A recovery mail's token lets its reader in.
REVOKE ALL ON sandbox.outbox FROM platform_reader;

-- The console's writing role: what its plans ask for and what its actions change, column by column.
GRANT USAGE ON SCHEMA public, auth TO platform_ops;
GRANT SELECT ON public.profiles, public.positions, public.orders, public.user_sessions, public.auth_audit_log,
    public.order_audit_log, public.blocked_ips, public.blocked_requests, public.platform_flags TO platform_ops;
GRANT SELECT (id, email, banned_until) ON auth.users TO platform_ops;
GRANT INSERT (network, reason, expires_at), UPDATE (reason, expires_at), DELETE ON public.blocked_ips TO platform_ops;
GRANT UPDATE (enabled, changed_at) ON public.platform_flags TO platform_ops;
GRANT UPDATE (account_status) ON public.profiles TO platform_ops;
GRANT SELECT (id, user_id), DELETE ON auth.sessions TO platform_ops;
GRANT UPDATE (status, ended_at) ON public.user_sessions TO platform_ops;

-- Deployments. The role that migrations run as owns what they change, as `postgres` does at Supabase; it sees nothing
-- of GoTrue's and of the simulator's schemas.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT format('TABLE public.%I', tablename) FROM pg_tables
                WHERE schemaname = 'public' AND tableowner <> 'platform_deploy'
                UNION ALL
                SELECT format('FUNCTION %s', oid::regprocedure) FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace AND proowner <> 'platform_deploy'::regrole
                AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') LOOP
        EXECUTE format('ALTER %s OWNER TO platform_deploy', name);
    END LOOP;
    EXECUTE format('GRANT CREATE ON DATABASE %I TO platform_deploy', current_database());
END $$;
ALTER SCHEMA supabase_migrations OWNER TO platform_deploy;
ALTER TABLE supabase_migrations.schema_migrations OWNER TO platform_deploy;
GRANT USAGE, CREATE ON SCHEMA public TO platform_deploy;
-- Plans ask which migrations there are.
GRANT USAGE ON SCHEMA supabase_migrations TO platform_ops;
GRANT SELECT ON supabase_migrations.schema_migrations TO platform_ops;

-- A sandbox of an earlier version recorded the schema in parts; its repository has it as one migration.
UPDATE supabase_migrations.schema_migrations SET name = 'platform_schema'
WHERE version = '20250911160000' AND name <> 'platform_schema';
DELETE FROM supabase_migrations.schema_migrations WHERE version < '20250911160000';

CREATE OR REPLACE FUNCTION sandbox.log_migration() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sandbox.effect_log (effect, target, detail)
    VALUES (CASE TG_OP WHEN 'DELETE' THEN 'migration_reverted' ELSE 'migration' END,
            CASE TG_OP WHEN 'DELETE' THEN OLD.version ELSE NEW.version END, jsonb_build_object('by', session_user));
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION sandbox.log_migration() FROM PUBLIC;
CREATE OR REPLACE TRIGGER effect AFTER INSERT OR DELETE ON supabase_migrations.schema_migrations
    FOR EACH ROW EXECUTE FUNCTION sandbox.log_migration();
