"""Labelled data that is shipped: `demo_answers.jsonl`, see ``docs/judge.md``."""
