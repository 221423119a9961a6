"""The standard library of the running interpreter as a source of passages, read in a child process."""

from sightline_app.corpus import content_version
from sightline_demo_corpus.standard_library import StandardLibrary


def test_interpreter_is_read_in_a_child_process() -> None:
    """Two modules give functions, classes and methods with signature and date."""
    source = StandardLibrary(("json", "bisect"))
    seen: list[tuple[int, int]] = []
    passages = source.passages(lambda done, total: seen.append((done, total)))
    by_name = {name: each for each in passages for name in each.names}
    assert by_name["json.loads"].title.startswith("json.loads(s, *")
    assert by_name["bisect.insort"].kind == "function"
    assert "json.JSONDecoder.decode" in by_name
    assert seen[-1][0] == seen[-1][1]
    assert content_version(passages) == content_version(source.passages(lambda done, total: None))
