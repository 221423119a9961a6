-- The question labels, of rollups and of the rows that no rollup holds. Judges are read as rows.
SELECT m.notes AS notes, m.priced_as AS priced_as, r.systems AS systems, r.embeddings AS embeddings, s.judges AS judges, s.judge_notes AS judge_notes
FROM
(
    SELECT
        arraySort(groupUniqArrayArray(8)(Notes)) AS notes,
        arraySort(groupUniqArrayIf(8)(toString(PricedAs), PricedAs != '')) AS priced_as
    FROM
    (
        SELECT Notes, PricedAs FROM rollup_calls
        WHERE
            -- include: rolled_periods.sql
        UNION ALL
        SELECT if(Note = '', [], [toString(Note)]) AS Notes, PricedAs FROM llm_calls
        WHERE
            -- include: beside_rollups_of_all.sql
    )
) AS m
CROSS JOIN
(
    SELECT
        arraySort(groupUniqArrayIf(8)(toString(System), System != '')) AS systems,
        arraySort(groupUniqArrayIf(8)(toString(Embedding), Embedding != '')) AS embeddings
    FROM
    (
        SELECT System, Embedding FROM rollup_retrievals
        WHERE
            -- include: rolled_periods.sql
        UNION ALL
        SELECT System, Embedding FROM retrievals
        WHERE
            -- include: beside_rollups_of_all.sql
    )
) AS r
CROSS JOIN
(
    -- include: judges_named.sql
) AS s
