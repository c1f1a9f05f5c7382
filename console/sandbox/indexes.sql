-- Keys, foreign keys and indexes, made after the history is loaded: building them once is several times cheaper.
-- Names are stable, so that a check can say which one is missing.

ALTER TABLE public.orders ADD PRIMARY KEY (id);
ALTER TABLE public.positions ADD PRIMARY KEY (id);
ALTER TABLE public.user_sessions ADD PRIMARY KEY (id);
ALTER TABLE public.auth_audit_log ADD PRIMARY KEY (id);
ALTER TABLE public.order_audit_log ADD PRIMARY KEY (id);
ALTER TABLE public.ledger_entries ADD PRIMARY KEY (id);
ALTER TABLE public.function_logs ADD PRIMARY KEY (id);
ALTER TABLE public.auth_logs ADD PRIMARY KEY (id);
ALTER TABLE public.orders ADD FOREIGN KEY (user_id) REFERENCES public.profiles;
ALTER TABLE public.orders ADD FOREIGN KEY (symbol) REFERENCES public.symbols;
ALTER TABLE public.positions ADD FOREIGN KEY (user_id) REFERENCES public.profiles;
ALTER TABLE public.user_sessions ADD FOREIGN KEY (user_id) REFERENCES public.profiles;

CREATE INDEX orders_created_at ON public.orders (created_at);
CREATE INDEX orders_executed_at ON public.orders (executed_at);
CREATE INDEX orders_user_created_at ON public.orders (user_id, created_at);
CREATE UNIQUE INDEX orders_idempotency ON public.orders (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX orders_resting ON public.orders (created_at) WHERE status IN ('pending', 'executing');
CREATE INDEX positions_user_open ON public.positions (user_id, symbol) WHERE status = 'open';
CREATE INDEX positions_created_at ON public.positions (created_at);
CREATE INDEX user_sessions_started_at ON public.user_sessions (started_at);
CREATE INDEX user_sessions_ended_at ON public.user_sessions (ended_at);
CREATE INDEX user_sessions_active ON public.user_sessions (user_id) WHERE status = 'active';
CREATE INDEX auth_audit_log_created_at ON public.auth_audit_log (created_at);
CREATE INDEX auth_audit_log_failures ON public.auth_audit_log (ip_address, created_at)
    WHERE action = 'authentication_failure';
CREATE INDEX order_audit_log_created_at ON public.order_audit_log (created_at);
CREATE INDEX order_audit_log_refused_key ON public.order_audit_log (user_id, (details ->> 'idempotency_key'))
    WHERE action = 'order_refused';
CREATE INDEX ledger_entries_created_at ON public.ledger_entries (created_at);
CREATE INDEX function_logs_at ON public.function_logs (at);
CREATE INDEX auth_logs_at ON public.auth_logs (at);
CREATE INDEX profiles_created_at ON public.profiles (created_at);
CREATE INDEX blocked_requests_created_at ON public.blocked_requests (created_at);
CREATE INDEX survey_responses_created_at ON public.survey_responses (created_at);
