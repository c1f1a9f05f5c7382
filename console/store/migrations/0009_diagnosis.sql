-- What an agent found out about an alert, the newest of each: a document that only Python looks into.

CREATE TABLE console.diagnosis (
    alert_id bigint PRIMARY KEY,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object')
);
CREATE INDEX diagnosis_at ON console.diagnosis (at);

CREATE TRIGGER tell AFTER INSERT OR UPDATE ON console.diagnosis
    FOR EACH STATEMENT EXECUTE FUNCTION console.tell('diagnosis');

GRANT SELECT ON console.diagnosis TO console_viewer;

-- An older one never replaces a newer one, unless that lies in the future (the clock was set back). They are kept for
-- 30 days, and at most 500 of them.
CREATE FUNCTION console.write_diagnosis(
    p_fence bigint, p_alert_id bigint, p_kind text, p_at timestamptz, p_document jsonb
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
BEGIN
    PERFORM console.hold(p_fence);
    IF octet_length(p_document::text) > 1000000 THEN
        RAISE EXCEPTION 'a diagnosis is at most 1000000 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO console.diagnosis AS d (alert_id, kind, at, document)
        VALUES (p_alert_id, left(p_kind, 50), p_at, p_document)
        ON CONFLICT (alert_id) DO UPDATE
            SET kind = excluded.kind, at = excluded.at, document = excluded.document
            WHERE excluded.at >= d.at OR d.at > clock_timestamp();
    DELETE FROM console.diagnosis
        WHERE at < least(p_at, clock_timestamp()) - interval '30 days'
            OR at < (SELECT at FROM console.diagnosis ORDER BY at DESC OFFSET 499 LIMIT 1);
END $$;

REVOKE ALL ON FUNCTION console.write_diagnosis(bigint, bigint, text, timestamptz, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.write_diagnosis(bigint, bigint, text, timestamptz, jsonb) TO console_agent;
