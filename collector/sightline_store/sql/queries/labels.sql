-- What must a reader know before believing the window: is it a model at all, whose prices, which search, which embedding, which judge?
SELECT m.notes AS notes, m.priced_as AS priced_as, r.systems AS systems, r.embeddings AS embeddings, s.judges AS judges, s.judge_notes AS judge_notes
FROM
(
    SELECT
        arraySort(groupUniqArrayIf(8)(toString(Note), Note != '')) AS notes,
        arraySort(groupUniqArrayIf(8)(toString(PricedAs), PricedAs != '')) AS priced_as
    FROM llm_calls
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
) AS m
CROSS JOIN
(
    SELECT
        arraySort(groupUniqArrayIf(8)(toString(System), System != '')) AS systems,
        arraySort(groupUniqArrayIf(8)(toString(Embedding), Embedding != '')) AS embeddings
    FROM retrievals
    WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND Timestamp < {to:DateTime64(3, 'UTC')}
) AS r
CROSS JOIN
(
    -- include: judges_named.sql
) AS s
