-- The simulated platform's database: the tables a real installation of the trading platform has, with row
-- level security and the order procedure. Run once by a superuser, in one transaction. Indexes are in indexes.sql,
-- made after the history is loaded; what operators change, and the simulator's own objects, in operations.sql.

CREATE SCHEMA auth;
CREATE SCHEMA supabase_migrations;
CREATE SCHEMA sandbox;
CREATE SCHEMA control;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') THEN
        CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
    END IF;
END $$;

CREATE TABLE supabase_migrations.schema_migrations (
    version text PRIMARY KEY,
    name text,
    statements text[]
);
-- This file, as the platform's repository has it.
INSERT INTO supabase_migrations.schema_migrations (version, name) VALUES ('20250911160000', 'platform_schema');

-- GoTrue's part: who may log in. Digests are salted SHA-256; the simulated people hold no real secret.
CREATE TABLE auth.users (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE,
    salt text NOT NULL,
    digest text NOT NULL,
    banned_until timestamptz,
    created_at timestamptz NOT NULL
);
CREATE TABLE auth.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users,
    ip inet,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- The identity of the request, as PostgREST passes it on.
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;

CREATE TABLE public.profiles (
    id uuid PRIMARY KEY REFERENCES auth.users,
    email text NOT NULL,
    full_name text NOT NULL,
    kyc_status text NOT NULL DEFAULT 'approved' CHECK (kyc_status IN ('pending', 'approved', 'rejected')),
    account_status text NOT NULL DEFAULT 'active' CHECK (account_status IN ('active', 'suspended', 'closed')),
    account_tier text NOT NULL DEFAULT 'standard'
        CHECK (account_tier IN ('standard', 'premium', 'staff', 'synthetic')),
    balance numeric(18, 2) NOT NULL DEFAULT 0,
    equity numeric(18, 2) NOT NULL DEFAULT 0,
    margin_used numeric(18, 2) NOT NULL DEFAULT 0,
    legacy_ref text DEFAULT 'TX1-' || left(gen_random_uuid()::text, 8),
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
COMMENT ON COLUMN public.profiles.legacy_ref IS 'the customer number in the system before this one';

CREATE TABLE public.symbols (
    symbol text PRIMARY KEY,
    rank int NOT NULL UNIQUE,
    name text NOT NULL,
    asset_class text NOT NULL,
    provider text NOT NULL,
    base_price numeric(18, 5) NOT NULL,
    leverage int NOT NULL,
    max_notional numeric(18, 2) NOT NULL,
    halted boolean NOT NULL DEFAULT false
);

CREATE TABLE public.orders (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    symbol text NOT NULL,
    order_type text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop', 'stop_limit')),
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric(18, 6) NOT NULL,
    price numeric(18, 5),
    status text NOT NULL CHECK (status IN ('pending', 'executing', 'executed', 'failed', 'cancelled')),
    idempotency_key text,
    commission numeric(18, 4),
    execution_price numeric(18, 5),
    total_cost numeric(18, 2),
    execution_time double precision,
    failure_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    executed_at timestamptz
);
COMMENT ON COLUMN public.orders.execution_time IS 'milliseconds from the request to the decision';
COMMENT ON COLUMN public.orders.executed_at IS 'when the order was executed or had failed; null while pending or cancelled';

CREATE TABLE public.positions (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    order_id uuid,
    symbol text NOT NULL,
    side text NOT NULL CHECK (side IN ('long', 'short')),
    quantity numeric(18, 6) NOT NULL,
    entry_price numeric(18, 5) NOT NULL,
    current_price numeric(18, 5) NOT NULL,
    margin_used numeric(18, 2) NOT NULL,
    unrealized_pnl numeric(18, 2) NOT NULL DEFAULT 0,
    status text NOT NULL CHECK (status IN ('open', 'closed')),
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz
);

CREATE TABLE public.user_sessions (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'ended')),
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    ip_address inet
);

CREATE TABLE public.auth_audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid,
    action text NOT NULL,
    ip_address inet,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.order_audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY,
    order_id uuid,
    user_id uuid,
    action text NOT NULL,
    details jsonb,
    ip_address inet,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.ledger_entries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid,
    order_id uuid,
    kind text NOT NULL CHECK (kind IN ('commission', 'spread', 'subscription')),
    amount numeric(18, 4) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.blocked_ips (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network cidr NOT NULL,
    reason text NOT NULL,
    created_by text NOT NULL DEFAULT session_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz
);

