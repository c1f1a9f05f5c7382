-- The schema, the four roles, and what a store knows about itself.

-- Functions are executable by everybody unless this is said; it holds for all later migrations too.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

CREATE SCHEMA console;

-- Roles belong to the whole server: another store may have made them, or be making them at this moment.
DO $$
DECLARE
    wanted text;
    pair text[];
BEGIN
    FOR attempt IN 1..10 LOOP
        BEGIN
            FOREACH wanted IN ARRAY ARRAY['console_viewer', 'console_responder', 'console_commander', 'console_agent'] LOOP
                IF to_regrole(wanted) IS NULL THEN
                    EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
                END IF;
            END LOOP;
            FOREACH pair SLICE 1 IN ARRAY ARRAY[
                ['console_viewer', 'console_responder'],
                ['console_responder', 'console_commander'],
                ['console_viewer', 'console_agent']
            ] LOOP
                IF NOT EXISTS (
                    SELECT FROM pg_auth_members
                    WHERE roleid = to_regrole(pair[1]) AND member = to_regrole(pair[2])
                ) THEN
                    EXECUTE format('GRANT %I TO %I', pair[1], pair[2]);
                END IF;
            END LOOP;
            EXIT;
        EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
            -- internal_error is how PostgreSQL reports a membership that somebody else is changing.
            IF attempt = 10 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA console TO console_viewer;

CREATE TABLE console.migration (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE console.meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    environment text NOT NULL CHECK (environment <> ''),
    time_scale float8 NOT NULL CHECK (time_scale > 0),
    tick_s float8 NOT NULL CHECK (tick_s > 0)
);

GRANT SELECT ON console.migration, console.meta TO console_viewer;

-- Who really logged in decides, whatever role a SECURITY DEFINER function runs as.
CREATE FUNCTION console.require(p_role name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    IF NOT pg_has_role(session_user, p_role, 'USAGE') THEN
        RAISE EXCEPTION 'permission denied: % is no member of %', session_user, p_role
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Payloads are hints to read again and carry no data: every role can NOTIFY.
CREATE FUNCTION console.tell() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM pg_notify('tradex', TG_ARGV[0]);
    RETURN NULL;
END $$;

-- For triggers with a transition table `added`: a statement that added nothing tells nobody.
CREATE FUNCTION console.tell_added() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM added) THEN
        PERFORM pg_notify('tradex', TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION console.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

REVOKE ALL ON FUNCTION console.require(name), console.tell(), console.tell_added(), console.refuse_change() FROM PUBLIC;
