(
    SELECT count()
    FROM rollup_facts
    WHERE
        -- include: facts_of_window.sql
)