-- Requests that the block list refused, counted per address and flush of the service.
CREATE TABLE public.blocked_requests (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ip_address inet NOT NULL,
    requests int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.platform_flags (
    name text PRIMARY KEY,
    enabled boolean NOT NULL DEFAULT false,
    changed_by text NOT NULL DEFAULT session_user,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO public.platform_flags (name) VALUES ('maintenance');

CREATE TABLE public.survey_responses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid,
    score int NOT NULL CHECK (score BETWEEN 1 AND 5),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.function_logs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    function text NOT NULL,
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    message text NOT NULL,
    user_id uuid,
    request_id text
);

CREATE TABLE public.auth_logs (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    level text NOT NULL CHECK (level IN ('debug', 'info', 'warning', 'error')),
    message text NOT NULL,
    user_id uuid,
    ip_address inet,
    request_id text
);

-- What of the past was made up, not lived through.
CREATE TABLE sandbox.seeded_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seeded_from timestamptz NOT NULL,
    seeded_until timestamptz NOT NULL,
    orders int NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now()
);

-- Row level security: people see their own rows; what is public is readable by everybody; the rest by nobody.
DO $$
DECLARE
    t text;
BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['orders', 'positions', 'user_sessions', 'auth_audit_log', 'order_audit_log',
                             'ledger_entries', 'survey_responses'] LOOP
        EXECUTE format('CREATE POLICY own_rows ON public.%I FOR SELECT TO authenticated '
                       'USING (user_id = (SELECT auth.uid()))', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['symbols', 'platform_flags'] LOOP
        EXECUTE format('CREATE POLICY everybody ON public.%I FOR SELECT TO anon, authenticated USING (true)', t);
    END LOOP;
    FOREACH t IN ARRAY ARRAY['blocked_ips', 'blocked_requests', 'function_logs', 'auth_logs'] LOOP
        EXECUTE format('CREATE POLICY service_only ON public.%I TO service_role USING (true) WITH CHECK (true)', t);
    END LOOP;
END $$;
CREATE POLICY own_profile ON public.profiles FOR SELECT TO authenticated USING (id = (SELECT auth.uid()));

-- Why an order can't be taken, as a code; null when it can. Reads only, so that it can be tested in production.
CREATE FUNCTION public.order_refusal(
    p_user_id uuid, p_symbol text, p_order_type text, p_side text, p_quantity numeric, p_price numeric
) RETURNS text LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    account text;
BEGIN
    SELECT account_status INTO account FROM profiles WHERE id = p_user_id;
    IF account IS NULL THEN RETURN 'unknown_account'; END IF;
    IF account <> 'active' THEN RETURN 'account_' || account; END IF;
    IF p_order_type IS NULL OR p_order_type NOT IN ('market', 'limit', 'stop', 'stop_limit') THEN
        RETURN 'invalid_order_type';
    END IF;
    IF p_side IS NULL OR p_side NOT IN ('buy', 'sell') THEN RETURN 'invalid_side'; END IF;
    -- NaN compares greater than every number in PostgreSQL, so the upper bound refuses it too.
    IF p_quantity IS NULL OR p_quantity <= 0 OR p_quantity > 1000000 THEN RETURN 'invalid_quantity'; END IF;
    IF p_price IS NOT NULL AND (p_price <= 0 OR p_price > 10000000) THEN RETURN 'invalid_price'; END IF;
    IF p_order_type <> 'market' AND p_price IS NULL THEN RETURN 'invalid_price'; END IF;
    IF NOT EXISTS (SELECT FROM symbols WHERE symbol = p_symbol) THEN RETURN 'unknown_symbol'; END IF;
    RETURN NULL;
END $$;

-- One order, all or nothing: checks, order, position, ledger, audit. Returns
-- {outcome: executed|pending|failed|refused, code, reason, order_id, duplicate, execution_price, execution_time, commission}.
-- The same idempotency key of one user gives the first answer again. p_elapsed_ms is what had passed since the
-- request came in; p_venue_error is the venue's refusal, which makes the order a failed one.
CREATE FUNCTION public.execute_order_atomic(
    p_user_id uuid, p_symbol text, p_order_type text, p_side text, p_quantity numeric, p_price numeric,
    p_market_price numeric, p_idempotency_key text, p_ip inet, p_elapsed_ms double precision,
    p_venue_error text DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_code text;
    v_reason text;
    v_status text;
    v_symbol symbols%ROWTYPE;
    v_profile profiles%ROWTYPE;
    v_known orders%ROWTYPE;
    v_order uuid := gen_random_uuid();
    v_notional numeric;
    v_margin numeric;
    v_commission numeric;
    v_spread numeric;
    v_opposite positions%ROWTYPE;
    v_direction text := CASE p_side WHEN 'buy' THEN 'long' ELSE 'short' END;
    v_pnl numeric := 0;
    v_ms double precision;
    v_done timestamptz;
BEGIN
    v_code := order_refusal(p_user_id, p_symbol, p_order_type, p_side, p_quantity, p_price);
    IF v_code IS NOT NULL THEN
        INSERT INTO order_audit_log (user_id, action, details, ip_address, created_at)
        VALUES ((SELECT id FROM profiles WHERE id = p_user_id), 'order_refused',
                jsonb_build_object('code', v_code, 'symbol', left(p_symbol, 40)), p_ip, clock_timestamp());
        RETURN jsonb_build_object('outcome', 'refused', 'code', v_code, 'reason', replace(v_code, '_', ' '));
    END IF;

    -- The profile's row lock puts one user's orders in a row, so that the balance and the key are safe.
    SELECT * INTO v_profile FROM profiles WHERE id = p_user_id FOR NO KEY UPDATE;
    IF p_idempotency_key IS NOT NULL THEN
        SELECT * INTO v_known FROM orders WHERE user_id = p_user_id AND idempotency_key = p_idempotency_key;
        IF FOUND THEN
            RETURN jsonb_build_object(
                'outcome', v_known.status, 'code', CASE WHEN v_known.status = 'failed' THEN 'order_failed' END,
                'reason', v_known.failure_reason, 'order_id', v_known.id, 'duplicate', true,
                'execution_price', v_known.execution_price, 'execution_time', v_known.execution_time,
                'commission', v_known.commission);
        END IF;
    END IF;

    SELECT * INTO v_symbol FROM symbols WHERE symbol = p_symbol;
    v_notional := p_quantity * p_market_price;
    v_margin := round(v_notional / v_symbol.leverage, 2);
    v_commission := round(v_notional * 0.00023, 4);
    v_spread := round(v_notional * 0.0034, 4);
    SELECT * INTO v_opposite FROM positions
    WHERE user_id = p_user_id AND symbol = p_symbol AND status = 'open' AND side <> v_direction
    ORDER BY created_at LIMIT 1;

    IF p_venue_error IS NOT NULL THEN
        v_code := 'venue_error'; v_reason := p_venue_error;
    ELSIF v_symbol.halted THEN
        v_code := 'symbol_halted'; v_reason := 'trading halted for ' || p_symbol;
    ELSIF v_opposite.id IS NULL AND v_profile.balance - v_profile.margin_used < greatest(v_margin + v_commission, 0.01) THEN
        v_code := 'insufficient_funds'; v_reason := 'insufficient funds';
    ELSIF v_notional > v_symbol.max_notional THEN
        v_code := 'risk_limit'; v_reason := 'risk limit exceeded';
    ELSIF p_order_type = 'market' AND p_price IS NOT NULL
          AND ((p_side = 'buy' AND p_market_price > p_price) OR (p_side = 'sell' AND p_market_price < p_price)) THEN
        v_code := 'price_moved'; v_reason := 'price moved beyond the limit';
    END IF;

    -- A synthetic account checks that this refusal works; it leaves one audit entry per key and no order.
    IF v_code IS NOT NULL AND v_profile.account_tier = 'synthetic' THEN
        IF NOT EXISTS (SELECT FROM order_audit_log WHERE user_id = p_user_id AND action = 'order_refused'
                       AND details ->> 'idempotency_key' = p_idempotency_key) THEN
            INSERT INTO order_audit_log (user_id, action, details, ip_address, created_at)
            VALUES (p_user_id, 'order_refused',
                    jsonb_build_object('code', v_code, 'idempotency_key', p_idempotency_key), p_ip, clock_timestamp());
        END IF;
        RETURN jsonb_build_object('outcome', 'refused', 'code', v_code, 'reason', v_reason);
    END IF;

    v_status := CASE
        WHEN v_code IS NOT NULL THEN 'failed'
        WHEN p_order_type = 'limit' AND ((p_side = 'buy' AND p_market_price > p_price)
                                         OR (p_side = 'sell' AND p_market_price < p_price)) THEN 'pending'
        WHEN p_order_type IN ('stop', 'stop_limit') THEN 'pending'
        ELSE 'executed' END;
    v_done := clock_timestamp();
    v_ms := round((p_elapsed_ms + 1000 * extract(epoch FROM v_done - statement_timestamp()))::numeric, 2);

    INSERT INTO orders (id, user_id, symbol, order_type, side, quantity, price, status, idempotency_key, commission,
                        execution_price, total_cost, execution_time, failure_reason, created_at, executed_at)
    VALUES (v_order, p_user_id, p_symbol, p_order_type, p_side, p_quantity, p_price, v_status, p_idempotency_key,
            CASE v_status WHEN 'executed' THEN v_commission END,
            CASE v_status WHEN 'executed' THEN p_market_price END,
            CASE v_status WHEN 'executed' THEN round(v_notional + v_commission, 2) END,
            CASE WHEN v_status <> 'pending' THEN v_ms END, v_reason,
            v_done - v_ms * interval '1 millisecond',
            CASE WHEN v_status <> 'pending' THEN v_done END);

    IF v_status = 'executed' THEN
        IF v_opposite.id IS NOT NULL THEN
            v_pnl := round((p_market_price - v_opposite.entry_price) * v_opposite.quantity
                           * CASE v_opposite.side WHEN 'long' THEN 1 ELSE -1 END, 2);
            UPDATE positions SET status = 'closed', closed_at = v_done, current_price = p_market_price,
                                 unrealized_pnl = 0
            WHERE id = v_opposite.id;
            v_margin := -v_opposite.margin_used;
        ELSE
            INSERT INTO positions (user_id, order_id, symbol, side, quantity, entry_price, current_price,
                                   margin_used, status, created_at)
            VALUES (p_user_id, v_order, p_symbol, v_direction, p_quantity, p_market_price, p_market_price,
                    v_margin, 'open', v_done);
        END IF;
        UPDATE profiles
        SET margin_used = greatest(margin_used + v_margin, 0), balance = balance - v_commission + v_pnl,
            equity = balance - v_commission + v_pnl
        WHERE id = p_user_id;
        INSERT INTO ledger_entries (user_id, order_id, kind, amount, created_at)
        VALUES (p_user_id, v_order, 'commission', v_commission, v_done),
               (p_user_id, v_order, 'spread', v_spread, v_done);
    END IF;
    INSERT INTO order_audit_log (order_id, user_id, action, details, ip_address, created_at)
    VALUES (v_order, p_user_id, 'order_' || v_status,
            CASE WHEN v_reason IS NOT NULL THEN jsonb_build_object('code', v_code, 'reason', v_reason) END,
            p_ip, v_done);
    RETURN jsonb_build_object(
        'outcome', v_status, 'code', v_code, 'reason', v_reason, 'order_id', v_order, 'duplicate', false,
        'execution_price', CASE v_status WHEN 'executed' THEN p_market_price END,
        'execution_time', v_ms, 'commission', CASE v_status WHEN 'executed' THEN v_commission END);
END $$;

-- Whether the procedures the platform stands on are there and refuse what they should. Changes nothing.
CREATE FUNCTION public.test_procedures() RETURNS TABLE (procedure text, ok boolean, detail text)
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    v_user uuid := (SELECT id FROM profiles WHERE account_status = 'active' LIMIT 1);
    v_found text;
BEGIN
    procedure := 'execute_order_atomic';
    ok := EXISTS (SELECT FROM pg_proc WHERE oid = to_regproc('public.execute_order_atomic'));
    detail := CASE WHEN ok THEN 'present' ELSE 'missing' END;
    RETURN NEXT;
    procedure := 'order_refusal: negative quantity';
    v_found := order_refusal(v_user, 'EURUSD', 'market', 'buy', -1, NULL);
    ok := v_found IS NOT DISTINCT FROM 'invalid_quantity';
    detail := coalesce(v_found, 'accepted');
    RETURN NEXT;
    procedure := 'order_refusal: unknown symbol';
    v_found := order_refusal(v_user, 'NO-SUCH-SYMBOL', 'market', 'buy', 1, NULL);
    ok := v_found IS NOT DISTINCT FROM 'unknown_symbol';
    detail := coalesce(v_found, 'accepted');
    RETURN NEXT;
    procedure := 'order_refusal: unknown account';
    v_found := order_refusal(gen_random_uuid(), 'EURUSD', 'market', 'buy', 1, NULL);
    ok := v_found IS NOT DISTINCT FROM 'unknown_account';
    detail := coalesce(v_found, 'accepted');
    RETURN NEXT;
    procedure := 'order_refusal: sound order';
    v_found := order_refusal(v_user, 'EURUSD', 'market', 'buy', 1, NULL);
    ok := v_found IS NULL;
    detail := coalesce(v_found, 'accepted');
    RETURN NEXT;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA public, auth TO anon, authenticated, service_role;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO anon, authenticated;
GRANT ALL ON ALL TABLES IN SCHEMA public TO service_role;
GRANT USAGE ON SCHEMA public, auth, supabase_migrations, sandbox TO platform_app, platform_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, auth TO platform_app;
GRANT SELECT ON ALL TABLES IN SCHEMA supabase_migrations, sandbox TO platform_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO platform_app;
GRANT SELECT ON ALL TABLES IN SCHEMA public, supabase_migrations, sandbox TO platform_reader;
GRANT SELECT (id, email, banned_until, created_at) ON auth.users TO platform_reader;
GRANT SELECT ON auth.sessions TO platform_reader;
GRANT EXECUTE ON FUNCTION public.test_procedures() TO platform_reader;
GRANT EXECUTE ON FUNCTION public.order_refusal(uuid, text, text, text, numeric, numeric) TO platform_reader;
