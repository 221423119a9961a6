-- Who judged since the beginning of a window.
SELECT
    arraySort(groupUniqArrayIf(8)(toString(Judge), Judge != '')) AS judges,
    arraySort(groupUniqArrayIf(8)(toString(Note), Note != '')) AS judge_notes
FROM scores
WHERE Timestamp >= {from:DateTime64(3, 'UTC')} AND NOT startsWith(Name, 'drift.') AND NOT startsWith(Name, 'mark.')
