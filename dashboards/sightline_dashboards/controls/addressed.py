"""Controls of one page whose value is in its address, so that what is shown can be shared and saved.

The address is right where it is newer than the control: a link was followed, a view opened, or the address edited.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st


def is_ticked(name: str) -> bool:
    """Return whether a checkbox is ticked, before it is shown in the same run.

    Args:
        name: of its parameter.
    """
    return bool(st.session_state[_taken_over(name, {"1": True}, default=False)])


def chosen_of(options: Sequence[str], *, name: str) -> str:
    """Return which of some options is chosen, before they are shown in the same run.

    Args:
        options: what can be chosen.
        name: of the parameter.
    """
    key = _taken_over(name, {option: option for option in options}, default=options[0])
    if st.session_state[key] not in options:
        st.session_state[key] = options[0]
    return str(st.session_state[key])


def checkbox(label: str, *, name: str) -> bool:
    """Show a checkbox; ticked, its parameter is 1.

    Args:
        label: beside it.
        name: of the parameter.
    """
    key = _taken_over(name, {"1": True}, default=False)
    ticked = st.checkbox(label, key=key)
    _told(name, "1" if ticked else "")
    return ticked


def one_of(label: str, options: Sequence[str], *, name: str) -> str:
    """Show options beside each other and return the chosen one; the first one is the default and not in the address.

    Args:
        label: for those who cannot see it.
        options: what can be chosen.
        name: of the parameter.
    """
    chosen_of(options, name=name)
    key = f"{name}_chosen"
    chosen = st.segmented_control(label, options, key=key, label_visibility="collapsed", required=True) or options[0]
    _told(name, "" if chosen == options[0] else chosen)
    return chosen


def _taken_over(name: str, meaning: dict[str, str] | dict[str, bool], *, default: str | bool) -> str:
    """Take the value of the address over where that is newer; return the key of the control."""
    key, told = f"{name}_chosen", st.session_state.get(f"{name}_told", "")
    written = st.query_params.get(name, "")
    if key not in st.session_state or written != told:
        st.session_state[key] = meaning.get(written, default)
    return key


def _told(name: str, value: str) -> None:
    """Write a value into the address; "" takes it out."""
    if not value:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
    st.session_state[f"{name}_told"] = value
