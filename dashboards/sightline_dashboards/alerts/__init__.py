"""Alerts: rules in YAML, evaluated on the store, sent to people.

`rules_file` reads rules, `readings` asks the store, `conditions` judges what came back, `machine` decides on states,
`evaluator` does all of it again and again, `outbox` tells people. Nothing here draws a page, and nothing of Streamlit
is imported, so the evaluator is a small process.
"""
