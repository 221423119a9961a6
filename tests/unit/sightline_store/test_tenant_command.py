"""`sightline-store tenant-sql`: what a ClickHouse server is told to show to a tenant."""

from __future__ import annotations

import pytest

from sightline_node.__main__ import main
from sightline_store.cli.tenant_command import statements
from sightline_store.schema import declared


def _made(tenant: str = "acme", *, content: bool = True) -> list[str]:
    return statements("otel", tenant, "reads acme", content=content, definer="default")


def test_every_table_has_its_policy_before_anything_is_granted() -> None:
    """At no moment does the role read other rows; what it was granted before is taken back first."""
    made = _made()
    first_grant = next(at for at, statement in enumerate(made) if statement.startswith("GRANT"))
    policies = [statement for statement in made[:first_grant] if statement.startswith("CREATE ROW POLICY")]
    filtered = {statement.partition(" ON `otel`.`")[2].partition("`")[0] for statement in policies}
    assert filtered == set(declared.tables())
    assert "REVOKE ALL ON *.* FROM `reads acme`" in made[:first_grant]
    assert all(statement.startswith("GRANT SELECT") for statement in made[first_grant:])
    assert not any("currentRoles" in statement or "getSetting" in statement for statement in made)


def test_a_name_cannot_leave_its_quotes() -> None:
    """A tenant is a text in every condition."""
    made = _made("a' OR 1 = 1 --")
    assert not any("'a' OR" in statement for statement in made)
    assert any("Tenant = 'a\\' OR 1 = 1 --'" in statement for statement in made)


def test_without_content_its_columns_are_not_granted() -> None:
    """The view of content is not, either."""
    granted = [statement for statement in _made(content=False) if statement.startswith("GRANT")]
    for hidden in ("`SpanAttributes`", "`Explanation`", "`Body`", "`span_contents`"):
        assert not any(hidden in statement for statement in granted)
    assert any("`span_contents`" in statement for statement in _made())


def test_the_command_prints_statements_and_refuses_what_is_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A line end in a name would end a comment."""
    main(["tenant-sql", "--tenant", "acme"])
    assert "TO `sightline_tenant_acme`;" in capsys.readouterr().out
    for arguments in (["--tenant", ""], ["--tenant", "a\nb"], ["--tenant", "a", "--role", "b\n"]):
        with pytest.raises(SystemExit, match="needs 1 to 128 printable characters"):
            main(["tenant-sql", *arguments])
