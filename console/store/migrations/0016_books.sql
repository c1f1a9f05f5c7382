-- What is written down for people to go by, as the leading agent last read it from its files.

-- `content` is as console/store/books.py writes it; `title` and `place` (the order of lists) are for whoever looks by hand.
CREATE TABLE console.book (
    kind text NOT NULL CHECK (kind IN ('runbook', 'checklist', 'template')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    title text NOT NULL,
    place int NOT NULL,
    content jsonb NOT NULL,
    read_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, name)
);
GRANT SELECT ON console.book TO console_viewer;

-- All of them: [{kind, name, title, place, content}]. What is not among them is gone; what is as before is left alone.
-- How many changed.
CREATE FUNCTION console.publish_books(p_fence bigint, p_books jsonb) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, console, pg_temp AS $$
DECLARE
    gone int;
    changed int;
BEGIN
    PERFORM console.hold(p_fence);
    DELETE FROM console.book AS b
        WHERE NOT EXISTS (
            SELECT FROM jsonb_to_recordset(p_books) AS n(kind text, name text) WHERE n.kind = b.kind AND n.name = b.name
        );
    GET DIAGNOSTICS gone = ROW_COUNT;
    INSERT INTO console.book AS b (kind, name, title, place, content)
        SELECT n.kind, n.name, left(n.title, 200), n.place, n.content
        FROM jsonb_to_recordset(p_books) AS n(kind text, name text, title text, place int, content jsonb)
        ON CONFLICT (kind, name) DO UPDATE SET title = excluded.title, place = excluded.place,
            content = excluded.content, read_at = clock_timestamp()
            WHERE (b.title, b.place, b.content) IS DISTINCT FROM (excluded.title, excluded.place, excluded.content);
    GET DIAGNOSTICS changed = ROW_COUNT;
    IF gone + changed > 0 THEN
        PERFORM pg_notify('tradex', 'book');
    END IF;
    RETURN gone + changed;
END $$;

REVOKE ALL ON FUNCTION console.publish_books(bigint, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION console.publish_books(bigint, jsonb) TO console_agent;
