"""``sightline-app guardrails``: measures the rules on the labelled set."""

from __future__ import annotations

import argparse
import json
import sys

from tqdm import tqdm

from sightline_app.guardrails.examples import read_examples, shipped
from sightline_app.guardrails.measurement import as_json, measure, table
from sightline_app.guardrails.questions import QuestionRules
from sightline_app.guardrails.topics import TopicLimits, parse_topics
from sightline_app.settings import GuardrailSettings


def run(options: argparse.Namespace, settings: GuardrailSettings) -> int:
    """Measure and print.

    Raises:
        CorpusError: the examples cannot be read.
    """
    examples = read_examples(options.examples or shipped())
    limits = TopicLimits(parse_topics(settings.deny_topics), parse_topics(settings.allow_topics))
    rules = QuestionRules(settings.question_families, settings.question_kinds, settings.threshold, limits)
    with tqdm(total=len(examples), desc="judging", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
        found = measure(examples, rules, lambda: bar.update(1))
    if options.json:
        sys.stdout.write(json.dumps(as_json(found)) + "\n")
    else:
        sys.stdout.write(table(found))
    return 0
