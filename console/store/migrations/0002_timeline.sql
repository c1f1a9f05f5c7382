-- The one append-only timeline: what happened, beside the rows that say how things are now.

CREATE TABLE console.event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('critical', 'warning', 'info', 'ok')),
    subject text NOT NULL,
    text text NOT NULL,
    actor text NOT NULL DEFAULT session_user
);
CREATE INDEX event_subject ON console.event (subject, id DESC);
CREATE INDEX event_at ON console.event (at);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON console.event
    FOR EACH STATEMENT EXECUTE FUNCTION console.refuse_change();
CREATE TRIGGER tell AFTER INSERT ON console.event REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell_added('event');

GRANT SELECT ON console.event TO console_viewer;

CREATE FUNCTION console.note_drill(p_name text, p_text text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    new_id bigint;
BEGIN
    PERFORM console.require('console_responder');
    INSERT INTO console.event (kind, severity, subject, text)
        VALUES ('drill', 'info', left(p_name, 100), left(p_text, 500)) RETURNING id INTO new_id;
    RETURN new_id;
END $$;

REVOKE ALL ON FUNCTION console.note_drill(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.note_drill(text, text) TO console_responder;
